"""DATA: octets from the client into a spool, then the whole submission to the relay, and the relay's answer back."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.events import Answered, Failed, StageTimed
from bcc_relay.core.header import split_message
from bcc_relay.core.model import Envelope, Origin, Submission
from bcc_relay.listener.content import ContentReader
from bcc_relay.listener.parameters import names_a_recipient, without_foreign_names
from bcc_relay.relay.spool import Spool

if TYPE_CHECKING:
    from bcc_relay.core.model import Content, Reply
    from bcc_relay.listener.dialog import Dialog

_READ_ON_FACTOR = 2
"""A message above the limit is read on to this many times the limit, so that an honest client hears why."""


@dataclass(frozen=True, slots=True)
class Received:
    """Data that came to its end and may go on."""

    content: Content
    has_eight_bit: bool


@dataclass(frozen=True, slots=True)
class NotTaken:
    """Data that may not. `ended` is False where the client had not come to its end."""

    reply: Reply
    reason: str
    ended: bool = True


async def data(dialog: Dialog, argument: bytes) -> None:
    """Receive a message, hand it to the relay, and give the relay's answer."""
    if argument:
        dialog.complain(replies.BAD_SYNTAX)
        return
    if not dialog.transaction.recipients:
        dialog.complain(replies.SENDER_MISSING if dialog.transaction.mail is None else replies.RECIPIENT_MISSING)
        return
    dialog.answer(replies.START_DATA)
    await dialog.flush()
    started = dialog.door.monotonic()
    with_spool = Spool(dialog.door.spool_folder)
    try:
        received = await _receive(dialog, with_spool, started)
    finally:
        with_spool.close()
    dialog.door.observe(StageTimed("receive", dialog.door.monotonic() - started))
    if isinstance(received, NotTaken):
        dialog.refuse(received.reply, received.reason)
        dialog.reset()
        if not received.ended:
            dialog.end(lingers=True)
        return
    submission = _submission(dialog, received)
    # RFC 5321 4.1.1.4: the transaction is over whatever becomes of the message.
    utf8 = submission.envelope.smtputf8
    dialog.reset()
    taking = dialog.door.hand_over(submission)
    is_heard = False
    try:
        reply = await _answer_of(dialog, taking)
        dialog.answer(reply, utf8=utf8)
        if reply.code == replies.SHUTTING_DOWN.code:
            dialog.end()
        is_heard = await _deliver_answer(dialog, submission, reply) and taking.done()
    finally:
        # Also when this dialog is broken off: what the relay goes on to do with the message, its client never hears.
        if not is_heard:
            dialog.door.tell_unheard(submission, taking)


async def _receive(dialog: Dialog, spool: Spool, started: float) -> Received | NotTaken:
    limit = dialog.door.options.message_bytes
    times = dialog.door.options.timeouts
    reader = ContentReader()
    read_bytes = 0
    refusal: NotTaken | None = None
    while not reader.ended:
        late_s = dialog.door.monotonic() - started - read_bytes / times.data_bytes_per_s
        dialog.allow(max(0.001, min(times.chunk_s, times.data_grace_s - late_s)))
        piece = await dialog.inbox.piece()
        read_bytes += len(piece)
        content = reader.feed(piece)
        if refusal is None:
            refusal = _store(dialog, spool, content, limit)
        elif read_bytes > _READ_ON_FACTOR * limit and not reader.ended:
            return replace(refusal, ended=False)
    dialog.inbox.give_back(reader.rest)
    if refusal is not None:
        return refusal
    if reader.has_bare_cr_or_nul:
        return NotTaken(replies.BAD_LINE_ENDS, "data")
    try:
        return Received(spool.content(), reader.has_eight_bit)
    except OSError as error:
        return _no_room(dialog, error)


def _store(dialog: Dialog, spool: Spool, content: bytes, limit: int) -> NotTaken | None:
    """Keep a piece of content; where that is not possible, throw away what there is and say why."""
    refusal = None
    if spool.size_bytes + len(content) > limit:
        refusal = NotTaken(replies.TOO_LARGE, "size")
    else:
        try:
            spool.write(content)
        except OSError as error:
            refusal = _no_room(dialog, error)
    if refusal is not None:
        spool.close()
    return refusal


def _no_room(dialog: Dialog, error: OSError) -> NotTaken:
    reference = dialog.door.new_id()
    dialog.door.observe(Failed(reference, "spool", errno.errorcode.get(error.errno or 0, type(error).__name__)))
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM):
        return NotTaken(replies.DISK_FULL, "store")
    return NotTaken(replies.internal(reference), "internal")


def _submission(dialog: Dialog, received: Received) -> Submission:
    mail = dialog.transaction.mail
    assert mail is not None
    recipients = without_foreign_names(tuple(dialog.transaction.recipients.values()))
    return Submission(
        id=dialog.door.new_id(),
        received_at=dialog.door.clock(),
        envelope=Envelope(
            sender=mail.sender,
            recipients=recipients,
            # Many clients send 8-bit text without saying so; the next server must be told all the same.
            body_8bitmime=mail.body_8bitmime or received.has_eight_bit,
            smtputf8=mail.smtputf8,
            ret=mail.ret,
            envid=None if names_a_recipient(mail.envid, recipients) else mail.envid,
        ),
        message=split_message(received.content),
        origin=_origin(dialog, smtputf8=mail.smtputf8),
    )


def _origin(dialog: Dialog, *, smtputf8: bool) -> Origin:
    login = dialog.login
    # RFC 3848 and RFC 6531 4.3.
    protocol = "UTF8SMTP" if smtputf8 else "ESMTP" if dialog.extended else "SMTP"
    if dialog.extended or smtputf8:
        protocol += ("S" if dialog.secure else "") + ("A" if login else "")
    return Origin(
        listener=dialog.door.options.name,
        client=dialog.client_name,
        helo=dialog.helo or "",
        protocol=protocol,
        user=login.name if login else None,
        user_addresses=login.addresses if login else (),
        authenticated_listener=dialog.door.options.auth == "required",
    )


async def _answer_of(dialog: Dialog, taking: asyncio.Task[Reply]) -> Reply:
    """Wait for the relay. The relay works on whether or not the client, or this dialog, is still there."""
    limit_s = dialog.door.options.timeouts.answer_s
    dialog.allow(limit_s + dialog.door.options.timeouts.closing_s)
    dialog.pause_reading()
    try:
        done, _ = await asyncio.wait({taking}, timeout=limit_s)
    finally:
        dialog.resume_reading()
    return taking.result() if done else replies.NO_ANSWER


async def _deliver_answer(dialog: Dialog, submission: Submission, reply: Reply) -> bool:
    """Send the answer; whether the client was there to hear it."""
    client_gone = dialog.is_gone
    try:
        await dialog.flush()
        client_gone = client_gone or not await dialog.is_heard()
    except ConnectionError:
        client_gone = True
    dialog.door.observe(Answered(submission.id, reply.code, reply.text, client_gone=client_gone))
    return not client_gone
