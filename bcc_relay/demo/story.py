"""The mails of the story, and the look at what arrived. Nothing here uses the relay's own reading of mail."""

from __future__ import annotations

import email.policy
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bcc_relay.demo.upstream import Received

OWN_DOMAIN = "council.example"
CLERK = f"education@{OWN_DOMAIN}"
PERSONAL_DOMAINS = ("family-mail.example", "home-post.example", "letterbox.example")
FAMILIES = tuple(f"family{number:03}@{PERSONAL_DOMAINS[number % 3]}" for number in range(1, 501))
CIRCLE = tuple(f"office{number}@organisation{number % 12}.example" for number in range(1, 37))


def to_families() -> bytes:
    """Return the mail to 500 families with every address in To."""
    return _mail(
        "Home education: dates for the summer term", FAMILIES, "Dear families,\n\nplease find the dates below.\n"
    )


def to_circle() -> bytes:
    """Return the mail to 36 people in 12 organisations, which nobody can judge but a person."""
    return _mail("Consultation on the draft policy", CIRCLE, "Dear colleagues,\n\nwe look forward to your comments.\n")


def _mail(subject: str, recipients: Iterable[str], text: str) -> bytes:
    message = EmailMessage()
    message["From"] = f"Education office <{CLERK}>"
    message["To"] = ", ".join(recipients)
    message["Subject"] = subject
    message.set_content(text)
    return message.as_bytes(policy=email.policy.SMTP)


@dataclass(frozen=True, slots=True)
class Copy:
    """What one family received: how often, what stands in To, and whose addresses can be read in it."""

    family: str
    copies: int
    to: str
    others: tuple[str, ...]


def copies_of(received: Sequence[Received], families: Sequence[str]) -> tuple[Copy, ...]:
    """Look into what the next server received and return what each family can see of the others."""
    seen: dict[str, list[tuple[str, frozenset[str]]]] = {family: [] for family in families}
    for one in received:
        parsed = BytesParser(policy=email.policy.SMTP).parsebytes(one.octets)
        to = str(parsed["To"])
        text = _everything_readable(one.octets, parsed).lower()
        readable = frozenset(family for family in families if family in text)
        for recipient in one.recipients:
            if recipient in seen:
                seen[recipient].append((to, readable))
    return tuple(
        Copy(
            family,
            len(copies),
            copies[0][0] if copies else "",
            tuple(sorted(frozenset[str]().union(*(readable for _, readable in copies)) - {family})),
        )
        for family, copies in seen.items()
    )


def _everything_readable(octets: bytes, parsed: EmailMessage) -> str:
    """Return the octets and every header and text part decoded."""
    headers = "\n".join(f"{name}: {value}" for name, value in parsed.items())
    texts = "\n".join(part.get_content() for part in parsed.walk() if part.get_content_maintype() == "text")
    return "\n".join((octets.decode("utf-8", "replace"), headers, texts))
