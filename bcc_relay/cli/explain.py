"""`explain`: what the relay would do with a message and why, with a diff of the header as it would leave."""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from bcc_relay.cli import records
from bcc_relay.cli.shell import CommandError, Exit, print_table, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bcc_relay.core.actions.leave import Leaving
    from bcc_relay.core.judge import Judged
    from bcc_relay.core.model import Address, Envelope, Message, Submission
    from bcc_relay.core.policy.rule import Policy
    from bcc_relay.relay.ports import Look
    from bcc_relay.settings import Settings

_LISTENER = "explain"
SHOWN_FINDINGS = 30
SHOWN_LINES = 20


@dataclass(frozen=True, slots=True)
class Explained:
    """One file and what would happen to it."""

    file: str
    submission: Submission
    judged: Judged
    leaves: bytes | None
    """The header as it would leave, now or after a release as Bcc; None when it cannot."""


@dataclass(frozen=True, slots=True)
class _Explainer:
    """Explains one message after another, each as if it were the first: there is no memory of earlier mail here."""

    policy: Policy
    leaving: Leaving
    look: Look
    message_bytes: int
    has_sender: bool
    """The envelope sender is given, even if it is the null sender."""
    sender: Address | None
    rcpt: tuple[Address, ...]

    async def explain(self, file: Path) -> Explained:
        """Judge one file. Raises CommandError when it cannot be read."""
        from bcc_relay.core.judge import judge
        from bcc_relay.core.model import Origin, Submission

        message = _read(file, self.message_bytes)
        envelope = self._envelope(message)
        names = frozenset(one.address.key for one in envelope.recipients)
        contents = await self.look(message, names | {envelope.sender.key} if envelope.sender else names)
        submission = Submission("explain", datetime.now(UTC), envelope, message, Origin(_LISTENER))
        judged = judge(submission, self.policy, self.leaving, contents=contents)
        return Explained(str(file), submission, judged, self._leaves(submission, judged))

    def _envelope(self, message: Message) -> Envelope:
        """Return the envelope that was given, and of what was not, what the fields tell."""
        from bcc_relay.backtest.saved import envelope_of
        from bcc_relay.core.header import split_fields
        from bcc_relay.core.model import Recipient

        envelope = envelope_of(split_fields(message.header))
        if self.has_sender:
            envelope = replace(envelope, sender=self.sender)
        return replace(envelope, recipients=tuple(map(Recipient, self.rcpt))) if self.rcpt else envelope

    def _leaves(self, submission: Submission, judged: Judged) -> bytes | None:
        from bcc_relay.core.actions.leave import prepare
        from bcc_relay.core.errors import NotRewritableError
        from bcc_relay.core.model import Hold

        if not (isinstance(judged.verdict, Hold) and judged.safe_release):
            return judged.header
        try:
            return prepare(submission, self.policy.bcc_form, self.leaving, judged.facts)
        except NotRewritableError:
            return None


def explain(settings: Settings, files: Sequence[Path], mail_from: str | None, rcpt: Sequence[str]) -> list[Explained]:
    """Judge each file by the settings in force. Raises CommandError for a file or address that cannot be read."""
    from bcc_relay.readers.pool import Readers
    from bcc_relay.settings.policy import policy_of
    from bcc_relay.wiring import leaving_of

    sender = _address(mail_from) if mail_from else None
    recipients = tuple(_address(one) for one in rcpt)
    policy, leaving = policy_of(settings), leaving_of(settings, b"explain")

    async def run() -> list[Explained]:
        readers = Readers(workers=1)
        try:
            explainer = _Explainer(
                policy, leaving, readers, settings.limits.message_bytes, mail_from is not None, sender, recipients
            )
            return [await explainer.explain(file) for file in files]
        finally:
            await readers.close()

    return asyncio.run(run())


def _read(file: Path, message_bytes: int) -> Message:
    """Read a message as a listener would have it. Raises CommandError for a file that is not one message."""
    from bcc_relay.backtest.mbox import FROM_LINE, messages_in
    from bcc_relay.backtest.saved import message_of

    try:
        if file.is_dir():
            raise CommandError(Exit.DATA, f"{file} is a folder; `backtest` takes folders")
        with file.open("rb") as opened:
            octets = opened.read(message_bytes + 1)
            opened.seek(0)
            is_several = octets.startswith(FROM_LINE) and len(list(islice(messages_in(opened), 2))) > 1
    except OSError as error:
        raise CommandError(Exit.DATA, f"{file} cannot be read ({error.strerror})") from None
    if is_several:
        raise CommandError(Exit.DATA, f"{file} holds several messages; `backtest` takes mbox files")
    if not octets.strip():
        raise CommandError(Exit.DATA, f"{file} is empty")
    if len(octets) > message_bytes:
        raise CommandError(Exit.DATA, f"{file} is larger than limits.message_bytes; the relay would not take it")
    return message_of(octets)


def _address(text: str) -> Address:
    from bcc_relay.core.address import parse_mailbox

    address = parse_mailbox(text.encode(), smtputf8=True)
    if address is None:
        raise CommandError(Exit.USAGE, f"{text!r} is not an address")
    return address


def document(explained: Explained) -> dict[str, object]:
    """Return one entry of `explain --json`."""
    return {"file": explained.file, **records.reasons(explained.judged.judgement)}


def print_all(several: Sequence[Explained]) -> None:
    """Tell it to a person."""
    for one in several:
        _print_one(one)
    if len(several) > 1:
        print("Each file was judged by itself. `backtest` judges many in order, with a memory of earlier mail.")


def _print_one(explained: Explained) -> None:
    judged, judgement = explained.judged, explained.judged.judgement
    facts = judged.facts
    print(f"{explained.file}: {judgement.verdict}, by the rule {judgement.rule}")
    if judgement.sentence:
        print(f"  {printable(judgement.sentence)}")
    seen = "the header shows no outsider to another"
    if judgement.visible_outsiders:
        seen = (
            f"{records.count(judgement.visible_outsiders, 'visible outsider')} in the header, in "
            f"{records.count(judgement.outsider_domains, 'domain')}, {judgement.personal_share:.0%} personal"
        )
    recipients = records.count(len(facts.recipients), "recipient")
    print(f"  {recipients}, {len(facts.outsider_recipients)} outside; {seen}")
    if judgement.findings:
        rows = [
            (finding.detector, finding.channel.value, finding.sentence, "yes" if finding.rewritable else "no")
            for finding in judgement.findings[:SHOWN_FINDINGS]
        ]
        print_table(("Detector", "Channel", "What was noticed", "Rewriting cures it"), rows, nothing="")
    if len(judgement.findings) > SHOWN_FINDINGS:
        print(f"  and {len(judgement.findings) - SHOWN_FINDINGS} more findings; --json lists them")
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
    # Lines alike in their hundreds are passed over by the matcher, which would take quadratic time for them.
    for word, old_from, old_to, new_from, new_to in difflib.SequenceMatcher(None, old, new).get_opcodes():
        if word == "equal":
            yield from _run("  ", old[old_from:old_to])
        else:
            yield from _run("- ", old[old_from:old_to])
            yield from _run("+ ", new[new_from:new_to])


def _run(mark: str, lines: Sequence[str]) -> Iterator[str]:
    """Yield lines with their mark, but of a long run, such as a field with hundreds of addresses, only the ends."""
    if len(lines) > SHOWN_LINES:
        yield from (mark + line for line in lines[: SHOWN_LINES - 2])
        yield f"{mark}… {len(lines) - SHOWN_LINES} more lines"
        lines = lines[-2:]
    yield from (mark + line for line in lines)
