"""Kinds of values that settings are written in: durations, `host:port`, networks, domains, addresses, patterns.

Each is parsed once, here; a ValueError says what is wrong and what to write instead.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from pathlib import Path
from typing import Annotated, Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

import re2
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
)

from bcc_relay.core.address import domain_key

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 365 * 86_400}
"""Seconds in each unit of a duration; a year is 365 days."""

MAX_SECONDS = 1000 * UNITS["y"]

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_DURATION = re.compile(r"(\d{1,12})\s?([smhdwy])")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LOCAL = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*", re.IGNORECASE)
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_FIELD_NAME = re.compile(r"[!-9;-~]+")


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"is not text; write it in quotes, such as {example}")  # noqa: TRY004 pydantic collects ValueError
    return value.strip()


def parse_duration(value: object) -> timedelta:
    """Read `50s`, `1m`, `2d`, `0d`, `6y`."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is not a duration; write a whole number and one of s, m, h, d, w, y, such as 30s, 5m or 14d")
    seconds = int(match[1]) * UNITS[match[2]]
    if seconds > MAX_SECONDS:
        raise ValueError("is too long; write at most 1000y")
    return timedelta(seconds=seconds)


def write_duration(value: timedelta) -> str:
    """Write a duration in its largest unit that divides it (weeks aside; 365 days stay days)."""
    seconds = int(value.total_seconds())
    if seconds == 0:
        return "0d"
    for unit in "ydhm":
        if seconds % UNITS[unit] == 0 and seconds // UNITS[unit] > (1 if unit == "y" else 0):
            return f"{seconds // UNITS[unit]}{unit}"
    return f"{seconds}s"


def parse_domain(value: object) -> str:
    """Read a domain name; return it lower-cased in A-label form, without a final dot."""
    text = _text(value, "council.example")
    if "@" in text or "*" in text:
        raise ValueError("is not a domain; write it without @ and *, subdomains are included anyway")
    ascii_form = domain_key(text)
    if len(ascii_form) > 253 or not all(_LABEL.fullmatch(label) for label in ascii_form.split(".")):
        raise ValueError("is not a valid domain name; write it such as council.example")
    return ascii_form


def parse_address(value: object) -> str:
    """Read a plain mail address without display name or quotes; the domain comes back in A-label form."""
    text = _text(value, "dpo@council.example")
    local, at, domain = text.rpartition("@")
    if not at or len(local) > 64 or not _LOCAL.fullmatch(local):
        raise ValueError("is not a mail address; write the address alone, such as dpo@council.example")
    return f"{local}@{parse_domain(domain)}"


def parse_optional_address(value: object) -> str:
    """Read a mail address, or nothing."""
    return "" if value == "" else parse_address(value)


def parse_sender(value: object) -> str:
    """Read what a rule compares the sender with: an address, `@domain`, or `<>` for the null sender."""
    text = _text(value, "clerk@council.example")
    if text == "<>":
        return text
    if text.startswith("@"):
        return f"@{parse_domain(text[1:])}"
    if "@" not in text:
        raise ValueError("is neither an address nor a domain; write clerk@council.example, or @school.example for all")
    return parse_address(text)


