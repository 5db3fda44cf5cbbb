"""Recognises a message that a client sends again because it never heard 250 for it (people press Send again)."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from bcc_relay.core import replies
from bcc_relay.core.model import OutcomeName, State
from bcc_relay.relay.digests import content_key, fingerprint

if TYPE_CHECKING:
    from bcc_relay.core.model import Record, Reply, Submission
    from bcc_relay.relay.ports import Clock, Store

WINDOW = timedelta(hours=24)
LARGE_BYTES = 1048576
"""A larger message is digested in a thread, so that other mail does not wait for it."""


class Resubmissions:
    """Knows the fingerprints of messages whose clients never heard 250, for 24 hours.

    While there are none, which is nearly always, a message costs one look at an empty dictionary.
    """

    def __init__(self, store: Store, clock: Clock, digest_key: bytes) -> None:
        """`digest_key` keys the fingerprints."""
        self._store = store
        self._clock = clock
        self._digest_key = digest_key
        self._unheard: dict[str, str] = {}

    async def recall(self) -> None:
        """Remember what the store knows: once, before the listeners open. Raises StoreError."""
        doubts = await self._store.doubts(self._clock() - WINDOW)
        self._unheard = {doubt.fingerprint: doubt.id for doubt in doubts}

    def remember(self, key: str, message_id: str) -> None:
        """Remember a message whose client has not heard 250."""
        self._unheard[key] = message_id

    async def answer(self, submission: Submission) -> Reply | None:
        """Return the answer to a resubmission that must not be sent again; None for everything else.

        Raises StoreError.
        """
        if not self._unheard:
            return None
        key = await self.fingerprint(submission)
        earlier = self._unheard.get(key)
        if earlier is None:
            return None
        record = await self._store.get(earlier)
        if record is not None and record.state is State.DELIVERING and _in_doubt(record):
            return replies.NO_ANSWER  # the first attempt still waits for its answer
        del self._unheard[key]
        if record is None or record.state is State.FAILED or record.received_at < self._clock() - WINDOW:
            return None
        await self._store.heard(earlier)
        return replies.queued(earlier)

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


def _in_doubt(record: Record) -> bool:
    return any(recipient.outcome is OutcomeName.IN_DOUBT for recipient in record.recipients)
