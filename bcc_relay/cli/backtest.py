"""`backtest`: what the relay would have done with mail that was saved, in totals, and as a page for a DPO."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bcc_relay.cli.records import count
from bcc_relay.cli.shell import CommandError, Exit, complain, print_table, progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bcc_relay.backtest.run import Plan
    from bcc_relay.backtest.totals import Totals
    from bcc_relay.settings import Settings

SHOWN_DEPARTMENTS = 20
SHOWN_FILES = 10


def backtest(
    settings: Settings,
    paths: Sequence[Path],
    *,
    state: Path | None,
    report: Path | None,
    addresses: bool,
    judges_all: bool,
) -> Totals:
    """Judge all mail below the paths by the settings in force, and write the report if one is wanted.

    Raises CommandError when no message could be judged, when it was interrupted, or when a file cannot be written.
    """
    from bcc_relay.backtest.run import backtest as run
    from bcc_relay.backtest.state import StateError

    if report is not None:
        _refuse_unwritable(report)
    plan = _plan(settings, paths, judges_all=judges_all)
    with _state_file(state) as file:
        try:
            totals = run(plan, file, progress)
        except StateError as error:
            raise CommandError(Exit.DATA, error.sentence) from error
        except KeyboardInterrupt:
            what = "give the same command again to go on" if state else "with --state FILE it could go on from here"
            raise CommandError(Exit.TRY_LATER, f"Interrupted; {what}") from None
    if not (totals.messages or totals.incoming):
        raise CommandError(Exit.DATA, _nothing(totals))
    if report is not None:
        _write(report, _page(settings, totals, addresses=addresses))
    return totals


def _plan(settings: Settings, paths: Sequence[Path], *, judges_all: bool) -> Plan:
    from dataclasses import replace

    from bcc_relay.backtest.deciding import House
    from bcc_relay.backtest.reading import Rules
    from bcc_relay.backtest.run import Plan
    from bcc_relay.settings.policy import policy_of
    from bcc_relay.wiring import leaving_of

    leaving = leaving_of(settings, b"backtest")
    house = House(replace(policy_of(settings), monitor=False), leaving, settings.retention.memory)
    # Whatever may change a verdict.
    deciding = settings.model_dump_json(include={"organisation", "policy", "rewrite", "limits", "retention"})
    return Plan(
        tuple(paths),
        Rules(leaving.organisation, judges_all, settings.limits.message_bytes),
        house,
        settings=sha256(deciding.encode()).hexdigest(),
    )


@contextmanager
def _state_file(wanted: Path | None) -> Iterator[Path]:
    """Give the file in which the state is kept: the one that was named, or one that is gone afterwards."""
    if wanted is not None:
        yield wanted.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="bcc-relay-backtest-") as folder:
        yield Path(folder) / "state"


def _refuse_unwritable(file: Path) -> None:
    """Raise CommandError now rather than after an hour."""
    place = file if file.exists() else file.absolute().parent
    if file.is_dir() or not os.access(place, os.W_OK):
        raise CommandError(Exit.USAGE, f"{file} cannot be written; name another file with --report")


def _page(settings: Settings, totals: Totals, *, addresses: bool) -> str:
    from bcc_relay.backtest.report import About, report

    name = settings.organisation.name or ", ".join(settings.organisation.domains)
    return report(totals, About(name, datetime.now(UTC), addresses))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"{file} cannot be written ({error.strerror}); name another file with --report"
        raise CommandError(Exit.UNAVAILABLE, what) from error


def _nothing(totals: Totals) -> str:
    files = [f"{file} {why}" for file, why in totals.failed_files[:1]]
    more = f", and {totals.failed - 1} more" if totals.failed > 1 else ""
    return f"No mail was found there ({'; '.join(files)}{more})" if files else "No mail was found there"


def document(totals: Totals) -> dict[str, object]:
    """Return what `backtest --json` prints."""
    from bcc_relay.backtest.totals import document

    return document(totals)


def print_totals(totals: Totals, report: Path | None) -> None:
    """Tell it to a person."""
    when = f", from {totals.first:%Y-%m-%d} to {totals.last:%Y-%m-%d}" if totals.first else ""
    print(f"{count(totals.messages, 'outgoing message')} judged{when}, in {totals.seconds:.0f} s")
    if totals.messages:
        _print_verdicts(totals)
    for line in _left_out(totals):
        print(line)
    if report is not None:
        print(f"The report is {report}.")
    elif totals.stopped:
        print("To see each message stopped, and why, add --report FILE.html.")
    for file, why in totals.failed_files[:SHOWN_FILES]:
        complain(f"{file} {why}")
    if totals.failed > SHOWN_FILES:
        complain(f"and {totals.failed - SHOWN_FILES} more; --json lists them")


def _print_verdicts(totals: Totals) -> None:
    print_table(("Verdict", "Messages"), list(totals.verdicts.items()), nothing="")
    if totals.stopped:
        print(f"Stopped: {totals.stopped}, that is 1 in {round(totals.messages / totals.stopped)}.")
        print(f"Outsiders kept from being shown to others: {totals.protected_addresses}.")
    print(f"Outsiders whom messages that passed show to another outsider: {totals.disclosed_addresses}.\n")
    if totals.rules:
        print_table(("Decided by the rule", "Messages"), list(totals.rules.items()), nothing="")
    if totals.departments:
        shown = totals.departments[:SHOWN_DEPARTMENTS]
        rows = [(one.address, one.rewrite, one.hold, one.reject, one.messages) for one in shown]
        print_table(("Department", "Rewritten", "Held", "Refused", "Messages"), rows, nothing="")
        if len(totals.departments) > len(shown):
            print(f"and {len(totals.departments) - len(shown)} more departments\n")


def _left_out(totals: Totals) -> Iterator[str]:
    if totals.unreadable:
        yield f"{count(totals.unreadable, 'message')} with a part that could not be looked into."
    left_out = (
        (totals.incoming, "message", "by others than your own people"),
        (totals.duplicates, "message", "found a second time"),
        (totals.drafts, "draft", "never sent"),
        (totals.failed, "file", "not read, or without mail"),
    )
    for number, noun, why in left_out:
        if number:
            yield f"Left out: {count(number, noun)} {why}."
