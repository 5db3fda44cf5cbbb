"""Mail addresses: the strict reading of an envelope, the lenient search in a header, and whose address it is.

The strict reading refuses whatever RFC 5321 does not allow. The lenient search finds whatever a reader might see as an
address, however it is written. Both give the same comparing key.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from bcc_relay.core.model import Address

# RFC 5321 4.5.3.1: local part 64 octets, domain 255, path 256 with its angle brackets.
MAX_LOCAL_OCTETS = 64
MAX_DOMAIN_OCTETS = 255
MAX_MAILBOX_OCTETS = 254

_ATEXT = rb"A-Za-z0-9!#$%&'*+\-/=?^_`{|}~"
_LABEL = rb"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_ULABEL = rb"(?:[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\-\x80-\xff]{0,251}[A-Za-z0-9\x80-\xff])?)"
_QUOTED = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\x20-\x7e])*"'
_UQUOTED = rb'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\x20-\x7e])*"'
_LITERAL = rb"\[(?:IPv6:[0-9A-Fa-f:.]{2,45}|[0-9]{1,3}(?:\.[0-9]{1,3}){3})\]"

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

    Encoded-words (RFC 2047 5 forbids them here), control characters, source routes and comments are refused. The octets
    are kept as they came.
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
    if "=?" in local or any(unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs") for char in local + domain):
        return None
    return Address(octets, address_key(local, domain))


def address_key(local: str, domain: str) -> str:
    """Comparing form: local part unquoted, in NFC and case-folded; domain lower-cased in A-label form."""
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    if not local.isascii():
        local = unicodedata.normalize("NFC", unicodedata.normalize("NFC", local).casefold())
    return f"{local.casefold()}@{_domain_key(domain)}"


def _domain_key(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    folded = unicodedata.normalize("NFKC", domain).casefold()
    try:
        return folded.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return folded


def transport_octets(address: Address) -> bytes:
    """Octets by which recipients are the same for transport: equal to the byte, case of the domain aside."""
    local, _, domain = address.octets.rpartition(b"@")
    return local + b"@" + domain.lower()


# --- the lenient search ----------------------------------------------------------------------------------------------

# A run of these before an "@" is taken for a local part. The look-behind lets a match begin only at the start of a run,
# so a long run without "@" is walked once.
_LOCAL_RUN = r"[^\s<>()\[\],;:\"@\\\x00-\x1f\x7f]"
_SHOWN = re.compile(
    rf"(?:(?<!{_LOCAL_RUN})({_LOCAL_RUN}{{1,320}})|\"((?:[^\"\\]|\\.){{1,64}})\")[ \t]?@[ \t]?"
    r"([\w\-.]{1,255}|\[[^\]\s]{1,64}\])",
)
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_SPACES = re.compile(r"[ \t]{2,}")
# Each pattern below is used on text whose white space is one character wide, so that none of them walks it twice.
_SPELT_AT = re.compile(r" ?(?:\( ?at ?\)|\[ ?at ?\]|\{ ?at ?\}) ?", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|commat|period);?")
_NAMED_ENTITIES = {"&commat": "@", "&period": "."}
_SPACED_DOT = re.compile(r" \. ?")
_COMMENT = re.compile(r"\([^()]*\)")
_COMMENT_PASSES = 8
# Marks that people put before an address; hardly any mailbox begins with one.
_LEADING = "'`*=|/~{}!#$&^?.\u201c\u201d\u2018\u2019\u201e"


def find_addresses(text: str) -> set[str]:
    """Return the keys of all addresses that a reader could see in `text` (decoded and unfolded).

    Finds them in display names, comments, groups, semicolon lists and behind unbalanced quotes, written with full-width
    or spelt-out signs, entities, `%40` or zero-width characters. Hosts of a route (`@a,@b:`) are no addresses. A domain
    without a dot is none either: nobody outside can be reached there.
    """
    found: set[str] = set()
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    text = _SPACES.sub(" ", text.replace("\t", " "))
    if "&" in text:
        text = _ENTITY.sub(_entity, text)
    if "(" in text or "[" in text or "{" in text:
        text = _SPELT_AT.sub("@", text)
    if "%40" in text:
        text = text.replace("%40", "@")
    if "@" not in text:
        return found
    _collect(text, found)
    if "(" in text:
        _collect(_without_comments(text), found)
    if " ." in text:
        _collect(_SPACED_DOT.sub(".", text), found)
    return found


def _entity(match: re.Match[str]) -> str:
    decimal, hexadecimal = match.groups()
    if decimal or hexadecimal:
        number = int(decimal) if decimal else int(hexadecimal, 16)
        return chr(number) if number < 0x110000 else match[0]
    return _NAMED_ENTITIES[match[0].rstrip(";")]


def _collect(text: str, found: set[str]) -> None:
    for match in _SHOWN.finditer(text):
        run, quoted, domain = match.groups()
        domain = domain.rstrip(".-_")
        if "." not in domain and not domain.startswith("["):
            continue
        local = (run.lstrip(_LEADING) or run) if run is not None else f'"{quoted}"'
        found.add(address_key(local, domain))


def _without_comments(text: str) -> str:
    for _ in range(_COMMENT_PASSES):
        shorter = _COMMENT.sub("", text)
        if shorter == text:
            break
        text = shorter
    return text


# --- whose address is it ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Organisation:
    """Whose addresses are whose. Domains are in comparing form (lower case, A-labels); each covers what is below it."""

    domains: frozenset[str]
    partners: frozenset[str] = frozenset()
    personal: frozenset[str] = field(default=frozenset(), repr=False)
    """Domains of personal-mail providers."""

    def is_own(self, key: str) -> bool:
        """Whether the address is the organisation's own."""
        return _is_below(key, self.domains)

    def is_outsider(self, key: str) -> bool:
        """Whether the address is neither own nor a partner's."""
        return not _is_below(key, self.domains) and not _is_below(key, self.partners)

    def is_personal(self, key: str) -> bool:
        """Whether an outsider's address is at a personal-mail provider."""
        return key.rpartition("@")[2] in self.personal


def domain_key(domain: str) -> str:
    """Comparing form of a domain: lower case, A-labels."""
    return _domain_key(domain.strip().rstrip("."))


def _is_below(key: str, domains: frozenset[str]) -> bool:
    domain = key.rpartition("@")[2]
    while domain:
        if domain in domains:
            return True
        _, _, domain = domain.partition(".")
    return False


def matches(key: str, patterns: tuple[str, ...]) -> bool:
    """Whether an address matches any pattern: a whole address, or `@domain` for that domain and those below it.

    Patterns are in comparing form.
    """
    for pattern in patterns:
        if pattern.startswith("@"):
            if _is_below(key, frozenset((pattern[1:],))):
                return True
        elif key == pattern:
            return True
    return False
