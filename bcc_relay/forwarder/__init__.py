"""SMTP out: sends dispatches to the next mail servers over a few kept connections."""

from bcc_relay.forwarder.options import Options, Server, TimeLimits, Tls
from bcc_relay.forwarder.upstream import Forwarder, Probed

__all__ = ["Forwarder", "Options", "Probed", "Server", "TimeLimits", "Tls"]
