"""The process itself: stopping, refusing a bad configuration, a full disk, and what it shows to those who watch it."""

from __future__ import annotations

import re
import signal
import smtplib
import socket
import subprocess
from pathlib import Path

import pytest

from tests.e2e.mails import families, mail, new_subject, partners
from tests.e2e.relay_process import PASSWORD, USER
from tests.e2e.waiting import listens, wait_for


class Dialog:
    """A client that can stop in the middle of a mail."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._connection.makefile("rb")
        self.hears()

    def says(self, octets: bytes) -> None:
        self._connection.sendall(octets)

    def hears(self) -> bytes:
        """The next whole reply; empty when the relay has hung up."""
        while True:
            line = self._file.readline()
            if line[3:4] != b"-":
                return line

    def close(self) -> None:
        self._file.close()
        self._connection.close()


def test_a_stop_lets_the_mail_in_progress_finish_and_says_goodbye_to_the_idle(relay, postfix):
    subject = new_subject("drain")
    idle, busy = Dialog(relay.port), Dialog(relay.port)
    for command in (b"EHLO client.example", f"MAIL FROM:<{USER}>".encode(), b"RCPT TO:<ann@one.example>", b"DATA"):
        busy.says(command + b"\r\n")
        assert busy.hears()[:1] in b"23"
    message = mail(subject, ["ann@one.example"])
    busy.says(message[:50])
    relay.terminate()
    assert idle.hears().startswith(b"421 4.3.2 ")
    wait_for(lambda: not listens(relay.port), "the listener to be closed")
    busy.says(message[50:] + b".\r\n")
    assert busy.hears().startswith(b"250 ")
    assert relay.wait() == 0
    idle.close()
    busy.close()
    assert len(postfix.arrived(subject)) == 1


def test_a_configuration_error_names_file_key_and_remedy_and_ends_with_78(new_relay):
    relay = new_relay(1, organisation={"domans": ["council.example"]})
    relay.launch()
    assert relay.wait() == 78
    said = relay.said()
    assert "config.yaml" in said
    assert "domans" in said
    assert "domains" in said
    assert "Traceback" not in said
    answer = relay.command("config", "check")
    assert answer.code == 78
    assert "domans" in answer.out + answer.err


def test_a_missing_certificate_is_a_configuration_error(new_relay, tmp_path):
    relay = new_relay(1, tls={"certificate": str(tmp_path / "none.pem")})
    relay.launch()
    assert relay.wait() == 78
    assert "none.pem" in relay.said()


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def test_a_missing_users_file_is_a_configuration_error(new_relay):
    relay = new_relay(1)
    relay.users_file.unlink()
    relay.launch()
    assert relay.wait() == 78
    assert "users.yaml" in relay.said()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip(f"needs to mount a small file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_answers_452_and_loses_nothing(new_relay, postfix, small_disk):
    relay = new_relay(postfix.port, store_folder=small_disk)
    relay.start()
    people = partners(36)
    first, second, third = (new_subject("full") for _ in range(3))
    assert relay.send(people, mail(first, people))[1].startswith("2.0.0 Held")
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        fill(filler)
    large = "x" * 70 + "\r\n"
    code, text = relay.send(people, mail(second, people, body=large * 10000))
    assert (code, text[:5]) == (452, "4.3.1")
    passed = new_subject("passes")
    assert relay.send(["ann@one.example"], mail(passed, ["ann@one.example"]))[0] == 250, "live mail needs no room"
    postfix.arrived(passed)
    filler.unlink()
    assert relay.send(people, mail(third, people))[1].startswith("2.0.0 Held")
    assert sorted(item["subject"] for item in relay.held()) == sorted([first, third])
    [item] = [item for item in relay.held() if item["subject"] == first]
    assert relay.command("quarantine", "release", item["id"], "--as", "bcc").code == 0
    assert len(postfix.arrived(first, 36)) == 36
    assert postfix.copies(second) == []


def test_the_log_is_json_and_shows_no_address_subject_or_password(relay, postfix):
    subject, people = new_subject("secretword"), families(12)
    relay.send(people, mail(subject, people, body="the body is a secret too\r\n"))
    relay.send(partners(36), mail(subject, partners(36)))
    relay.send(["refused@one.example"], mail(subject, ["refused@one.example"]))
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=30) as client:
        client.docmd("MAIL", "FROM:<not an address@council.example>")
    with smtplib.SMTP("localhost", relay.starttls_port, timeout=30) as client:
        client.docmd("AUTH", f"PLAIN {PASSWORD}")
    postfix.arrived(subject, 12)
    assert relay.stop() == 0
    lines = relay.log()
    assert all(line["event"] and line["ts"] and line["level"] for line in lines)
    text = relay.said()
    for word in (
        *people,
        *partners(36),
        USER,
        "refused@one.example",
        "gmail.com",
        "secretword",
        "secret too",
        PASSWORD,
    ):
        assert word not in text
    assert any(re.search(r"rewrit", str(line)) for line in lines)


def test_the_metrics_count_and_carry_no_address(relay, postfix):
    subject, people = new_subject("metrics"), families(12)
    relay.send(people, mail(subject, people))
    relay.send(["ann@one.example"], mail(new_subject("metrics"), ["ann@one.example"]))
    relay.send(partners(36), mail(new_subject("metrics"), partners(36)))
    status, text = relay.get("/metrics")
    assert status == 200
    labels = "".join(re.findall(r"\{[^}]*\}", text))
    assert not any(word in labels for word in ("@", "gmail", "council", "company", "one.example"))
    assert f'bcc_relay_messages_total{{listener="127.0.0.1:{relay.port}",verdict="rewrite"}} 1.0' in text
    assert f'bcc_relay_messages_total{{listener="127.0.0.1:{relay.port}",verdict="pass"}} 1.0' in text
    assert relay.metric("bcc_relay_messages_total") == 3
    assert 'bcc_relay_rule_matches_total{rule="families"} 1.0' in text
    assert relay.metric("bcc_relay_addresses_protected_total") >= 12
    assert 'bcc_relay_quarantine_messages{state="held"} 1.0' in text
    assert 'bcc_relay_upstream_up{server="0"} 1.0' in text
    assert relay.metric("bcc_relay_stage_seconds_count") > 0


def test_health_is_answered(shared_relay):
    assert shared_relay.get("/livez")[0] == 200
    assert shared_relay.get("/readyz")[0] == 200


def test_a_reload_takes_over_good_settings_and_leaves_bad_ones(relay, postfix):
    def saw(event: str) -> bool:
        return any(line["event"] == event for line in relay.log())

    def verdict_on(people: list[str]) -> str:
        subject = new_subject("reload")
        relay.send(people, mail(subject, people))
        return postfix.arrived(subject, len(people))[0].fields("X-BCC-Relay")[0].partition(";")[0]

    people = families(3)
    assert verdict_on(people) == "passed"
    relay.configuration["policy"] = {"builtin": {"families": {"visible_outsiders": 3}}}
    relay.write_configuration()
    relay.process.send_signal(signal.SIGHUP)
    wait_for(lambda: saw("reloaded"), "the reload")
    assert verdict_on(people) == "rewritten"
    relay.configuration["policy"] = {"builtin": {"families": "perhaps"}}
    relay.write_configuration()
    relay.process.send_signal(signal.SIGHUP)
    wait_for(lambda: saw("reload_failed"), "the refusal to reload")
    assert verdict_on(people) == "rewritten"
    assert relay.get("/readyz")[0] == 200


def test_a_second_relay_on_the_same_port_does_not_start_and_the_first_goes_on(shared_relay, new_relay):
    second = new_relay(1)
    second.configuration["listeners"] = [
        {"bind": f"127.0.0.1:{shared_relay.port}", "tls": "none", "auth": "none", "networks": ["127.0.0.0/8"]}
    ]
    second.write_configuration()
    second.launch()
    assert second.wait() not in {0, -9}
    assert "Traceback" not in second.said()
    assert shared_relay.get("/readyz")[0] == 200


def test_the_master_key_is_readable_by_its_owner_alone(shared_relay):
    keys = [path for path in Path(shared_relay.folder).iterdir() if path.stat().st_size <= 256 and "key" in path.name]
    assert keys
    assert all(path.stat().st_mode & 0o077 == 0 for path in keys)
