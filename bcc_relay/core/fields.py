"""What each header field is to us: one table that reading, rewriting and the second reading share.

`docs/detection.md` shows it to people.
"""

from __future__ import annotations

from enum import Enum

from bcc_relay.core.model import Channel


class Role(Enum):
    """What a header field is to disclosure."""

    DESTINATION = "destination"
    """Shows recipients. Every outsider in it counts; a rewrite deletes it."""
    BLIND = "blind"
    """Must not leave at all (RFC 5322 3.6.3), nor count."""
    RESENT = "resent"
    """Shows recipients of a resent block (RFC 5322 3.6.6). Counts; a rewrite deletes all blocks."""
    RESENT_BY = "resent_by"
    """Who resent it, when, and under which identifier. A rewrite deletes it with its block."""
    ANSWER = "answer"
    """Where answers go. A rewrite keeps it when it shows only own addresses and the author's."""
    AUTHOR = "author"
    """Who wrote it. Never changed: DKIM and DMARC hang on it."""
    TEXT = "text"
    """People's own words. Never changed."""
    IDENTIFIER = "identifier"
    """Holds message identifiers, which only look like addresses: just those equal to a recipient are seen."""
    TRACE = "trace"
    """Received: kept for loop counting, but for a clause that names a recipient."""
    SIGNATURE = "signature"
    """DKIM-Signature: a rewrite deletes an own one, and is refused for a foreign one that it would break."""
    VERDICT = "verdict"
    """ARC and Authentication-Results of earlier hops: a rewrite deletes them."""
    LOCAL = "local"
    """Belongs to one hop: deleted from every message."""
    KEPT = "kept"
    """Registered fields that say nothing about recipients. Never changed."""
    DRAFT = "draft"
    """What a mail program noted on its draft. A rewrite deletes it when it shows any address."""
    OTHER = "other"
    """Anything else. A rewrite deletes it when it shows a recipient."""


GONE = frozenset({Role.BLIND, Role.LOCAL, Role.DESTINATION, Role.RESENT, Role.RESENT_BY, Role.VERDICT})
"""Roles whose fields a rewrite takes away, whatever they show."""

_ROLES: dict[Role, str] = {
    Role.DESTINATION: """to cc apparently-to x-apparently-to x-original-to delivered-to envelope-to x-envelope-to
        x-rcpt-to x-rcptto x-recipients x-recipient x-forwarded-to x-forwarded-for x-google-original-to
        x-failed-recipients original-recipient x-sent-to mail-followup-to mail-reply-to x-smtpapi autocrypt-gossip
        x-to x-cc x-bcc x-ms-exchange-organization-recipients""",
    Role.BLIND: "bcc resent-bcc",
    Role.RESENT_BY: "resent-from resent-sender resent-date resent-message-id",
    Role.ANSWER: """reply-to disposition-notification-to return-receipt-to x-confirm-reading-to errors-to
        read-receipt-to return-receipt-requested x-pmrqc generate-delivery-report""",
    Role.AUTHOR: "from sender",
    Role.TEXT: "subject comments keywords thread-topic",
    Role.IDENTIFIER: """message-id in-reply-to references content-id thread-index supersedes obsoletes
        original-message-id downgraded-message-id downgraded-in-reply-to downgraded-references
        x-ms-exchange-crosstenant-network-message-id""",
    Role.TRACE: "received",
    Role.SIGNATURE: "dkim-signature",
    Role.VERDICT: """authentication-results arc-authentication-results arc-message-signature arc-seal
        domainkey-signature received-spf""",
    Role.LOCAL: "return-path x-bcc-relay",
    Role.DRAFT: "fcc x-fcc x-identity-key x-account-key",
    Role.KEPT: """date mime-version content-type content-transfer-encoding content-disposition content-description
        content-language content-location content-base content-features content-duration content-md5 archived-at
        auto-submitted autocrypt accept-language language importance priority sensitivity precedence expires
        expiry-date organization user-agent x-mailer x-priority x-msmail-priority mailing-list list-id list-help
        list-subscribe list-unsubscribe list-unsubscribe-post list-post list-owner list-archive deferred-delivery
        openpgp pics-label require-recipient-valid-since tls-required hp-outer conversation conversion
        x-auto-response-suppress feedback-id x-originating-ip""",
}
_BY_NAME = {name: role for role, names in _ROLES.items() for name in names.split()}
_PREFIXES = (
    ("resent-", Role.RESENT),
    ("downgraded-", Role.DESTINATION),
    ("x-mc-", Role.DESTINATION),
    ("x-mailgun-", Role.DESTINATION),
    ("list-", Role.KEPT),
    ("x-mozilla-", Role.DRAFT),
    ("x-kmail-", Role.DRAFT),
    ("x-evolution-", Role.DRAFT),
)

_CHANNELS = {
    "to": Channel.TO,
    "cc": Channel.CC,
    "reply-to": Channel.REPLY_TO,
    "from": Channel.FROM,
    "sender": Channel.FROM,
}


def role_of(name: str) -> Role:
    """Return the role of a field by its lower-case name."""
    role = _BY_NAME.get(name)
    if role is None:
        return next((role for prefix, role in _PREFIXES if name.startswith(prefix)), Role.OTHER)
    return role


def names_of(*roles: Role) -> tuple[str, ...]:
    """Return the names that have one of these roles, prefixes aside."""
    return tuple(name for name, role in _BY_NAME.items() if role in roles)


def table() -> tuple[tuple[Role, tuple[str, ...]], ...]:
    """Return every role with the names and prefixes (`resent-*`) that have it, for the page that explains them."""
    prefixes = {role: [f"{prefix}*" for prefix, of in _PREFIXES if of is role] for role in Role}
    return tuple((role, (*_ROLES.get(role, "").split(), *prefixes[role])) for role in Role)


def channel_of(name: str, role: Role) -> Channel:
    """Return the channel by which a field shows addresses."""
    if role in (Role.RESENT, Role.RESENT_BY):
        return Channel.RESENT
    if role is Role.TEXT:
        return Channel.SUBJECT
    return _CHANNELS.get(name, Channel.OTHER_HEADER)
