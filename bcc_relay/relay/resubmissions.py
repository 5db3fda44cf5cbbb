"""Recognises a message that a client sends again because it never heard 250 for it (people press Send again)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core import lifecycle, replies
from bcc_relay.core.model import Form, OutcomeName
from bcc_relay.core.record import Judgement, NewRecord, State
from bcc_relay.relay.digests import content_key, fingerprint
from bcc_relay.relay.reports import without_octets

if TYPE_CHECKING:
    from datetime import datetime

    from bcc_relay.core.model import Reply, Submission
    from bcc_relay.core.record import Record
    from bcc_relay.relay.ports import Clock, Store

WINDOW = timedelta(hours=24)
LARGE_BYTES = 1048576
"""A larger message is digested in a thread, so that other mail does not wait for it."""


@dataclass(frozen=True, slots=True)
class _Unheard:
    message_id: str
    received_at: datetime
    client_retries: bool = False


class Resubmissions:
    """Knows the fingerprints of messages whose clients never heard 250, for 24 hours.

    While there are none, which is nearly always, a message costs one look at an empty dictionary.
    """

    def __init__(self, store: Store, clock: Clock, digest_key: bytes) -> None:
        """`digest_key` keys the fingerprints."""
        self._store = store
        self._clock = clock
        self._digest_key = digest_key
        self._unheard: dict[str, _Unheard] = {}

    async def recall(self) -> None:
        """Remember what the store knows: once, before the listeners open. Raises StoreError."""
        doubts = await self._store.doubts(self._clock() - WINDOW)
        self._unheard = {doubt.fingerprint: _Unheard(doubt.id, doubt.received_at) for doubt in doubts}

    def expect_retry(self, key: str, submission: Submission) -> None:
        """Remember a message that is in doubt and whose client was told to try again."""
        self._unheard[key] = _Unheard(submission.id, submission.received_at, client_retries=True)

    async def unheard(self, submission: Submission) -> None:
        """Remember a message that was answered 250 when its client was gone. Raises StoreError."""
        key = await self.fingerprint(submission)
        if await self._store.get(submission.id) is None:
            await self._store.add(_delivered(submission, key))
        else:
            await self._store.heard(submission.id, heard=False)
        self._unheard[key] = _Unheard(submission.id, submission.received_at)

    async def answer(self, submission: Submission) -> Reply | None:
        """Return the answer to a resubmission that must not be sent again; None for everything else.

        Raises StoreError.
        """
        if not self._unheard:
            return None
        self._forget_old()
        key = await self.fingerprint(submission)
        earlier = self._unheard.get(key)
        if earlier is None:
            return None
        record = await self._store.get(earlier.message_id)
        if record is not None and record.state is State.DELIVERING and earlier.client_retries:
            return replies.NO_ANSWER  # the first attempt still waits for its answer
        self._unheard.pop(key, None)
        answer = _answer_of(record)
        if answer is not None:
            await self._store.heard(earlier.message_id)
        return answer

    def _forget_old(self) -> None:
        oldest = self._clock() - WINDOW
        self._unheard = {key: one for key, one in self._unheard.items() if one.received_at >= oldest}

    async def fingerprint(self, submission: Submission) -> str:
        """Digest of envelope and octets."""
        if submission.message.size_bytes > LARGE_BYTES:
            return await asyncio.to_thread(fingerprint, submission, self._digest_key)
        return fingerprint(submission, self._digest_key)

    async def content_key(self, submission: Submission) -> str:
        """Digest of sender, Message-ID and octets."""
        if submission.message.size_bytes > LARGE_BYTES:
            return await asyncio.to_thread(content_key, submission, self._digest_key)
        return content_key(submission, self._digest_key)


def _answer_of(earlier: Record | None) -> Reply | None:
    """Say what has become of the earlier message, as far as the relay or the next server answers for it."""
    if earlier is None:
        return None
    if earlier.state is State.HELD:
        return replies.held(earlier.id)
    delivered = any(recipient.outcome is OutcomeName.DELIVERED for recipient in earlier.recipients)
    if earlier.state in lifecycle.FINAL and not delivered:
        return None  # nobody is known to have got it
    return replies.queued(earlier.id)  # who did not get it is reported, or tried again


def _delivered(submission: Submission, key: str) -> NewRecord:
    """Return the record of a message that was delivered live while its client was gone. Its octets are not kept."""
    return NewRecord(
        without_octets(submission),
        State.DELIVERED,
        Form.AS_IS,
        Judgement("pass", "", ""),
        fingerprint=key,
        client_heard=False,
        outcomes=((OutcomeName.DELIVERED, None),) * len(submission.envelope.recipients),
    )
