"""What systemd is told."""

from __future__ import annotations

import os
import socket

from bcc_relay.telemetry.systemd import notify, watchdog_interval_s


def test_the_state_arrives_at_the_socket_that_systemd_named(tmp_path, monkeypatch):
    for name, address in ((str(tmp_path / "notify"), str(tmp_path / "notify")), ("@bcc-relay-t", "\0bcc-relay-t")):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
            listening.bind(address)
            listening.settimeout(5)
            monkeypatch.setenv("NOTIFY_SOCKET", name)

            notify("READY=1")

            assert listening.recv(100) == b"READY=1"


def test_without_systemd_nothing_happens(tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notify("READY=1")


def test_the_watchdog_is_fed_twice_in_its_time_and_only_when_it_is_ours(monkeypatch):
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_interval_s() is None
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    assert watchdog_interval_s() == 15
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid() + 1))
    assert watchdog_interval_s() is None
