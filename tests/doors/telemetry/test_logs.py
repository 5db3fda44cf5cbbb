"""Log lines: one JSON object a line, fixed names, no address, nothing that breaks the line."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bcc_relay.core.events import (
    Answered,
    Attempted,
    ConnectionClosed,
    ConnectionOpened,
    Decided,
    Event,
    Failed,
    Lifecycle,
    Moved,
    ReaderStopped,
    SmtpRefused,
    StageTimed,
    UpstreamSeen,
)
from bcc_relay.telemetry.logs import LogObserver, set_up
from bcc_relay.telemetry.observers import Observers
from bcc_relay.telemetry.pseudonyms import keyed

JANE = "jane@family-mail.example"
HIDE = keyed(b"a key")
DECIDED = Decided(
    message_id="m1",
    listener="127.0.0.1:2525",
    verdict="rewrite",
    rule="families",
    detectors=("many_visible",),
    sender="clerk@council.example",
    recipients=500,
    visible_outsiders=487,
    protected=487,
    damage=(),
    size_bytes=4000,
)
EXAMPLES: tuple[Event, ...] = (
    ConnectionOpened("127.0.0.1:2525", "192.0.2.1"),
    ConnectionClosed("127.0.0.1:2525", "192.0.2.1"),
    SmtpRefused("127.0.0.1:2525", "192.0.2.1", "auth_failed", JANE),
    DECIDED,
    Answered("m1", 550, f"5.1.1 <{JANE}>: no such user"),
    StageTimed("decide", 0.0123456789),
    Attempted("m1", {"delivered": 2, "refused": 1}, 250, f"2.0.0 ok {JANE}", live=True),
    Moved("m1", "held", "released", "reviewer", JANE, "release_as_bcc", 60.5),
    UpstreamSeen(0, up=False, detail=f"450 {JANE}"),
    Failed("r1", "store", f"no room for {JANE}", "m1"),
    ReaderStopped("too_slow"),
    Lifecycle("ready", {"listener": f"127.0.0.1:2525 {JANE}"}),
)


@pytest.fixture(autouse=True)
def _root_logger_as_before():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


def lines_of(*events: Event, pseudonym=HIDE, level: str = "debug", form: str = "json") -> list[str]:
    out = io.StringIO()
    observe = LogObserver(set_up(form=form, level=level, pseudonym=pseudonym, stream=out), pseudonym)
    for event in events:
        observe(event)
    return out.getvalue().splitlines()


def objects_of(*events: Event, **options: object) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines_of(*events, **options)]


def test_every_kind_of_event_has_an_example_here():
    assert {type(event) for event in EXAMPLES} == set(Event.__args__)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_is_one_json_line_that_begins_with_time_level_and_name(event):
    [line] = lines_of(event)
    fields = json.loads(line)

    assert list(fields)[:3] == ["ts", "level", "event"]
    assert datetime.fromisoformat(fields["ts"]).utcoffset() == timedelta(0)
    assert fields.get("message_id", "") == (getattr(event, "message_id", None) or "")


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: type(event).__name__)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_address_stands_in_a_line(event, form):
    [line] = lines_of(event, form=form)

    assert "@" not in line
    assert "family-mail" not in line


def test_the_decision_shows_what_was_decided_and_a_pseudonym_of_the_sender():
    [fields] = objects_of(DECIDED)

    assert fields["verdict"] == "rewrite"
    assert fields["visible_outsiders"] == fields["protected"] == 487
    assert fields["sender"] == HIDE("clerk@council.example")


def test_the_null_sender_stays_empty():
    assert objects_of(dataclasses.replace(DECIDED, sender=""))[0]["sender"] == ""


def test_addresses_are_plain_when_configured_so():
    decided, answered = objects_of(DECIDED, EXAMPLES[4], pseudonym=None)

    assert decided["sender"] == "clerk@council.example"
    assert JANE in str(answered["text"])


def test_a_login_that_is_no_address_is_shown():
    assert objects_of(SmtpRefused("l", "192.0.2.1", "auth_failed", "scanner"))[0]["user"] == "scanner"


@given(st.text(), st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_whatever_strangers_say_stays_on_one_line(text, user):
    events = (Answered("m1", 550, text), SmtpRefused("l", "192.0.2.1", "address", user), Failed("r", "x", text))

    for form in ("json", "console"):
        lines = lines_of(*events, form=form)
        assert len(lines) == 3
        assert all(line.isprintable() for line in lines)


def test_an_upstream_is_named_only_when_it_changes():
    up, down = UpstreamSeen(0, up=True), UpstreamSeen(0, up=False, detail="timeout")

    names = [fields["event"] for fields in objects_of(up, up, down, down, up, level="info")]

    assert names == ["upstream_up", "upstream_down", "upstream_up"]


def test_connections_and_stages_are_for_debugging_only():
    assert lines_of(*EXAMPLES[:2], EXAMPLES[5], level="info") == []


def test_a_reload_that_failed_is_an_error():
    assert objects_of(Lifecycle("reload_failed"), level="error")[0]["event"] == "reload_failed"


def test_libraries_speak_in_the_same_form_without_addresses_and_exception_texts():
    out = io.StringIO()
    set_up(form="json", level="info", pseudonym=HIDE, stream=out)
    log = logging.getLogger("some.library")

    log.info("not wanted")
    try:
        raise ValueError("password of jane")
    except ValueError:
        log.exception("could not send to <%s>\nexception=%r", JANE, "second line")
    log.warning("%d does not fit", "this")

    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"]) == ("library", "error", "some.library")
    assert first["text"] == f"could not send to <{HIDE(JANE)}>"
    assert first["error"] == "ValueError"
    assert first["frames"][-1].startswith(f"{__name__}:")
    assert "password" not in out.getvalue()
    assert second["text"] == "%d does not fit"


def test_setting_up_again_replaces_what_was_there():
    first, second = io.StringIO(), io.StringIO()
    set_up(form="json", level="info", pseudonym=HIDE, stream=first)
    set_up(form="json", level="info", pseudonym=HIDE, stream=second)

    logging.getLogger("some.library").warning("once")

    assert not first.getvalue()
    assert len(second.getvalue().splitlines()) == 1


def test_an_observer_that_fails_harms_nobody():
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise OSError("standard output is gone")

    Observers(broken, seen.append)(DECIDED)

    assert seen == [DECIDED]


def test_a_closed_standard_output_harms_nobody():
    out = io.StringIO()
    log = set_up(form="json", level="info", pseudonym=HIDE, stream=out)
    observe = Observers(LogObserver(log, HIDE))
    out.close()

    observe(DECIDED)
    logging.getLogger("some.library").error("nobody hears this")
