"""Whose address a connection comes from. An IPv4 address mapped into IPv6 is that IPv4 address everywhere."""

from __future__ import annotations

import ipaddress
from typing import TypeAlias

from bcc_relay.core.errors import ConfigurationError

Ip: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"
Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")


def read_networks(texts: tuple[str, ...], key: str) -> tuple[Network, ...]:
    """Read networks in prefix notation. Raises ConfigurationError, with `key` in its complaint, for anything else."""
    networks: list[Network] = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigurationError(
                f'{key}: "{text}" is not a network; write it like 192.0.2.0/24 or 2001:db8::/32'
            ) from error
        if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
            last_bits = int(network.network_address) & 0xFFFFFFFF
            network = ipaddress.IPv4Network((last_bits, network.prefixlen - _MAPPED.prefixlen))
        networks.append(network)
    return tuple(networks)


def plain_address(address: Ip) -> Ip:
    """Return the IPv4 address behind a mapped IPv6 one, or the address without its zone."""
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or ipaddress.IPv6Address(int(address))
    return address


def address_of_peer(peername: object) -> Ip | None:
    """Return the address in a socket's peer name, or None where there is none (the client is gone)."""
    if not isinstance(peername, tuple) or not peername:
        return None
    try:
        return plain_address(ipaddress.ip_address(str(peername[0])))
    except ValueError:
        return None


def is_in(address: Ip, networks: tuple[Network, ...]) -> bool:
    """Whether the address lies in any of the networks."""
    return any(address in network for network in networks)


def client_key(address: Ip) -> str:
    """Name under which a client is counted: its IPv4 address, or its IPv6 /64, which one customer holds whole."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
