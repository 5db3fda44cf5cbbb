"""A private Postfix as the real upstream: own configuration, queue and data, high port, loopback.

It accepts mail for every address of every domain and puts each copy into a file. Only these are refused: `refused@…`
(550), `later@…` (451, but while `accepting_later`). It mends no header and removes none, so that what the relay leaves shows.
"""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.e2e.needs import need
from tests.e2e.waiting import free_ports, listens, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

DAEMONS = Path("/usr/lib/postfix/sbin")
_SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
_SETTINGS = """\
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
myhostname = upstream.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
alias_maps =
alias_database =
local_recipient_maps =
message_size_limit = 200000000
virtual_mailbox_limit = 0
virtual_mailbox_base = {folder}/mail
virtual_mailbox_domains = static:every
virtual_mailbox_maps = static:all/
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_alias_maps =
local_header_rewrite_clients =
message_drop_headers =
smtputf8_enable = yes
smtpd_recipient_restrictions = check_recipient_access regexp:{folder}/etc/access, permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_tls_security_level = {tls_level}
smtpd_tls_chain_files = {tls_files}
smtpd_tls_session_cache_database =
smtpd_sasl_auth_enable = no
"""
_ACCESS = "/^refused@/ 550 5.1.1 No such person here\n"
_LATER = "/^later@/ 451 4.2.1 Mailbox busy\n"


@dataclass(frozen=True)
class Copy:
    """One message as it lies in one person's mailbox."""

    to: str
    """Whose mailbox."""
    sender: str
    """Envelope sender as Postfix saw it; empty is the null sender."""
    raw: bytes
    """All of the file, with CRLF line ends."""
    message: bytes
    """What arrived at Postfix: without the fields that Postfix put on top."""

    @property
    def header(self) -> bytes:
        return self.message.partition(b"\r\n\r\n")[0] + b"\r\n"

    @property
    def body(self) -> bytes:
        return self.message.partition(b"\r\n\r\n")[2]

    def fields(self, name: str) -> list[str]:
        """Values of all fields of this name, unfolded."""
        unfolded = re.sub(rb"\r\n(?=[ \t])", b"", self.header).decode("utf-8", "surrogateescape")
        lines = (line.partition(":") for line in unfolded.split("\r\n"))
        return [value.strip() for found, _, value in lines if found.strip().lower() == name.lower()]


class Postfix:
    """The private instance. `start` and `stop` may be repeated; mail and port stay.

    Others than root must be able to pass through `folder`: not all of its daemons run as root.
    """

    def __init__(self, folder: Path, *, certificate: Path | None = None) -> None:
        self.folder = folder
        self.port = free_ports(1)[0]
        self._mail = folder / "mail"
        nobody, owner = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        for name in ("etc", "spool", "data", "mail"):
            (folder / name).mkdir(parents=True)
        os.chown(folder / "data", owner.pw_uid, -1)
        os.chown(self._mail, nobody.pw_uid, nobody.pw_gid)
        settings = _SETTINGS.format(
            folder=folder,
            daemons=DAEMONS,
            uid=nobody.pw_uid,
            gid=nobody.pw_gid,
            tls_level="may" if certificate else "none",
            tls_files=certificate or "",
        )
        (folder / "etc/main.cf").write_text(settings)
        (folder / "etc/master.cf").write_text(_SERVICES.format(port=self.port))
        self._access = folder / "etc/access"
        self._access.write_text(_ACCESS + _LATER)

    def start(self) -> None:
        self._command("start")
        wait_for(lambda: listens(self.port), "Postfix to listen")

    def stop(self) -> None:
        self._command("stop")
        wait_for(lambda: not listens(self.port), "Postfix to be gone")

    @contextmanager
    def accepting_later(self) -> Iterator[None]:
        """While this lasts, nobody is asked to come back later."""
        self._write_access(_ACCESS)
        try:
            yield
        finally:
            self._write_access(_ACCESS + _LATER)

    def _write_access(self, text: str) -> None:
        self._access.write_text(text)
        # A reload would leave the daemon of a connection that is kept open as it was.
        self.stop()
        self.start()

    def log(self) -> str:
        return (self.folder / "mail.log").read_text()

    def copies(self, subject: str) -> list[Copy]:
        """What lies in all mailboxes with this subject."""
        files = (self._mail / "all/new").glob("*") if (self._mail / "all/new").exists() else ()
        copies = [_copy(path.read_bytes()) for path in files]
        return [copy for copy in copies if subject in copy.fields("Subject")]

    def mailbox(self, person: str, *, patience_s: float = 30) -> list[Copy]:
        """What lies in one person's mailbox, once there is something."""
        return wait_for(
            lambda: [copy for copy in self._all() if copy.to == person], f"mail for {person}", patience_s=patience_s
        )

    def arrived(self, subject: str, count: int = 1, *, patience_s: float = 60) -> list[Copy]:
        """The copies with this subject, once `count` of them have arrived and Postfix has nothing left to deliver."""

        def all_there() -> list[Copy]:
            found = self.copies(subject)
            return found if len(found) >= count and self.is_idle() else []

        return wait_for(all_there, f"{count} copies of {subject!r}", patience_s=patience_s)

    def is_idle(self) -> bool:
        """Whether no message waits in a queue of Postfix."""
        queues = (self.folder / "spool" / name for name in ("maildrop", "incoming", "active"))
        return not any(path.is_file() for queue in queues for path in queue.rglob("*"))

    def _all(self) -> list[Copy]:
        folder = self._mail / "all/new"
        return [_copy(path.read_bytes()) for path in folder.glob("*")] if folder.exists() else []

    def _command(self, word: str) -> None:
        command = [need("postfix", root=True), "-c", str(self.folder / "etc"), word]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            log = self.log() if (self.folder / "mail.log").exists() else ""
            raise RuntimeError(f"postfix {word}: {done.stdout}{done.stderr}{log}")


_ON_TOP = re.compile(
    rb"Return-Path: <([^>]*)>\r\n(?:X-Original-To: [^\r]*\r\n)?Delivered-To: ([^\r]*)\r\n"
    rb"Received: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*"
)


def _copy(octets: bytes) -> Copy:
    raw = octets.replace(b"\n", b"\r\n")
    top = _ON_TOP.match(raw)
    assert top, raw[:500]
    return Copy(top[2].decode(), top[1].decode(), raw, raw[top.end() :])
