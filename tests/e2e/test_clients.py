"""Real mail clients submit a mail with twelve families in To and one person in Bcc; all thirteen receive it safely."""

from __future__ import annotations

import os
import smtplib
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.e2e.disclosure import addresses_shown
from tests.e2e.mails import families, mail, new_subject
from tests.e2e.needs import need
from tests.e2e.relay_process import PASSWORD, USER, submit

PEOPLE = families(12)
HIDDEN = "hidden@secret.example"
NODE = Path(__file__).parent / "clients"


def run(*command: str, stdin: bytes = b"", home: Path | None = None) -> str:
    """Run a mail client to its good end and return what it said."""
    environment = {**os.environ, "HOME": str(home)} if home else None
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, check=False, env=environment)
    assert done.returncode == 0, (command[0], done.stdout.decode()[-2000:], done.stderr.decode()[-2000:])
    return done.stdout.decode() + done.stderr.decode()


def all_received_it_safely(postfix, subject: str) -> None:
    copies = postfix.arrived(subject, 13)
    assert sorted(copy.to for copy in copies) == sorted([*PEOPLE, HIDDEN])
    for copy in copies:
        assert addresses_shown(copy.raw) & {*PEOPLE, HIDDEN} <= {copy.to}
        assert USER in copy.fields("To")[0]
        assert copy.fields("Bcc") == []
        assert len(copy.fields("Date")) == len(copy.fields("Message-ID")) == 1


@pytest.fixture
def subject() -> str:
    return new_subject("client")


@pytest.fixture
def message(subject: str, tmp_path: Path) -> Path:
    """The mail as a file on a Unix system, with bare LF and the Bcc field in it."""
    path = tmp_path / "message.eml"
    path.write_bytes(mail(subject, PEOPLE, f"Bcc: {HIDDEN}").replace(b"\r\n", b"\n"))
    return path


@pytest.mark.parametrize("way", ["plain", "pipelining", "starttls", "implicit"])
def test_swaks(shared_relay, postfix, subject, message, way):
    need("swaks")
    login = ["-a", "PLAIN", "-au", USER, "-ap", PASSWORD]
    ways = {
        "plain": ["--port", str(shared_relay.port)],
        "pipelining": ["--port", str(shared_relay.port), "--pipeline"],
        "starttls": ["--port", str(shared_relay.starttls_port), "--tls", *login],
        "implicit": ["--port", str(shared_relay.implicit_port), "--tls-on-connect", *login],
    }
    everybody = ",".join([*PEOPLE, HIDDEN])
    run("swaks", "--server", "127.0.0.1", *ways[way], "--from", USER, "--to", everybody, "--data", f"@{message}")
    all_received_it_safely(postfix, subject)


def test_swaks_with_auth_login_after_starttls(shared_relay, postfix, subject, message):
    need("swaks")
    login = ["-a", "LOGIN", "-au", USER, "-ap", PASSWORD]
    where = ["--server", "127.0.0.1", "--port", str(shared_relay.starttls_port), "--tls", *login]
    run("swaks", *where, "--from", USER, "--to", ",".join([*PEOPLE, HIDDEN]), "--data", f"@{message}")
    all_received_it_safely(postfix, subject)


@pytest.mark.parametrize("way", ["plain", "starttls", "implicit"])
def test_msmtp(shared_relay, postfix, certificates, subject, message, tmp_path, way):
    need("msmtp")
    login = ["--auth=plain", f"--user={USER}", f"--passwordeval=echo {PASSWORD}", "--tls=on"]
    trust = f"--tls-trust-file={certificates.authority}"
    ways = {
        "plain": [f"--port={shared_relay.port}", "--auth=off", "--tls=off"],
        "starttls": [f"--port={shared_relay.starttls_port}", *login, trust, "--tls-starttls=on"],
        "implicit": [f"--port={shared_relay.implicit_port}", *login, trust, "--tls-starttls=off"],
    }
    run("msmtp", "--host=localhost", f"--from={USER}", *ways[way], "-t", stdin=message.read_bytes(), home=tmp_path)
    all_received_it_safely(postfix, subject)


@pytest.mark.parametrize("way", ["plain", "starttls", "implicit"])
def test_curl_which_sends_bare_line_feeds_and_the_bcc_field(shared_relay, postfix, certificates, subject, message, way):
    need("curl")
    login = ["--ssl-reqd", "--cacert", str(certificates.authority), "--user", f"{USER}:{PASSWORD}"]
    ways = {
        "plain": [f"smtp://127.0.0.1:{shared_relay.port}/laptop.example.org"],
        "starttls": [f"smtp://localhost:{shared_relay.starttls_port}/laptop.example.org", *login],
        "implicit": [f"smtps://localhost:{shared_relay.implicit_port}/laptop.example.org", *login],
    }
    everybody = [word for person in (*PEOPLE, HIDDEN) for word in ("--mail-rcpt", person)]
    run("curl", "-sS", *ways[way], "--mail-from", USER, *everybody, "--upload-file", str(message))
    all_received_it_safely(postfix, subject)


def test_nodemailer(shared_relay, postfix, subject):
    need("node")
    if not (NODE / "node_modules/nodemailer").exists():
        pytest.skip("needs nodemailer: tests/system-packages.sh installs it")
    said = run("node", str(NODE / "send.mjs"), str(shared_relay.port), USER, subject, HIDDEN, *PEOPLE)
    assert said.startswith("250 ")
    all_received_it_safely(postfix, subject)


@pytest.mark.parametrize("way", ["starttls", "implicit"])
def test_smtplib_with_a_login(shared_relay, postfix, certificates, subject, way):
    context = ssl.create_default_context(cafile=certificates.authority)
    if way == "starttls":
        client = smtplib.SMTP("localhost", shared_relay.starttls_port, timeout=60)
        client.starttls(context=context)
    else:
        client = smtplib.SMTP_SSL("localhost", shared_relay.implicit_port, timeout=60, context=context)
    with client:
        client.login(USER, PASSWORD)
        assert submit(client, [*PEOPLE, HIDDEN], mail(subject, PEOPLE, f"Bcc: {HIDDEN}"))[0] == 250
    all_received_it_safely(postfix, subject)


def test_a_client_that_knows_only_helo(shared_relay, postfix, subject):
    with smtplib.SMTP("127.0.0.1", shared_relay.port, timeout=60) as client:
        assert client.helo("old.example")[0] == 250
        assert submit(client, [*PEOPLE, HIDDEN], mail(subject, PEOPLE, f"Bcc: {HIDDEN}"))[0] == 250
    all_received_it_safely(postfix, subject)


def test_a_wrong_password_and_a_foreign_sender_are_refused(shared_relay, certificates):
    context = ssl.create_default_context(cafile=certificates.authority)
    with smtplib.SMTP_SSL("localhost", shared_relay.implicit_port, timeout=60, context=context) as client:
        assert submit(client, ["ann@one.example"], b"\r\nx\r\n")[0] == 530
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(USER, "wrong")
    with smtplib.SMTP_SSL("localhost", shared_relay.implicit_port, timeout=60, context=context) as client:
        client.login(USER, PASSWORD)
        code, text = submit(client, ["ann@one.example"], b"\r\nx\r\n", sender="mayor@council.example")
        assert (code, text[:5]) == (553, "5.7.1")


def test_no_login_is_offered_or_taken_before_tls(shared_relay):
    with smtplib.SMTP("localhost", shared_relay.starttls_port, timeout=60) as client:
        client.ehlo()
        assert not client.has_extn("auth")
        assert client.docmd("AUTH", "PLAIN AGEAYg==")[0] in {503, 530, 538}
