"""Log lines: one JSON object a line on standard output, or a console form for people.

`LogObserver` makes a line of each event. What libraries say through `logging` comes out in the same form, at warning
and above, without addresses and without the text of exceptions, which may hold anything.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any, Literal, TextIO, TypeAlias, assert_never

import structlog

from bcc_relay.core.events import (
    Answered,
    Attempted,
    ConnectionClosed,
    ConnectionOpened,
    Decided,
    Failed,
    Lifecycle,
    Moved,
    ReaderStopped,
    SmtpRefused,
    StageTimed,
    UpstreamSeen,
)
from bcc_relay.telemetry.pseudonyms import looks_like_address, one_line, without_addresses

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

    from bcc_relay.core.events import Event
    from bcc_relay.telemetry.pseudonyms import Pseudonym

    Log: TypeAlias = structlog.typing.FilteringBoundLogger
    Fields: TypeAlias = dict[str, Any]
    Line: TypeAlias = tuple[int, str, Fields]

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
"""Values of `log.level`."""

_FIRST = ("ts", "level", "event", "message_id")
_MAX_FRAMES = 12
_LIFECYCLE_LEVELS = {"reload_failed": logging.ERROR, "not_built": logging.WARNING}


def set_up(
    *, form: Literal["json", "console"], level: str, pseudonym: Pseudonym | None, stream: TextIO | None = None
) -> Log:
    """Return the logger of the product and send the standard library's loggers the same way.

    `level` is a key of LEVELS. `pseudonym` is None for plain addresses. `stream` is standard output unless given.
    Calling it again, as a reload does, replaces what was set up before.
    """
    out = stream or sys.stdout
    renderer = structlog.processors.JSONRenderer() if form == "json" else _console(colours=out.isatty())
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(out),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            _in_order,
            *([_printable] if form == "console" else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        context_class=dict,
    ).bind()  # once here, else the lazy proxy binds anew for every line
    logging.basicConfig(level=logging.WARNING, handlers=[_FromLibraries(log, pseudonym)], force=True)
    return log


class LogObserver:
    """Turns each event into a line. `pseudonym` None leaves addresses as they are."""

    def __init__(self, log: Log, pseudonym: Pseudonym | None) -> None:
        self._log = log
        self._pseudonym = pseudonym
        self._verbose = log.is_enabled_for(logging.DEBUG)
        self._upstreams: dict[int, bool] = {}

    def __call__(self, event: Event) -> None:
        """Write the line of `event`, when its level is wanted."""
        if not self._verbose and isinstance(event, (StageTimed, ConnectionOpened, ConnectionClosed)):
            return  # the most frequent events: nothing is worked out for them
        level, name, fields = self._line(event)
        self._log.log(level, name, **fields)

    def _line(self, event: Event) -> Line:  # noqa: C901, PLR0911, PLR0912 - a table of events
        match event:
            case ConnectionOpened():
                return logging.DEBUG, "connection_opened", {"listener": event.listener, "client": event.client}
            case ConnectionClosed():
                return logging.DEBUG, "connection_closed", {"listener": event.listener, "client": event.client}
            case StageTimed():
                return logging.DEBUG, "stage_timed", {"stage": event.stage, "seconds": round(event.seconds, 6)}
            case SmtpRefused():
                return logging.INFO, "smtp_refused", self._smtp_refused(event)
            case Decided():
                return logging.INFO, "decided", self._decided(event)
            case Answered():
                return logging.INFO, "answered", self._answered(event)
            case Attempted():
                return logging.INFO, "attempted", self._attempted(event)
            case Moved():
                return logging.INFO, "moved", self._moved(event)
            case UpstreamSeen():
                return self._upstream_seen(event)
            case Failed():
                return logging.ERROR, "failed", self._failed(event)
            case ReaderStopped():
                return logging.WARNING, "reader_stopped", {"why": event.why}
            case Lifecycle():
                detail = {key: self._text(value) for key, value in event.detail.items()}
                return _LIFECYCLE_LEVELS.get(event.what, logging.INFO), event.what, {"detail": detail}
            case _:
                assert_never(event)

    def _smtp_refused(self, event: SmtpRefused) -> Fields:
        return {
            "listener": event.listener,
            "client": event.client,
            "reason": event.reason,
            "user": self._person(event.user),
        }

    def _decided(self, event: Decided) -> Fields:
        return {
            "message_id": event.message_id,
            "listener": event.listener,
            "verdict": event.verdict,
            "rule": event.rule,
            "detectors": list(event.detectors),
            "damage": list(event.damage),
            "enforced": event.enforced,
            "monitored_rules": list(event.monitored_rules),
            "sender": self._address(event.sender),
            "recipients": event.recipients,
            "visible_outsiders": event.visible_outsiders,
            "protected": event.protected,
            "size_bytes": event.size_bytes,
        }

    def _answered(self, event: Answered) -> Fields:
        return {
            "message_id": event.message_id,
            "code": event.code,
            "text": self._text(event.text),
            "client_gone": event.client_gone,
        }

    def _attempted(self, event: Attempted) -> Fields:
        return {
            "message_id": event.message_id,
            "live": event.live,
            "outcomes": dict(event.outcomes),
            "code": event.code,
            "text": self._text(event.text),
        }

    def _moved(self, event: Moved) -> Fields:
        return {
            "message_id": event.message_id,
            "old": event.old,
            "new": event.new,
            "by": event.by,
            "person": self._person(event.person),
            "decision": event.decision,
            "waited_s": event.waited_s,
        }

    def _failed(self, event: Failed) -> Fields:
        return {
            "message_id": event.message_id,
            "reference": event.reference,
            "where": event.where,
            "detail": self._text(event.detail),
        }

    def _upstream_seen(self, event: UpstreamSeen) -> Line:
        """Only a change is news; the same answer again is for debugging."""
        changed = self._upstreams.get(event.server) is not event.up
        self._upstreams[event.server] = event.up
        level = logging.INFO if event.up else logging.WARNING
        fields = {"server": event.server, "detail": self._text(event.detail)}
        return level if changed else logging.DEBUG, "upstream_up" if event.up else "upstream_down", fields

    def _address(self, address: str) -> str:
        return self._pseudonym(address) if self._pseudonym and address else address

    def _person(self, login: str | None) -> str | None:
        return self._address(login) if login and looks_like_address(login) else login

    def _text(self, text: str) -> str:
        return one_line(without_addresses(text, self._pseudonym) if self._pseudonym else text)


class _FromLibraries(logging.Handler):
    """Sends records of the standard library's loggers to ours, as event `library`."""

    def __init__(self, log: Log, pseudonym: Pseudonym | None) -> None:
        super().__init__()
        self._log = log
        self._pseudonym = pseudonym or (lambda _: "(address)")

    def emit(self, record: logging.LogRecord) -> None:
        # The first line only: asyncio puts the representation of exceptions, and so their text, into those below.
        text = _message(record).strip().partition("\n")[0]
        fields: Fields = {"logger": record.name, "text": one_line(without_addresses(text, self._pseudonym))}
        if record.exc_info and (error := record.exc_info[1]):
            fields |= {"error": type(error).__qualname__, "frames": _frames(error.__traceback__)}
        level = logging.ERROR if record.levelno >= logging.ERROR else logging.WARNING
        # A standard output that is full or gone must not reach the library that wanted to say something.
        with contextlib.suppress(OSError, ValueError):
            self._log.log(level, "library", **fields)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # a library's own format string does not fit its arguments
        return str(record.msg)


def _frames(trace: TracebackType | None) -> list[str]:
    """Places of the traceback, innermost last; never source lines or values."""
    places = [
        f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(trace)
    ]
    return places[-_MAX_FRAMES:]


def _console(*, colours: bool) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=colours, sort_keys=False, timestamp_key="ts", pad_event_to=18)


def _in_order(_log: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put the fixed names first and leave out fields that say nothing (None)."""
    first = {name: event.pop(name) for name in _FIRST if name in event}
    return {name: value for name, value in {**first, **event}.items() if value is not None}


def _printable(_log: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep control characters off the terminal; JSON escapes them by itself."""
    return {name: one_line(value) if isinstance(value, str) else value for name, value in event.items()}
