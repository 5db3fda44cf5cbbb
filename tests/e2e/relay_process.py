"""The real relay as a process of its own, on free ports, with a store in a temporary folder; and its command line."""

from __future__ import annotations

import json
import os
import signal
import smtplib
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from tests.e2e.waiting import free_ports, wait_for

if TYPE_CHECKING:
    from pathlib import Path

REVIEWER = "dpo@council.example"
USER = "clerk@council.example"
PASSWORD = "correct horse battery"
STOPPING_S = 30


@dataclass(frozen=True)
class Certificates:
    """Files for TLS: the authority, the certificate for localhost, its key, and these two in one."""

    authority: Path
    certificate: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class Answer:
    """What a command of the relay's command line gave."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        assert self.code == 0, self
        return json.loads(self.out)


class Relay:
    """`bcc-relay serve` with a configuration of its own. `start`, `stop` and `kill` may be repeated."""

    def __init__(self, folder: Path, upstream_port: int, certificates: Certificates, **changes: object) -> None:
        """`changes` replace or extend sections of the configuration; `store_folder` says where the database lies."""
        self.folder = folder
        folder.mkdir(parents=True)
        self.port, self.starttls_port, self.implicit_port, self.metrics_port = free_ports(4)
        self.users_file = folder / "users.yaml"
        store = changes.pop("store_folder", folder)
        self.environment: dict[str, str] = changes.pop("environment", {})  # type: ignore[assignment]
        self.configuration: dict[str, Any] = {
            "organisation": {"domains": ["council.example"]},
            "listeners": [
                {"bind": f"127.0.0.1:{self.port}", "tls": "none", "auth": "none", "networks": ["127.0.0.0/8"]},
                {"bind": f"127.0.0.1:{self.starttls_port}", "tls": "starttls", "auth": "required"},
                {"bind": f"127.0.0.1:{self.implicit_port}", "tls": "implicit", "auth": "required"},
            ],
            "tls": {"certificate": str(certificates.certificate), "private_key": str(certificates.key)},
            "auth": {"backend": "file", "file": str(self.users_file)},
            "upstream": {"servers": [f"127.0.0.1:{upstream_port}"], "tls": "none", "recipients_per_transaction": 1000},
            "delivery": {"retry": ["1s"]},
            "notices": {"reviewers": [REVIEWER]},
            "store": {"url": f"sqlite://{store}/relay.db"},
            "metrics": {"bind": f"127.0.0.1:{self.metrics_port}"},
        }
        for section, change in changes.items():
            old = self.configuration.get(section)
            merged = {**old, **change} if isinstance(old, dict) and isinstance(change, dict) else change
            self.configuration[section] = merged
        self.config_file = folder / "config.yaml"
        self.write_configuration()
        self._log_file = folder / "log.jsonl"
        self._error_file = folder / "errors.txt"
        self._process: subprocess.Popen[bytes] | None = None

    def write_configuration(self) -> None:
        self.config_file.write_text(yaml.safe_dump(self.configuration))

    def start(self) -> None:
        """Start the process and wait until it says that it is ready."""
        self.launch()
        try:
            wait_for(self._is_ready_or_gone, "the relay to be ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.get('/readyz')}\n{self.said()}") from None
        assert self.process.poll() is None, f"the relay ended: {self.process.returncode}\n{self.said()}"

    def launch(self) -> None:
        """Start the process."""
        with self._log_file.open("ab") as out, self._error_file.open("ab") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bcc_relay", "serve", "--config", str(self.config_file)],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the relay was not started"
        return self._process

    def terminate(self) -> None:
        """Ask the process to drain; does not wait."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """Wait for the process to end and return its exit code."""
        return self.process.wait(STOPPING_S)

    def stop(self) -> int:
        """Drain and return the exit code."""
        self.terminate()
        return self.wait()

    def kill(self) -> None:
        """End the process as a power cut would."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(STOPPING_S)

    def said(self) -> str:
        """Everything on standard output and standard error."""
        return "".join(path.read_text() for path in (self._log_file, self._error_file) if path.exists())

    def log(self) -> list[dict[str, Any]]:
        """The log lines so far."""
        lines = self._log_file.read_text().splitlines() + self._error_file.read_text().splitlines()
        return [json.loads(line) for line in lines]

    def get(self, path: str) -> tuple[int, str]:
        """Ask the metrics port; status 0 means that nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name: str) -> float:
        """Sum of a metric over its labels."""
        lines = self.get("/metrics")[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def command(self, *arguments: str, stdin: str | None = None, person: str | None = None) -> Answer:
        """Run `bcc-relay ARGUMENTS` with this relay's configuration."""
        done = subprocess.run(
            [sys.executable, "-m", "bcc_relay", *arguments, "--config", str(self.config_file)],
            cwd=self.folder,
            env={**self._environment(), **({"SUDO_USER": person} if person else {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    def add_user(self) -> None:
        """Register USER with PASSWORD."""
        answer = self.command("users", "add", USER, "--password-stdin", stdin=f"{PASSWORD}\n")
        assert answer.code == 0, answer

    def held(self) -> list[dict[str, Any]]:
        """What `quarantine list --json` lists as held."""
        items = self.command("quarantine", "list", "--json").json()
        return [item for item in items if item["state"] == "held"]

    def queued(self) -> list[dict[str, Any]]:
        """What `queue list --json` lists."""
        return self.command("queue", "list", "--json").json()

    def send(self, to: list[str], message: bytes, *, sender: str = USER) -> tuple[int, str]:
        """Submit by smtplib on the listener without login; the answer to the final dot, or to what was refused."""
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            return submit(client, to, message, sender=sender)

    def _is_ready_or_gone(self) -> bool:
        return self.process.poll() is not None or self.get("/readyz")[0] == 200

    def _environment(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("BCC_RELAY_", "SUDO_"))}
        return {**mine, "PYTHONWARNINGS": "default", **self.environment}


def submit(client: smtplib.SMTP, to: list[str], message: bytes, *, sender: str = USER) -> tuple[int, str]:
    """Do one transaction; the answer to the final dot, or the first one that is no success."""
    client.ehlo_or_helo_if_needed()
    answers = [client.mail(sender, [f"SIZE={len(message)}"])]
    answers += [client.rcpt(person) for person in to if answers[-1][0] < 400]
    if answers[-1][0] < 400:
        try:
            answers.append(client.data(message))
        except smtplib.SMTPDataError as error:
            answers.append((error.smtp_code, error.smtp_error))
    code, text = answers[-1]
    if code >= 400:
        client.rset()
    return code, text.decode("utf-8") if isinstance(text, bytes) else text