def parse_network(value: object) -> Network:
    """Read an address or a network in CIDR form."""
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return value
    text = _text(value, '"10.0.0.0/8"')
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError("is not a network; write it such as 10.0.0.0/8 or 2001:db8::/32") from None
    raise ValueError(f"names a host inside a network; write {loose} for the network")


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where a server listens. `host` is an IP address without brackets or a host name in A-label form."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """127.0.0.0/8, ::1 or localhost."""
        if self.host in {"localhost", "localhost.localdomain"}:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_host_port(value: object) -> HostPort:
    """Read `host:port`; an IPv6 address stands in brackets."""
    if isinstance(value, HostPort):
        return value
    text = _text(value, '"127.0.0.1:2525"')
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]+", port):
        raise ValueError("has no port; write host:port, such as smtp.council.example:25")
    if len(port) > 5 or int(port) > 65535:
        raise ValueError("has a port that does not exist; the largest is 65535")
    if host.startswith("[") and host.endswith("]"):
        try:
            return HostPort(str(ipaddress.IPv6Address(host[1:-1])), int(port))
        except ValueError:
            raise ValueError("is not an IPv6 address; write it such as [2001:db8::25]:25") from None
    if ":" in host:
        raise ValueError(f"is ambiguous; write an IPv6 address in brackets, such as [2001:db8::25]:{port}")
    if not host or host == "*":
        raise ValueError(f"names no host; write 0.0.0.0:{port} for every IPv4 address or [::]:{port} for every address")
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return HostPort(str(ipaddress.IPv4Address(host)), int(port))
        except ValueError:
            raise ValueError("is not an IPv4 address; write it such as 127.0.0.1:2525") from None
    return HostPort(parse_domain(host), int(port))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in linear time (RE2), without regard to case."""

    source: str
    compiled: Any = field(repr=False, compare=False)

    def search(self, text: str, /) -> object | None:
        """Return something true when the expression is found anywhere in `text`, which may hold lone surrogates."""
        found: object | None = self.compiled.search(text.encode("utf-8", "replace").decode())
        return found


def parse_pattern(value: object) -> Pattern:
    """Compile a regular expression with RE2; look-around and back-references do not exist there."""
    if isinstance(value, Pattern):
        return value
    if not isinstance(value, str):
        raise ValueError("is not text; write the regular expression in quotes")  # noqa: TRY004
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 1 << 20
    try:
        return Pattern(value, re2.compile(value, options))
    except UnicodeError:
        raise ValueError("holds characters that are no text; write the regular expression anew") from None
    except re2.error as error:
        why = error.args[0] if error.args else b""
        shown = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise ValueError(
            f"is not a valid regular expression ({shown}); mend it, without look-around and back-references"
        ) from None


def parse_clock(value: object) -> time:
    """Read a time of day."""
    if isinstance(value, time):
        return value
    match = _CLOCK.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError('is not a time of day; write it in quotes, such as "08:00"')
    return time(int(match[1]), int(match[2]))


def parse_date(value: object) -> date:
    """Read a date."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == 10 else "")
    except ValueError:
        raise ValueError("is not a date; write year-month-day, such as 2027-03-31") from None


def parse_whole(value: object) -> object:
    """Refuse true and false where a number stands; pydantic would take them for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("is not a number; write digits")  # noqa: TRY004
    return value


def parse_workers(value: object) -> int | None:
    """Read a number of processes; None stands for `auto`."""
    if value is None or value == "auto":
        return None
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,4}", text) or int(text) < 1:
        raise ValueError("is neither auto nor a number of processes; write auto, or a number such as 4")
    return int(text)


def parse_field_name(value: object) -> str:
    """Read the name of a header field (RFC 5322 3.6.8)."""
    text = _text(value, "List-Id").removesuffix(":")
    if not _FIELD_NAME.fullmatch(text):
        raise ValueError("is not the name of a header field; write it such as List-Id")
    return text.lower()


def parse_path(value: object, info: ValidationInfo) -> Path | None:
    """Read a path; a relative one starts at the folder given as validation context, and nothing means none."""
    if isinstance(value, Path):
        value = str(value)
    text = _text(value, "/etc/bcc-relay/key.pem")
    if "\0" in text:
        raise ValueError("holds a NUL character; write a plain path")
    if not text:
        return None
    folder = info.context.get("folder") if isinstance(info.context, dict) else None
    return Path(folder or ".").absolute() / text if not text.startswith("/") else Path(text)


def parse_file(value: object, info: ValidationInfo) -> Path:
    """Read a path that must be there."""
    path = parse_path(value, info)
    if path is None:
        raise ValueError("names no file; write its path, or leave the key out for the default")
    return path


