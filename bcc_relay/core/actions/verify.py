"""The second reading: a rewritten header goes through the same facts and rules, and a leak left means hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.facts import read, still_shown
from bcc_relay.core.model import Message
from bcc_relay.core.policy.builtin import beyond_rewriting
from bcc_relay.core.policy.evidence import Evidence

if TYPE_CHECKING:
    from bcc_relay.core.facts import Facts
    from bcc_relay.core.model import Submission
    from bcc_relay.core.organisation import Organisation
    from bcc_relay.core.policy.rule import Thresholds


def verify(
    header: bytes, submission: Submission, before: Facts, organisation: Organisation, limits: Thresholds
) -> None:
    """Read a rewritten header again; raise NotRewritableError if it still shows any outsider to another.

    `before` are the facts of the original; whom those showed, and who receives it, must not be seen any more.
    """
    original = submission.message
    message = Message(header, original.separator, original.body)
    protect = before.outsider_recipients | before.visible_outsiders
    after = read(
        message,
        submission.envelope,
        organisation,
        header_bytes=len(header),
        contents=before.contents,
        also=protect,
    )
    if after.damage or still_shown(after, protect) or after.visible_outsiders:
        raise NotRewritableError("Addresses would stay visible in a part of its header that cannot be changed safely.")
    if beyond_rewriting(Evidence(after), limits, organisation):
        raise NotRewritableError("Addresses stand in a place that cannot be changed safely.")
