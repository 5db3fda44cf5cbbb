"""Text of a body: octets to characters, and the addresses in running text and in any octets.

Searching costs by the number of "@" and of what stands for one, not by the number of characters.
"""

from __future__ import annotations

import re
import string
from typing import TYPE_CHECKING

from bcc_relay.core.address import Known, find_addresses, find_encoded, reachable
from bcc_relay.core.contents.escapes import unescaped
from bcc_relay.core.contents.octets import spelt_in
from bcc_relay.core.header import codec_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# --- octets to characters --------------------------------------------------------------------------------------------

_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\x00\x00", "utf_32_le"),
    (b"\x00\x00\xfe\xff", "utf_32_be"),
    (b"\xff\xfe", "utf_16_le"),
    (b"\xfe\xff", "utf_16_be"),
)
_WIDE = ("utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be")
# In which every "@" comes of one such octet.
_ONE_SIGN_EACH = (*_WIDE, "iso2022", "shift_jis", "euc", "gb", "big5", "cp9")
_SAMPLE_OCTETS = 4096
_STRAY = re.compile("[\udc80-\udcff]")
_STRAY_MEANT = {0xDC00 + octet: chr(octet) for octet in range(0x80, 0x100)}
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_JAPANESE = b"\x1b$"
_JAPANESE_ESCAPES = re.compile(rb"\x1b[$(&]{1,2}[@-Z]")


def decode_text(octets: bytes, charset: str) -> str:
    """Return the text of `octets`; never raises.

    `charset` is what the part declares, possibly empty or a lie: a byte order mark, the pattern of zeros in UTF-16 and
    UTF-32, and octets that are valid UTF-8 go before it. An octet that means nothing is read as Latin-1. An address
    that is written in the octets of ASCII or in UTF-16 always comes out, at the end if it would be lost otherwise.
    """
    if b"\0" not in octets and _ESCAPED_JAPANESE not in octets:
        codec = codec_of(charset) or "latin_1"
        if octets.isascii() and _keeps_ascii(codec):
            return octets.decode("ascii")
    codec = _codec_for(octets, charset)
    if codec == "utf_8":
        text = _utf_8(octets.removeprefix(b"\xef\xbb\xbf"))
    else:
        try:
            text = _SURROGATE.sub("\ufffd", octets.decode(codec, "replace")).removeprefix("\ufeff")
        except (LookupError, ValueError):
            text = octets.decode("latin_1")
    if _is_all_there(octets, text, codec):
        return text
    lost = set(spelt_in(_JAPANESE_ESCAPES.sub(b" ", octets))) - set(spelt_in(text.encode("utf-8")))
    return "\n".join((text, *sorted(lost))) if lost else text


def _keeps_ascii(codec: str) -> bool:
    """Whether an octet of ASCII always stands for itself, whatever stands before it."""
    return codec.startswith(("ascii", "utf_8", "latin_1", "iso8859", "cp125", "koi8", "mac_"))


def _is_all_there(octets: bytes, text: str, codec: str) -> bool:
    """Whether each octet that may be a sign became one."""
    if _keeps_ascii(codec) and b"\0" not in octets:
        return True
    return codec.startswith(_ONE_SIGN_EACH) and octets.count(b"@") == text.count("@")


def _codec_for(octets: bytes, charset: str) -> str:
    for mark, codec in _BYTE_ORDER_MARKS:
        if octets.startswith(mark):
            return codec
    declared = codec_of(charset)
    wide = _wide_codec(octets[:_SAMPLE_OCTETS], declared)
    if wide:
        return wide
    if declared in (None, "ascii") and _ESCAPED_JAPANESE in octets:
        return "iso2022_jp_ext"
    if declared in (None, *_WIDE) or _keeps_ascii(declared or ""):
        if declared in (None, "ascii", "utf_8") or octets.isascii() or _is_utf_8(octets):
            return "utf_8"
        return "latin_1" if declared in _WIDE else declared or "latin_1"
    return declared or "latin_1"


