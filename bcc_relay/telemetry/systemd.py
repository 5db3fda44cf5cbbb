"""Tells systemd how the service is doing (sd_notify(3)): READY=1, STOPPING=1, WATCHDOG=1."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(state: str) -> None:
    """Send `state`, such as "READY=1", to the socket systemd named; does nothing without one and never raises."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as to:
        # A leading @ means the abstract name space (unix(7)).
        to.sendto(state.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)


def watchdog_interval_s() -> float | None:
    """How often to send WATCHDOG=1, half of what systemd waits (sd_watchdog_enabled(3)); None when nobody waits."""
    period_us = os.environ.get("WATCHDOG_USEC", "")
    meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(period_us) / 2e6 if meant and period_us.isdigit() and int(period_us) else None
