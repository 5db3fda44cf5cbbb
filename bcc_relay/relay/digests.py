"""Keyed digests that recognise a message seen before, without keeping anything of it."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from bcc_relay.core.actions.leave import message_id_of
from bcc_relay.core.address import transport_octets

if TYPE_CHECKING:
    from bcc_relay.core.model import Submission


def fingerprint(submission: Submission, key: bytes) -> str:
    """Digest of login, sender, recipients and octets: equal for a resubmission identical in envelope and bytes."""
    envelope = submission.envelope
    recipients = sorted(transport_octets(recipient.address) for recipient in envelope.recipients)
    return _digest(submission, key, b"\n".join((envelope.sender_octets, *recipients)))


def content_key(submission: Submission, key: bytes) -> str:
    """Digest of login, sender, Message-ID and octets: equal for the parts of one message that a client split.

    Nobody adds recipients to a message held for somebody else.
    """
    header = submission.message.header
    return _digest(submission, key, submission.envelope.sender_octets + b"\n" + message_id_of(header))


def _digest(submission: Submission, key: bytes, first: bytes) -> str:
    user = submission.origin.user
    # A login may be empty or hold any octet, so its length goes before it.
    login = b"-" if user is None else b"%d:%s" % (len(user), user.encode("utf-8", "surrogatepass"))
    digest = hmac.new(key, login + b"\n" + first + b"\0", hashlib.sha256)
    for piece in submission.message.pieces():
        digest.update(piece)
    return digest.hexdigest()
