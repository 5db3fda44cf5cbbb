"""Mail addresses: the strict reading of an envelope, the lenient search in a header, and whose address it is.

The strict reading refuses whatever RFC 5321 does not allow. The lenient search finds whatever a reader might see as an
address, however it is written. Both give the same comparing key.
"""

from __future__ import annotations

import binascii
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from bcc_relay.core.model import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

# RFC 5321 4.5.3.1: local part 64 octets, domain 255, path 256 with its angle brackets.
MAX_LOCAL_OCTETS = 64
MAX_DOMAIN_OCTETS = 255
MAX_MAILBOX_OCTETS = 254

_ATEXT = rb"A-Za-z0-9!#$%&'*+\-/=?^_`{|}~"
_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_ULABEL = rb"(?:[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\-\x80-\xff]{0,251}[A-Za-z0-9\x80-\xff])?)"
_QUOTED = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
_UQUOTED = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\x20-\x7e])*"'
_LITERAL = rb"\[(?:[Ii][Pp][Vv]6:[0-9A-Fa-f:.]{2,45}|[0-9]{1,3}(?:\.[0-9]{1,3}){3})\]"

# Nearly every address in the world: one match, no further look.
_PLAIN = re.compile(
    rb"([A-Za-z0-9_+\-]+(?:\.[A-Za-z0-9_+\-]+)*)@(" + _LABEL + rb"(?:\." + _LABEL + rb")*)",
)
_MAILBOX = re.compile(
    rb"((?:[%s]+(?:\.[%s]+)*)|%s)@((?:%s(?:\.%s)*)|%s)" % (_ATEXT, _ATEXT, _QUOTED, _LABEL, _LABEL, _LITERAL)
)
_UMAILBOX = re.compile(
    rb"((?:[%s\x80-\xff]+(?:\.[%s\x80-\xff]+)*)|%s)@((?:%s(?:\.%s)*)|%s)"
    % (_ATEXT, _ATEXT, _UQUOTED, _ULABEL, _ULABEL, _LITERAL)
)


def parse_mailbox(octets: bytes, *, smtputf8: bool = False) -> Address | None:
    """Read one RFC 5321 4.1.2 Mailbox (RFC 6531 3.3 with `smtputf8`), without angle brackets; None when it is not one.

    Encoded-words (RFC 2047 5 forbids them here), control characters, odd white space, source routes and comments are
    refused. The octets are kept as they came.
    """
    if len(octets) > MAX_MAILBOX_OCTETS:
        return None
    plain = _PLAIN.fullmatch(octets)
    match = plain or (_UMAILBOX if smtputf8 else _MAILBOX).fullmatch(octets)
    if match is None or match.end(1) > MAX_LOCAL_OCTETS or len(match[2]) > MAX_DOMAIN_OCTETS:
        return None
    if plain:
        text = octets.decode("ascii")
        local, _, domain = text.rpartition("@")
        return Address(octets, f"{local.casefold()}@{_domain_key(domain)}")
    try:
        local, domain = match[1].decode("utf-8"), match[2].decode("utf-8")
    except UnicodeDecodeError:
        return None
    if "=?" in local or any(_is_never_meant(char) for char in local + domain):
        return None
    return Address(octets, address_key(local, domain))


def _is_never_meant(char: str) -> bool:
    """Whether a character is control, format or white space, other than the space of a quoted local part."""
    return char != " " and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")


def address_key(local: str, domain: str) -> str:
    """Comparing form: local part unquoted, in NFC and case-folded; domain lower-cased in A-label form.

    Several spaces in a quoted local part are as good as one: headers are folded there.
    """
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        local = _SPACES.sub(" ", re.sub(r"\\(.)", r"\1", local[1:-1]))
    if local.isascii():
        return f"{local.lower()}@{_domain_key(domain)}"
    return f"{_folded(local)}@{_domain_key(domain)}"


# A character of ASCII may carry the marks behind it. Sorting a run of marks takes quadratic time, and nobody writes
# long ones (UAX 15, stream-safe text: 30), so a run is normalised in pieces.
_COMPOSED = re.compile(r"[\x00-\x7f]?[^\x00-\x7f]{1,64}")


def _normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    return _COMPOSED.sub(lambda piece: unicodedata.normalize(form, piece[0]), text)


def _folded(local: str) -> str:
    return _normal("NFC", _normal("NFC", local).casefold())


