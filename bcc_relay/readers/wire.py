"""How the relay and a worker speak: octets with their lengths one way, bounded frames of JSON values the other.

A parser that was broken into may say what it likes here: whatever is not plainly an answer is refused.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

from bcc_relay.core.contents.found import Contents, Quoted
from bcc_relay.core.damage import Closed, Damage
from bcc_relay.core.model import Channel

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST = struct.Struct(">4Q")
"""Lengths of what follows: names (a JSON list), header, separator, body."""
LENGTH = struct.Struct(">I")
"""Length of the frame that follows."""
MAX_FRAME_BYTES = 256 * 1024
MAX_ANSWER_BYTES = 16 * 1024 * 1024
MAX_KEYS = 20_000
"""A body that shows more addresses is over the budget; those beyond are only told when they are the message's own."""
MAX_KEY_CHARS = 1024
_KEYS_PER_FRAME = 200
READY = b'["ready"]'
"""The first frame of a worker: it has its limits and its libraries."""


class NotAnAnswerError(ValueError):
    """The octets are no frame of an answer."""


class Sifter:
    """What one answer may still tell: each address once, and not too many."""

    def __init__(self, names: frozenset[str]) -> None:
        """`names` are told whatever the number of the others."""
        self._names = names
        self._told: dict[Channel, set[str]] = {}
        self._left = MAX_KEYS

    def frames(self, contents: Contents) -> Iterator[bytes]:
        """Yield the frames that tell what was not told before."""
        closed = set(contents.closed)
        for channel, keys in contents.shown:
            told = self._told.setdefault(channel, set())
            fresh = [key for key in keys - told if is_key(key)]
            if len(fresh) > self._left:
                closed.add(Closed.OVER_BUDGET)
                fresh = [key for key in fresh if key in self._names]
            self._left -= len(fresh)
            told.update(fresh)
            for at in range(0, len(fresh), _KEYS_PER_FRAME):
                yield _frame(["shown", channel.value, fresh[at : at + _KEYS_PER_FRAME]])
        yield from self._quoted(contents)
        if closed or contents.damage or contents.named_keys or contents.gist:
            yield _frame(["seen", sorted(closed), sorted(contents.damage), contents.named_keys, contents.gist.hex()])

    def _quoted(self, contents: Contents) -> Iterator[bytes]:
        """Yield who stands in which quoted header: all of it, or that it is not told."""
        for one in contents.quoted:
            self._left -= len(one.people)
            frame = _frame(["quoted", sorted(one.authors), sorted(one.people)])
            if self._left < 0 or len(frame) > MAX_FRAME_BYTES or not all(map(is_key, (*one.authors, *one.people))):
                yield _frame(["quoted", None, []])
                return
            yield frame


def begin() -> bytes:
    """Return the first frame of an answer: the message has been read, and nothing is known of it yet."""
    return _frame(["seen", [], [], 0, ""])


def failed() -> bytes:
    """Return the frame that says that reading failed in a way nobody foresaw."""
    return _frame(["failed"])


def end(*, goes_on: bool) -> bytes:
    """Return the last frame of an answer; `goes_on` says whether the worker takes another message."""
    return _frame(["end", goes_on])


def is_key(key: object) -> bool:
    """Whether a value can be the key of an address."""
    return isinstance(key, str) and 0 < len(key) <= MAX_KEY_CHARS and "@" in key and _has_no_surrogate(key)


def _has_no_surrogate(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _frame(value: list[object]) -> bytes:
    octets = json.dumps(value).encode("ascii")
    return LENGTH.pack(len(octets)) + octets


class Answer:
    """Collects the frames of one answer."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._shown: dict[Channel, set[str]] = {}
        self._closed: set[Closed] = set()
        self._damage: set[Damage] = set()
        self._named_keys = 0
        self._gist = b""
        self._quoted: list[Quoted] | None = []
        self._left_bytes = MAX_ANSWER_BYTES
        self.has_begun = False
        self.has_failed = False
        self.is_whole = False
        self.goes_on = False

    def take(self, frame: bytes) -> None:
        """Take one frame in. Raises NotAnAnswerError for what is none, and when the answer becomes too long."""
        self._left_bytes -= len(frame)
        if self._left_bytes < 0 or self.is_whole:
            raise NotAnAnswerError("too long")
        try:
            self._read(json.loads(frame))
            self.has_begun = True
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise NotAnAnswerError("not understood") from error

    def _read(self, value: Any) -> None:
        match value:
            case ["shown", str(channel), list(keys)] if all(map(is_key, keys)):
                self._shown.setdefault(Channel(channel), set()).update(keys)
            case ["seen", list(closed), list(damage), int(named_keys), str(gist)] if 0 <= named_keys <= MAX_KEYS:
                self._closed.update(map(Closed, closed))
                self._damage.update(map(Damage, damage))
                self._named_keys += named_keys
                self._gist = self._gist or bytes.fromhex(gist)[:64]
            case ["quoted", None, []]:
                self._quoted = None
            case ["quoted", list(authors), list(people)] if all(map(is_key, (*authors, *people))):
                if self._quoted is not None:
                    self._quoted.append(Quoted(frozenset(authors), frozenset(people)))
            case ["failed"]:
                self.has_failed = True
            case ["end", bool(goes_on)]:
                self.is_whole, self.goes_on = True, goes_on
            case _:
                raise NotAnAnswerError("not understood")

    def contents(self) -> Contents:
        """Return what was told so far."""
        return Contents(
            tuple((channel, frozenset(keys)) for channel, keys in self._shown.items() if keys),
            frozenset(self._closed),
            frozenset(self._damage),
            self._named_keys,
            self._gist,
            tuple(self._quoted or ()),
        )


def request_head(names: frozenset[str], header: bytes, separator: bytes, body_bytes: int) -> bytes:
    """Return everything of a request that comes before the body."""
    told = json.dumps(sorted(names)).encode("ascii")
    return REQUEST.pack(len(told), len(header), len(separator), body_bytes) + told + header + separator