def _wide_codec(sample: bytes, declared: str | None) -> str | None:
    """Tell UTF-16 and UTF-32 by where the zeros stand; without any, by what is declared."""
    quarter = len(sample) // 4
    zeros = [sample[place::4].count(0) for place in range(4)]
    if quarter and min(zeros[2:]) >= 0.9 * quarter > 1.8 * zeros[0]:
        return "utf_32_le"
    if quarter and min(zeros[:2]) >= 0.9 * quarter > 1.8 * zeros[3]:
        return "utf_32_be"
    even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
    enough = 0 if declared in _WIDE else 0.3 * len(sample) / 2
    if odd > 2 * even and odd >= enough:
        return "utf_16_le"
    if even > 2 * odd and even >= enough:
        return "utf_16_be"
    if declared in _WIDE and not any(_is_utf_8(sample[: len(sample) - cut]) for cut in range(4)):
        # RFC 2781 4.3: without a byte order mark, the higher octet comes first.
        return {"utf_16": "utf_16_be", "utf_32": "utf_32_be"}.get(declared or "", declared)
    return None


def _is_utf_8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _utf_8(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        text = octets.decode("utf-8", "surrogateescape")
        if _is_mostly_utf_8(octets[:_SAMPLE_OCTETS]):
            return _STRAY.sub(lambda stray: _STRAY_MEANT[ord(stray[0])], text)
        return text.translate(_STRAY_MEANT)  # slower for each character, and faster for each stray octet


# --- running text ----------------------------------------------------------------------------------------------------

# How far around a sign an address may reach by whole words, and how long a word may be: a local part with glue before
# it, or all of it in entities.
_REACH = 140
_LONGEST_WORD = 640
_PLAIN_LOCAL = string.ascii_letters + string.digits + "._+-"
_PLAIN_BEFORE = frozenset(' \t\r\n<,:("')
# A domain behind which no further piece of it can stand.
_PLAIN_DOMAIN = re.compile(
    r"([A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63}+){0,8}\.[A-Za-z]{1,63}+)(\.*+)"
    r"(?=([\r\n<>,;\")])|[ \t]++[^ \t(\[{]|[ \t]*+\Z)"
)
# Between two signs there is no dot.
_NO_DOMAIN = re.compile(r"@+ ?([\w\-]{0,64})(?=@)")
_OTHER_SIGN = re.compile(r"&(?:#0{0,9}(?:64|65312|65131)(?![0-9])|#[xX]0{0,9}(?:40|[fF]{2}20|[fF][eE]6[bB])|commat)")
_SPELT_AT = re.compile(r"[(\[{][ \t]*at[ \t]*[)\]}]", re.IGNORECASE)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_ODD_BRACKET = re.compile("[\u207d\u208d\ufe35\ufe59\uff08\ufe47\uff3b\ufe37\ufe5b\uff5b]")
_ODD_FORMS = str.maketrans(
    "\u207d\u208d\ufe35\ufe59\uff08\ufe47\uff3b\ufe37\ufe5b\uff5b"
    "\u207e\u208e\ufe36\ufe5a\uff09\ufe48\uff3d\ufe38\ufe5c\uff5d\uff21\uff34\uff41\uff54\u3000",
    "((((([[{{{)))))]]}}}ATat ",
)
_NEXT_LINE = re.compile(r"[ \t]*\r?\n[ \t]*(?:[>|][>| \t]*)?([A-Za-z0-9\-.]{1,100})")
_LINE_END = re.compile(r"[ \t]*\r?\n[ \t]*(?:[>|][>| \t]*)?")
_SIGN_AT_LINE_END = re.compile(r"@[ \t]*\r?\n[ \t]*(?:[>|][>| \t]*)?([^\s@]{1,255})")
_IN_ANGLES = re.compile(r"<[^<>@]{1,320}@[^<>@]{1,320}>")


def find_in_text(text: str, names: Known) -> set[str]:
    """Return the keys of all addresses that a reader could see in running text, as `find_addresses` finds them.

    Also those that a line end parts within angle brackets, those written with backslashes, and known ones (`names`)
    parted by any line end or written in quoted-printable.
    """
    found: set[str] = set()
    if "\\" in text and (meant := unescaped(text)) != text:
        # What follows a backslash may also be part of the address.
        found = _find(text, names) & names.keys if names.keys else found
        text = meant
    if names.keys and not text.isascii() and _INVISIBLE.search(text):
        # What nobody sees may part two addresses as well as stand within one.
        found |= _find(_INVISIBLE.sub(" ", text), names) & names.keys
    return found | _find(text, names)


def _find(text: str, names: Known) -> set[str]:
    found: set[str] = set()
    if not text.isascii():
        text = _INVISIBLE.sub("", text).replace("\uff20", "@").replace("\ufe6b", "@").replace("\u00a0", " ")
        text = text.replace("\u2010", "-").replace("\u2011", "-")
        if _ODD_BRACKET.search(text):
            text = text.translate(_ODD_FORMS)
    text = _without_identifiers(text, names, found)
    for window in _windows(text, _unusual(text, names, found)):
        _look_closely(window, names, found)
    for signs in (_percents(text), _entities(text), _spelt_out(text)):
        for window in _windows(text, signs):
            _look_closely(window, names, found)
    if "=" in text and names.keys:
        for window in _windows(text, _all(text, "=40")):
            found |= find_encoded(window, names)
    return found


_ENDS_OF_IDENTIFIERS = frozenset({"cid", "mid", "-id", "-to", "ces"})
_MANY_COLONS = 500
# RFC 2392, RFC 5322 3.6.4: they only look like addresses.
_IDENTIFIERS = re.compile(
    r"\b[cm]id:[^\s\"'<>()]+"
    r"|\b(?:message-id|in-reply-to|references|content-id)[ \t]*:\s*(?:(?:>[ \t]*)*<[^<>\s]{1,500}>\s*)+",
    re.IGNORECASE,
)
# Archives name a mail, and networks a person, by what stands in the path of a link.
_PATHS = re.compile(r"https?://[^\s/@\"'<>]{1,255}+/[^\s\"'<>()?#@=&,;|]{0,400}+@[^\s\"'<>()/?#,;@|]{1,255}+")


def _without_identifiers(text: str, names: Known, found: set[str]) -> str:
    """Return `text` without the identifiers of messages and parts; known addresses among them go to `found`."""
    if _may_hold_identifiers(text):
        text = _without(_IDENTIFIERS, text, names, found)
    return _without(_PATHS, text, names, found) if "://" in text else text


def _may_hold_identifiers(text: str) -> bool:
    if text.count(":") <= _MANY_COLONS:
        return any(text[max(0, at - 3) : at].lower() in _ENDS_OF_IDENTIFIERS for at in _all(text, ":"))
    lowered = text.lower()
    return any(f"{end}:" in lowered for end in _ENDS_OF_IDENTIFIERS)


def _without(pattern: re.Pattern[str], text: str, names: Known, found: set[str]) -> str:
    for match in pattern.finditer(text):
        found |= find_addresses(match[0], names) & names.keys
    return pattern.sub("\n", text)


def _unusual(text: str, names: Known, found: set[str]) -> Iterator[int]:
    """Put the addresses that are written plainly into `found`; yield the places of all other "@"."""
    at = text.find("@")
    while at >= 0:
        if alone := _NO_DOMAIN.match(text, at):
            if alone[1].lower() in names.domains:
                yield at
            at = alone.end()
            continue
        key = _plain(text, at, names)
        if key:
            found.add(key)
        else:
            yield at
        at = text.find("@", at + 1)


def _plain(text: str, at: int, names: Known) -> str:
    """Return the key of the address around the "@", when nothing near by could change it; else nothing."""
    match = _PLAIN_DOMAIN.match(text, at + 1)
    if match is None:
        return ""
    after = match[3] or " "
    local = _plain_local(text, at, after)
    if not local:
        return ""
    domain = match[1].lower()
    if reachable(domain) != domain:
        return ""
    key = f"{local.lower()}@{domain}"
    if not names.keys or key in names.keys:
        return key
    if after in "\r\n" and (more := _NEXT_LINE.match(text, match.end())):
        longer = f"{key}{match[2]}{more[1].rstrip('.').lower()}"
        if longer in names.keys:
            return longer
    return "" if _is_below_known(domain, names) else key


def _plain_local(text: str, at: int, after: str) -> str:
    """Return the local part before the "@"; nothing when what is before it, or `after` the domain, makes it unsure."""
    before = text[max(0, at - 66) : at]
    rest = before.rstrip(_PLAIN_LOCAL)
    local, last = before[len(rest) :], rest[-1:]
    if not local or local[0] == "." or (last not in _PLAIN_BEFORE if last else at > 66):
        return ""
    # A local part may begin behind a spelt-out dot; an angle bracket without the other one is parted by a line end.
    is_spelt = last in (" ", "\t") and rest.rstrip(" \t")[-1:] in (")", "]", "}")
    is_parted = after != ">" if last == "<" else after == ">" and last != ":"
    return "" if is_spelt or is_parted else local


def _is_below_known(domain: str, names: Known) -> bool:
    """Whether a known domain is the beginning of this one: other text may be glued to it."""
    while domain and domain not in names.domains:
        domain = domain.rpartition(".")[0]
    return bool(domain)


def _all(text: str, sign: str) -> Iterator[int]:
    at = text.find(sign)
    while at >= 0:
        yield at
        at = text.find(sign, at + 1)


def _percents(text: str) -> Iterable[int]:
    return _all(text, "%40") if "%" in text else ()


def _entities(text: str) -> Iterable[int]:
    return (match.start() for match in _OTHER_SIGN.finditer(text)) if "&" in text else ()


def _spelt_out(text: str) -> Iterator[int]:
    for bracket in "([{":
        for at in _all(text, bracket):
            if _SPELT_AT.match(text, at):
                yield at


def _windows(text: str, places: Iterable[int]) -> Iterator[str]:
    """Yield what stands around the places (in order), once where it overlaps, and without cutting a word."""
    start, end = 0, -1
    for at in places:
        if end < 0:
            start = max(0, at - _REACH)
        elif at - _REACH > end:
            yield _window(text, start, end)
            start = at - _REACH
        end = at + _REACH
    if end >= 0:
        yield _window(text, start, end)


_WORD = re.compile(r"\S{0,640}")


def _window(text: str, start: int, end: int) -> str:
    if start:
        words = text[max(0, start - _LONGEST_WORD) : start].split()
        if words and not text[start - 1].isspace():
            start -= len(words[-1])
    match = _WORD.match(text, end)
    return text[start : match.end() if match else end]


# "Ask @townnews": the name of somebody on a social network, not the domain of the word before it.
_HANDLE = re.compile(r"(?<=\s)@(?=[\w.])")


def _look_closely(window: str, names: Known, found: set[str]) -> None:
    if _HANDLE.search(window):
        found |= find_addresses(window, names) & names.keys
        window = _HANDLE.sub("\n@", window)
    found |= find_addresses(window, names)
    if "\n" in window:
        joined = _LINE_END.sub("", window)
        if names.keys:
            found |= find_addresses(joined, names) & names.keys
        for match in _IN_ANGLES.finditer(joined):
            found |= find_addresses(match[0], names)
        for match in _SIGN_AT_LINE_END.finditer(window):
            before = window[max(0, match.start() - 64) : match.start()].split()
            if before:
                found |= find_addresses(f"{before[-1]}@{match[1]}", names)


# --- any octets ------------------------------------------------------------------------------------------------------

_TOP_LEVEL = re.compile(r"(?:xn--[a-z0-9\-]+|[^\W\d_]{2,63})")


def find_in_octets(octets: bytes, names: Known) -> set[str]:
    """Return the keys of the addresses in a file of whatever format, in ASCII, UTF-8 or UTF-16 at any place.

    An address that is not known (`names`) needs a dot in its domain and a top level of two or more letters: chance
    makes hardly any of those. Tables keep their fields without a gap: a known one is found also with others around it.
    """
    found: set[str] = set()
    if _is_text(octets):
        found = find_in_text(decode_text(octets, ""), names)
    else:
        for spelt in set(spelt_in(octets)):
            keys = find_addresses(spelt, names)
            if names.keys and names.keys.isdisjoint(keys):
                keys = _known_within(spelt, names) or keys
            found |= keys if spelt.isascii() else keys & names.keys
    return {key for key in found if key in names.keys or _TOP_LEVEL.fullmatch(key.rpartition(".")[2])}


def _known_within(spelt: str, names: Known) -> set[str]:
    """Return the known address that other text is glued to on both sides."""
    local, _, domain = spelt.lower().rpartition("@")
    for size in sorted(set(map(len, names.domains)), reverse=True):
        if domain[:size] in names.domains:
            for start in range(len(local)):
                if (key := f"{local[start:]}@{domain[:size]}") in names.keys:
                    return {key}
    return set()


_CONTROLS = bytes(range(9)) + b"\x0b" + bytes(range(14, 32))


def _is_text(octets: bytes) -> bool:
    """Whether beginning, middle and end are text in ASCII or what extends it."""
    middle = len(octets) // 2
    for start in (0, middle, max(0, len(octets) - _SAMPLE_OCTETS)):
        sample = octets[start : start + _SAMPLE_OCTETS]
        controls = len(sample) - len(sample.translate(None, _CONTROLS))
        if controls * 100 > len(sample) or (not sample.isascii() and not _is_mostly_utf_8(sample)):
            return False
    return True


def _is_mostly_utf_8(sample: bytes) -> bool:
    return len(_STRAY.findall(sample.decode("utf-8", "surrogateescape"))) * 10 <= len(sample)