def _domain_key(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    # RFC 5891 and UTS 46: the "idna" codec of Python is that of 2003, which makes "ss" of a sharp s and gives up often.
    lowered = _normal("NFKC", _normal("NFKC", domain).lower()).replace("\u3002", ".")
    return ".".join(label if label.isascii() else _a_label(label) for label in lowered.split("."))


# A longer label has no A-label of 63 octets. Encoding takes time by length and by the number of different characters.
_LONGEST_U_LABEL = 59
_MOST_DIFFERENT = 24


@lru_cache(maxsize=256)
def _a_label(label: str) -> str:
    """Return the A-label of a U-label; one that is in no registry, as it is."""
    if len(label) > _LONGEST_U_LABEL or len(set(label)) > _MOST_DIFFERENT:
        return label
    return "xn--" + label.encode("punycode").decode("ascii")


def domain_key(domain: str) -> str:
    """Comparing form of a domain: lower case, A-labels."""
    return _domain_key(domain.strip().rstrip("."))


def transport_octets(address: Address) -> bytes:
    """Octets by which recipients are the same for transport: equal to the byte, case of the domain aside."""
    local, _, domain = address.octets.rpartition(b"@")
    return local + b"@" + domain.lower()


# --- the lenient search ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Known:
    """Addresses that the search recognises where other text is glued to them. Make it with `known`."""

    keys: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


def known(keys: frozenset[str]) -> Known:
    """Return `keys` (comparing form) as the search wants them."""
    return Known(keys, frozenset(key.rpartition("@")[2] for key in keys))


_NOBODY = Known()
# What ends a local part or a domain beside the specials of ASCII: quotes, dashes, full stops of other scripts, no text.
_PUNCTUATION = "\u00ab\u00bb\u2000-\u206f\u3000-\u303f\ufffd"
# Read backwards from the "@". A mailbox has 64 octets at most; what is glued to it is looked through further.
_LOCAL_RUN = re.compile(rf"[^\s<>()\[\],;:\"@\\\x00-\x1f\x7f{_PUNCTUATION}]{{1,320}}")
_LABEL_CHAR = rf"[^\s\x00-,./:-@\[-\^`{{-\x9f{_PUNCTUATION}]"
_DOMAIN_RUN = re.compile(rf"(?:{_LABEL_CHAR}|\.){{1,255}}")
_DOMAIN_LITERAL = re.compile(r"\[[^\]\s]{1,64}\]")
_SPREAD_DOMAIN = re.compile(rf"{_LABEL_CHAR}{{1,63}}(?: ?\. ?{_LABEL_CHAR}{{1,63}}){{1,20}}")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_SPACES = re.compile(r"[ \t]{2,}")
# Each pattern below is used on text whose white space is one character wide, so that none of them walks it twice.
_SPELT_AT = re.compile(r" ?(?:\( ?at ?\)|\[ ?at ?\]|\{ ?at ?\}) ?", re.IGNORECASE)
_SPELT_DOT = re.compile(r" ?(?:\( ?dot ?\)|\[ ?dot ?\]|\{ ?dot ?\}) ?", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#([0-9]{1,12})|#[xX]([0-9a-fA-F]{1,6})|commat|period);?")
_NAMED_ENTITIES = {"&commat": "@", "&period": "."}
_PERCENT = re.compile(r"%([2-7][0-9A-Fa-f])")
_SPACED_DOT = re.compile(r" ?\. ?")
_COMMENT = re.compile(r" ?\([^()]*\) ?")
_COMMENT_PASSES = 8
# Marks that people put before an address; hardly any mailbox begins with one.
_LEADING = "'`*=|/~{}!#$&^?."
# What a link or a field with parameters puts before one.
_PARAMETER = re.compile(r".*(?<![a-z])(?:to|cc|bcc|addr|address|e?mail|rcpt|recipient)=(?=.)", re.IGNORECASE)
_GLUE = re.compile(r"[|/=&?!#$%^*'`{}~]|[^\w\x00-\x7f]")
_ANY_GLUE = re.compile(r"[\W_]")
# Scripts that put no space between words go straight over into an address.
_LAST_ASCII = re.compile(r"(?<=[^\x00-\x7f])[\x00-\x7f]+\Z")


def find_addresses(text: str, known: Known = _NOBODY) -> set[str]:
    """Return the keys of all addresses that a reader could see in `text` (decoded and unfolded).

    Finds them in display names, comments, groups, semicolon lists and behind unbalanced quotes, written with full-width
    or spelt-out signs, entities, `%40` or zero-width characters. Hosts of a route (`@a,@b:`) are no addresses. A domain
    without a dot, with a top level that is no word, or reserved for private use is none either, unless the address is
    `known`: nobody outside can be reached there. A known address
    is recognised as such also where other text is glued to it (`addr=a@b.example|`).
    """
    found: set[str] = set()
    text = _SPACES.sub(" ", text.replace("\t", " "))
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    if "%40" in text:
        text = _PERCENT.sub(lambda match: chr(int(match[1], 16)), text)
    if not text.isascii():
        composed = _normal("NFC", text)
        text = _SPACES.sub(" ", _INVISIBLE.sub("", _normal("NFKC", text).replace("\u3002", ".")))
        if composed != text and known.keys and "@" in composed:
            _collect(composed, known, found)
            found &= known.keys
    if "(" in text or "[" in text or "{" in text:
        text = _SPELT_DOT.sub(".", _SPELT_AT.sub("@", text))
    if "@" not in text:
        return found
    if plain := _plainly_written(text, known):
        return found | plain
    _collect(text, known, found)
    if "(" in text:
        _collect(_without_comments(text), known, found)
    return found


# An address with nothing about it that could make it another one.
_PLAINLY = re.compile(
    r"(?<![^\s<,;:])([A-Za-z0-9][A-Za-z0-9._+\-]{0,63}+)@([A-Za-z0-9](?:[A-Za-z0-9\-]{0,62}+\.[A-Za-z0-9]){1,8}"
    r"[A-Za-z0-9\-]{1,62}+)(?=[>,;\r\n]|\s*+\Z)"
)
_MAY_CHANGE = re.compile(r"[\"()\[{&%]|[^\x00-\x7f]|\s\.|\.\s++[A-Za-z0-9._+\-]*+@")


def _plainly_written(text: str, known: Known) -> set[str]:
    """Return the keys of all addresses in `text` when each of them is written plainly; else nothing."""
    matches = _PLAINLY.findall(text)
    if len(matches) != text.count("@") or _MAY_CHANGE.search(text):
        return set()
    found = {f"{local}@{domain}".lower() for local, domain in matches}
    if all(_stands_alone(domain, known) for domain in {domain.lower() for _, domain in matches}):
        return found
    return found if found <= known.keys else set()


def _stands_alone(domain: str, known: Known) -> bool:
    """Whether a domain is one of somebody outside, and no known one with other text glued to it."""
    if not domain.rpartition(".")[2].isalpha() or reachable(domain) != domain:
        return False
    rest = domain.rpartition(".")[0]
    while rest and rest not in known.domains:
        rest = rest.rpartition(".")[0]
    return not rest


_QUOTED_PRINTABLE = re.compile(r"=([2-7][0-9A-Fa-f])")
_BASE64_RUN = re.compile(r"[A-Za-z0-9+/_\-]{8,}")


def find_encoded(text: str, known: Known) -> set[str]:
    """Return the keys of known addresses that stand in `text` in quoted-printable or base64, as in links and tokens."""
    found: set[str] = set()
    if "=40" in text:
        found |= find_addresses(_QUOTED_PRINTABLE.sub(lambda match: chr(int(match[1], 16)), text), known)
    for run in _BASE64_RUN.findall(text):
        # A run of 4n + 1 characters has one too many.
        whole = run[: len(run) - (len(run) % 4 == 1)].replace("-", "+").replace("_", "/")
        octets = binascii.a2b_base64(whole + "=" * (-len(whole) % 4))
        if b"@" in octets:
            found |= find_addresses(octets.decode("utf-8", "replace"), known)
    return found & known.keys


def _entity(match: re.Match[str]) -> str:
    decimal, hexadecimal = match.groups()
    if decimal or hexadecimal:
        number = int(decimal) if decimal else int(hexadecimal, 16)
        # Surrogates are no characters.
        return chr(number) if number < 0xD800 or 0xE000 <= number < 0x110000 else match[0]
    return _NAMED_ENTITIES[match[0].rstrip(";")]


def _without_comments(text: str) -> str:
    for _ in range(_COMMENT_PASSES):
        shorter = _COMMENT.sub(" ", text)
        if shorter == text:
            break
        text = shorter
    return text


def _collect(text: str, known: Known, found: set[str]) -> None:
    """Look around each "@" by itself: nothing that stands before or behind can hide an address."""
    backwards = text[::-1]
    at = text.find("@")
    while at >= 0:
        left, right = at - (text[at - 1 : at] == " "), at + 1 + (text[at + 1 : at + 2] == " ")
        if domain := _domain_at(text, right, known):
            if text[left - 1 : left] == '"' and (local := _quoted_before(text, left)):
                found.add(address_key(local, domain))
            elif run := _LOCAL_RUN.match(backwards, len(text) - left):
                found.add(_recognised(text, left, run[0][::-1], domain, known))
        at = text.find("@", at + 1)


def _domain_at(text: str, start: int, known: Known) -> str:
    """Return the domain that begins at `start`; empty when there is none that can be reached."""
    if match := _DOMAIN_LITERAL.match(text, start):
        return match[0]
    match = _DOMAIN_RUN.match(text, start)
    if match is None:
        return ""
    domain = match[0].strip(".").rstrip("-_")
    if "." not in domain and (spread := _SPREAD_DOMAIN.match(text, start)):
        domain = spread[0].replace(" ", "")
    return domain if known.domains and _domain_key(domain) in known.domains else reachable(domain)


# All top-level domains are letters, or an A-label (RFC 3696 2); what follows is a footnote, the end of a
# sentence, or a sign or word of another script.
_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f"
_TOP_LABEL = re.compile(rf"((?i:xn)--[A-Za-z0-9-]+|[{_LATIN}]+)(?:[\d-]*|_.*|[^\x00-\x7f].*)")
# Nobody outside can be reached there: RFC 6761 6.3 and 6.4, RFC 6762 3 and its appendix G; "internal" is reserved for
# private use, and "corp" and "home" will never be domains of the public network.
_NOBODYS = frozenset(["corp", "home", "internal", "intranet", "invalid", "lan", "local", "localdomain", "localhost"])


def reachable(domain: str) -> str:
    """Return the part of a run of labels that can be the domain of somebody outside; empty when there is none."""
    while "." in domain:
        rest, _, last = domain.rpartition(".")
        # A single letter ends a version (`1.x`, `1.0-beta.b`), unless a word stands before it.
        if (top := _top_level(last)) and (len(top) > 1 or rest.rpartition(".")[2].isalpha()):
            return "" if top.lower() in _NOBODYS else f"{rest}.{top}"
        domain = rest.rstrip(".")
    return ""


def _top_level(label: str) -> str:
    """Return the top-level domain that a label begins with; empty when it is none."""
    if match := _TOP_LABEL.fullmatch(label):
        return match[1]
    # Vowels of many scripts are marks.
    ends = (at for at, char in enumerate(label) if char.isascii() or unicodedata.category(char)[0] not in "LM")
    return label[: next(ends, None)]


def _quoted_before(text: str, end: int) -> str:
    """Return the quoted string that ends at `end`, with its quotes; empty when it has no beginning near by."""
    start = text.rfind('"', max(0, end - 130), end - 1)
    while start > 0 and text[start - 1] == "\\":
        start = text.rfind('"', max(0, end - 130), start)
    return text[start:end] if 0 <= start < end - 2 else ""


def _recognised(text: str, end: int, run: str, domain: str, known: Known) -> str:
    """Return the key of the address whose local part is `run`, or of a known one that is part of it."""
    plain = run
    if text[end - len(run) - 1 : end - len(run)] == "@" and (before := _DOMAIN_RUN.match(run)):
        plain = run[before.end() :]  # the run began with the domain of the address before
    if "=" in plain and (parameter := _PARAMETER.match(plain)):
        plain = plain[parameter.end() :]
    key = address_key(plain.lstrip(_LEADING) or run, domain)
    if key in known.keys or not known.keys:
        return key
    domains = [name for name in _shorter_domains(_domain_key(domain)) if name in known.domains]
    if not domains:
        return key
    for local in (run, *_locals_within(text, end, run)):
        for name in domains:
            candidate = address_key(local, name)
            if candidate in known.keys:
                return candidate
    return key


def _shorter_domains(domain: str) -> Iterator[str]:
    """Yield a domain, and what is left of it when text glued to its end goes."""
    yield domain
    for _ in range(16):
        cut = max(domain.rfind("."), domain.rfind("_"))
        if cut <= 0:
            return
        domain = domain[:cut]
        yield domain


def _locals_within(text: str, end: int, run: str) -> Iterator[str]:
    """Yield what may be the local part when other text is glued to its front, the longest first."""
    before = text[max(0, end - 130) : end]
    if ". " in before or " ." in before:
        joined = _LOCAL_RUN.match(_SPACED_DOT.sub(".", before)[::-1])
        if joined:
            yield joined[0][::-1]
    # Between two "@" stand the end of one domain and the beginning of a local part.
    glue = _ANY_GLUE if text[end - len(run) - 1 : end - len(run)] == "@" else _GLUE
    tail = run[-96:]
    if ascii_tail := _LAST_ASCII.search(tail):
        yield ascii_tail[0]
    yield tail.lstrip("_.-+" + _LEADING)
    for match in glue.finditer(tail):
        yield tail[match.end() :]
