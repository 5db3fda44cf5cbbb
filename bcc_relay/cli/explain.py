"""`explain`: what the relay would do with a message and why, with a diff of the header as it would leave."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bcc_relay.cli import records
from bcc_relay.cli.shell import CommandError, Exit, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bcc_relay.core.actions.leave import Leaving
    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Address, Message, Submission
    from bcc_relay.core.policy.rule import Policy
    from bcc_relay.settings import Settings

_BARE_LF = re.compile(rb"(?<!\r)\n")
_FROM_LINE = re.compile(rb"\AFrom [^\r\n]*\r\n")
_LISTENER = "explain"


@dataclass(frozen=True, slots=True)
class Explained:
    """One file and what would happen to it."""

    file: str
    submission: Submission
    judged: Judged
    leaves: bytes | None
    """The header as it would leave, now or after a release as Bcc; None when it cannot."""


def explain(settings: Settings, files: Sequence[Path], mail_from: str | None, rcpt: Sequence[str]) -> list[Explained]:
    """Judge each file by the settings in force. Raises CommandError for a file or address that cannot be read."""
    from bcc_relay.settings.policy import policy_of
    from bcc_relay.wiring import leaving_of

    policy, leaving = policy_of(settings), leaving_of(settings, b"explain")
    sender = _address(mail_from) if mail_from else None
    recipients = tuple(_address(one) for one in rcpt)
    return [_explain_one(file, policy, leaving, mail_from, sender, recipients) for file in files]


def _explain_one(
    file: Path,
    policy: Policy,
    leaving: Leaving,
    mail_from: str | None,
    sender: Address | None,
    rcpt: tuple[Address, ...],
) -> Explained:
    from bcc_relay.core.actions.leave import prepare
    from bcc_relay.core.errors import NotRewritableError
    from bcc_relay.core.judge import judge
    from bcc_relay.core.model import Envelope, Hold, Origin, Recipient, Submission

    message = _read(file)
    if mail_from is None:
        sender = next(iter(_named(message, ("from",))), None)
    envelope = Envelope(sender, tuple(Recipient(one) for one in rcpt or _named(message, ("to", "cc", "bcc"))))
    submission = Submission("explain", datetime.now(UTC), envelope, message, Origin(_LISTENER))
    judged = judge(submission, policy, leaving)
    leaves = judged.header
    if isinstance(judged.verdict, Hold) and judged.safe_release:
        try:
            leaves = prepare(submission, policy.bcc_form, leaving, judged.facts)
        except NotRewritableError:
            leaves = None
    return Explained(str(file), submission, judged, leaves)


def _read(file: Path) -> Message:
    """Read a message as a listener would have it: CRLF line ends, no mbox line, a last line end."""
    from bcc_relay.core.header import split_message

    try:
        octets = file.read_bytes()
    except OSError as error:
        raise CommandError(Exit.DATA, f"{file} cannot be read ({error.strerror})") from None
    octets = _FROM_LINE.sub(b"", _BARE_LF.sub(b"\r\n", octets), count=1)
    return split_message(octets if octets.endswith(b"\r\n") else octets + b"\r\n")


def _named(message: Message, names: tuple[str, ...]) -> tuple[Address, ...]:
    """Return the addresses that fields of these names show, in order of their keys."""
    from bcc_relay.core.address import find_addresses, parse_mailbox
    from bcc_relay.core.header import decode_words, split_fields, text_of

    fields = [field for field in split_fields(message.header) if field.name in names]
    keys = {key for field in fields for key in find_addresses(decode_words(text_of(field.value)).text)}
    parsed = (parse_mailbox(key.encode(), smtputf8=True) for key in sorted(keys))
    return tuple(address for address in parsed if address)


def _address(text: str) -> Address:
    from bcc_relay.core.address import parse_mailbox

    address = parse_mailbox(text.encode(), smtputf8=True)
    if address is None:
        raise CommandError(Exit.USAGE, f"{text!r} is not an address")
    return address


def document(explained: Explained) -> dict[str, object]:
    """Return one entry of `explain --json`."""
    return {"file": explained.file, **records.reasons(explained.judged.judgement)}


def print_explained(explained: Explained) -> None:
    """Tell it to a person."""
    judged, judgement = explained.judged, explained.judged.judgement
    facts = judged.facts
    print(f"{explained.file}: {judgement.verdict}, by the rule {judgement.rule}")
    if judgement.sentence:
        print(f"  {printable(judgement.sentence)}")
    print(
        f"  {records.count(len(facts.recipients), 'recipient')}, {len(facts.outsider_recipients)} of them outsiders; "
        f"{records.count(judgement.visible_outsiders, 'visible outsider')} in "
        f"{records.count(judgement.outsider_domains, 'domain')}, {judgement.personal_share:.0%} personal"
    )
    if judgement.findings:
        rows = [
            (finding.channel.value, finding.sentence, "yes" if finding.rewritable else "no")
            for finding in judgement.findings
        ]
        print_table(("Channel", "What was noticed", "Rewriting cures it"), rows, nothing="")
    if judgement.damage:
        print(f"  Damage: {', '.join(judgement.damage)}")
    held = judgement.verdict == "hold"
    if explained.leaves is None:
        print("  It can be released as it is, or discarded; not as Bcc.\n" if held else "  Nothing leaves.\n")
        return
    print("  The header if it is released as Bcc:" if held else "  The header as it would leave:")
    print("    (on its way out it also gets X-BCC-Relay and Received at the top)")
    for line in _diff(explained.submission.message.header, explained.leaves):
        print(f"    {line}")
    print()


def _diff(before: bytes, after: bytes) -> Iterator[str]:
    old, new = (
        [printable(line.expandtabs(4)) for line in octets.decode("utf-8", "replace").split("\r\n")[:-1]]
        for octets in (before, after)
    )
    if old == new:
        yield "(unchanged)"
        return
    yield from (line for line in difflib.ndiff(old, new) if not line.startswith("?"))