def parse_store_url(value: object) -> str:
    """Read where the store is: `sqlite://` and an absolute path, or a `postgresql://` address."""
    text = _text(value, '"sqlite:///var/lib/bcc-relay/relay.db"')
    if text.startswith("sqlite://"):
        path = text.removeprefix("sqlite://")
        if not path.startswith("/") or path.endswith("/") or "\0" in path or "?" in path:
            raise ValueError(
                "does not name a file; what follows sqlite:// is an absolute path, "
                "such as sqlite:///var/lib/bcc-relay/relay.db"
            )
        return f"sqlite://{'/' + path.lstrip('/')}"
    if text.startswith(("postgresql://", "postgres://")) and urlsplit(text).hostname:
        return text
    raise ValueError("is no known store; write sqlite:///var/lib/bcc-relay/relay.db or postgresql://host/database")


def starred_url(url: str) -> str:
    """Return `url` with its password, if it has one, replaced by stars."""
    parts = urlsplit(url)
    if not parts.password:
        return url
    user_and_host = f"{parts.username or ''}:{STARS}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit((parts.scheme, user_and_host, parts.path, parts.query, parts.fragment))


def no_control(value: str) -> str:
    """Refuse line breaks and other control characters, which must not reach a header or a log line."""
    if not value.isprintable():
        raise ValueError("holds a line break or another control character; write it on one line of plain text")
    return value


def listed(value: object) -> object:
    """Take a single value for a list of one, where conditions match any of a list."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Sequence) and not value:
        raise ValueError("is an empty list, which nothing matches; name at least one, or leave the condition out")
    return value


STARS = "********"

Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(write_duration, str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\s?[smhdwy]$", "examples": ["30s", "5m", "14d"]}),
]
Server = Annotated[
    HostPort,
    BeforeValidator(parse_host_port),
    PlainSerializer(str, str),
    WithJsonSchema({"type": "string", "pattern": r"^.+:\d{1,5}$"}),
]
Net = Annotated[Network, BeforeValidator(parse_network), PlainSerializer(str, str), WithJsonSchema({"type": "string"})]
Domain = Annotated[str, BeforeValidator(parse_domain)]
MailAddress = Annotated[str, BeforeValidator(parse_address), WithJsonSchema({"type": "string", "format": "email"})]
OptionalAddress = Annotated[str, BeforeValidator(parse_optional_address)]
SenderMatch = Annotated[str, BeforeValidator(parse_sender)]
Regex = Annotated[
    Pattern,
    BeforeValidator(parse_pattern),
    PlainSerializer(lambda pattern: pattern.source, str),
    WithJsonSchema({"type": "string", "format": "regex"}),
]
FieldName = Annotated[str, BeforeValidator(parse_field_name)]
Clock = Annotated[
    time,
    BeforeValidator(parse_clock),
    PlainSerializer(lambda value: value.strftime("%H:%M"), str),
    WithJsonSchema({"type": "string", "pattern": r"^\d{1,2}:\d\d$"}),
]
Day = Annotated[
    date,
    BeforeValidator(parse_date),
    PlainSerializer(lambda value: value.isoformat(), str),
    WithJsonSchema({"type": "string", "format": "date"}),
]
OptionalPath = Annotated[
    Path | None,
    BeforeValidator(parse_path),
    PlainSerializer(lambda value: str(value) if value else "", str),
    WithJsonSchema({"type": "string"}),
]
FilePath = Annotated[Path, BeforeValidator(parse_file), PlainSerializer(str, str), WithJsonSchema({"type": "string"})]
StoreUrl = Annotated[
    str,
    BeforeValidator(parse_store_url),
    PlainSerializer(starred_url, str),
    WithJsonSchema({"type": "string", "pattern": "^(sqlite|postgres(ql)?)://"}),
]
Secret = Annotated[SecretStr, PlainSerializer(lambda value: STARS if value.get_secret_value() else "", str)]
Count = Annotated[int, BeforeValidator(parse_whole), Field(ge=0, le=2**53)]
Positive = Annotated[int, BeforeValidator(parse_whole), Field(ge=1, le=2**53)]
Share = Annotated[float, BeforeValidator(parse_whole), Field(ge=0, le=1, allow_inf_nan=False)]
Workers = Annotated[
    int | None,
    BeforeValidator(parse_workers),
    PlainSerializer(lambda value: value or "auto"),
    WithJsonSchema({"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}], "default": "auto"}),
]
Text = Annotated[str, AfterValidator(no_control)]
