"""How long reading and rewriting take, for usual mail and for the worst of strangers: `python -m tests.bench.bench_reading`.

Every family of bad headers is read in two sizes, the second four times the first: the time may grow no more than so.
Exits 1 when a family grows faster, or takes longer than `LIMIT_S` for a megabyte.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from bcc_relay.core.actions.leave import prepare
from bcc_relay.core.errors import NotRewritableError
from bcc_relay.core.judge import judge
from bcc_relay.core.model import Form
from bcc_relay.core.policy.rule import Policy
from tests import build

if TYPE_CHECKING:
    from collections.abc import Callable

    from bcc_relay.core.model import Submission

MEGABYTE = 1_000_000
STEP = 4
GROWTH = 1.6
"""Allowed beyond `STEP`: timers on a shared machine are not exact."""
LIMIT_S = 15.0

ANNA = b"family1@mail1.example"
FAMILIES: dict[str, Callable[[int], bytes]] = {
    "one To of many": lambda n: b"To: " + b", ".join([b"a%d@x.example" % k for k in range(n // 16)]),
    "many To of one": lambda n: b"\r\n".join([b"To: a%d@x.example" % k for k in range(n // 20)]),
    "many empty fields": lambda n: b"\r\n".join([b"a:"] * (n // 4)),
    "many lines that are no fields": lambda n: b"\r\n".join([b"a"] * (n // 3)),
    "only @": lambda n: b"To: " + b"@" * n,
    "a@a@a": lambda n: b"To: " + b"a@" * (n // 2),
    "a@a.a@": lambda n: b"To: " + b"a@a.a" * (n // 5),
    "a long run before @": lambda n: b"To: " + b"a" * n + b"@x.example",
    "dots": lambda n: b"To: " + b"a.@." * (n // 4),
    "spaced dots before a known domain": lambda n: b"To: " + b". @mail1.example" * (n // 16),
    "glued to a known address": lambda n: b"To: " + (b"=|" + ANNA) * (n // 24),
    "open parentheses": lambda n: b"To: a@x.example" + b"(" * n,
    "nested comments": lambda n: b"To: a@x.example" + b"(" * (n // 2) + b")" * (n // 2),
    "open quotes": lambda n: b"To: " + b'" @ ' * (n // 4),
    "escaped quotes": lambda n: b"To: " + b'\\"' * (n // 2) + b"@x.example",
    "open angles": lambda n: b"To: " + b"a <" * (n // 3),
    "white space": lambda n: b"To: a@x.example" + b" " * n,
    "white space in Received": lambda n: b"Received: for" + b" " * n,
    "for, for": lambda n: b"Received: a" + b" for a," * (n // 7),
    "folds": lambda n: b"To: a@x.example" + b"\r\n " * (n // 3),
    "open encoded-words": lambda n: b"To: " + b"=?a?b?" * (n // 6),
    "encoded-words": lambda n: b"To: " + b"=?utf-8?q?a=40x.example?= " * (n // 26),
    "character sets": lambda n: b"To: " + b" ".join([b"=?cs%d?q?a=40b.example?=" % k for k in range(n // 27)]),
    "entities": lambda n: b"To: " + b"&#64;" * (n // 5),
    "open entities": lambda n: b"To: " + b"&#" * (n // 2),
    "spelt out": lambda n: b"To: " + b"a ( at ) x " * (n // 11),
    "percent": lambda n: b"To: " + b"%40" * (n // 3),
    "base64": lambda n: b"X-Any: " + b"QUFBQUFBQUFBQUFB " * (n // 17),
    "long base64": lambda n: b"X-Any: " + b"YUB4" * (n // 4),
    "combining marks": lambda n: b"To: a@x.example e" + "\u0301".encode() * (n // 2),
    "non-ASCII domains": lambda n: b"To: " + "a@bücher.example ".encode() * (n // 18),
    "octets that are no text": lambda n: b"To: " + b"\xff@\xfe.x " * (n // 6),
    "many Bcc": lambda n: b"\r\n".join([b"Bcc: a@x.example"] * (n // 18)),
    "many Received": lambda n: b"\r\n".join([b"Received: by a for <a@x.example>; Sun"] * (n // 39)),
    "many signatures": lambda n: b"\r\n".join([b"DKIM-Signature: d=council.example; h=To"] * (n // 41)),
    "a long signature": lambda n: b"DKIM-Signature: d=council.example; h=" + b"a:" * (n // 2),
    "semicolons in a signature": lambda n: b"DKIM-Signature: " + b"; " * (n // 2),
    "a long Message-ID": lambda n: b"Message-ID:" + b"\r\n " * (n // 3),
}


def seconds(given: Submission) -> float:
    leaving = build.leaving(keep_own_visible=True, names_note=True, header_bytes=2 * MEGABYTE)
    started = time.perf_counter()
    judge(given, Policy(), leaving)
    with suppress(NotRewritableError):
        prepare(given, Form.SENDER, leaving)
    return time.perf_counter() - started


def usual() -> None:
    for count in (1, 10, 100, 500):
        given = build.submission(*build.families(count, domains=10))
        best = min(seconds(given) for _ in range(20))
        print(f"{count:4} families in To: {best * 1000:8.2f} ms to judge, and to rewrite once more")


def worst() -> bool:
    fine = True
    for name, family in FAMILIES.items():
        to = build.families(20, domains=10)
        small, large = (
            min(seconds(build.mail(family(size), to=to)) for _ in range(runs))
            for size, runs in ((MEGABYTE // STEP, 2), (MEGABYTE, 1))
        )
        bad = large > LIMIT_S or (large > 0.5 and large / small > STEP * GROWTH)
        fine = fine and not bad
        print(f"{name:35} {large:7.2f} s/MB, {large / small:5.1f} times the quarter{'   TOO MUCH' if bad else ''}")
    return fine


if __name__ == "__main__":
    usual()
    sys.exit(0 if worst() else 1)
