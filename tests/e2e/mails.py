"""The mails that the end-to-end tests send."""

from __future__ import annotations

from itertools import count

from tests.e2e.relay_process import USER

_NUMBERS = count(1)


def families(number: int) -> list[str]:
    """Personal addresses. No real person has one: these providers allow no hyphen."""
    return [f"family-{n:03}@{('gmail.com', 'googlemail.com')[n % 2]}" for n in range(number)]


def partners(number: int) -> list[str]:
    """Addresses of people at four companies, none of them personal."""
    return [f"partner{n:03}@company{n % 4}.example" for n in range(number)]


def new_subject(word: str) -> str:
    """A subject that no other mail of the run has."""
    return f"{word} {next(_NUMBERS)}"


def mail(
    subject: str, to: list[str], *more: str, sender: str = USER, body: str = "Dear all,\r\n\r\nterm begins.\r\n"
) -> bytes:
    """A mail as Thunderbird would write it, with these people in To."""
    shown = ",\r\n ".join(f"Person {n} <{person}>" for n, person in enumerate(to))
    number = subject.rsplit(" ", 1)[-1]
    lines = [
        f"Message-ID: <{number}.mail@council.example>",
        "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        "MIME-Version: 1.0",
        *([f"To: {shown}"] if to else []),
        *more,
        f"Subject: {subject}",
        f"From: Council Clerk <{sender}>",
        "Content-Type: text/plain; charset=UTF-8",
        "Content-Transfer-Encoding: 8bit",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body.encode()
