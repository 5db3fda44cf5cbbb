"""The page that a data protection officer reads: one HTML file that needs no server, no network and no JavaScript."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from bcc_relay.backtest.deciding import COULD_NOT_DECIDE

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bcc_relay.backtest.totals import Totals
    from bcc_relay.backtest.what_if import Trial, Tried

_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"]+@[^\s<>()\[\],;:\"]+")
_WORDS = {"pass": "passed", "rewrite": "rewritten", "hold": "held", "reject": "refused"}
RULES = {
    "damaged": "It is damaged in a way that could hide addresses from the relay, and goes to several outsiders.",
    "unreadable": "A part could not be looked into, for example because it is encrypted, and many outsiders get it.",
    "correction": "It goes to the people of a message that was stopped shortly before, as an apology often does.",
    "known-thread": "It passes: all its people could see each other in the same conversation before.",
    "beyond-rewriting": "A list stands where Bcc does not hide it: in the text, a quotation, an invitation, a file.",
    "families": "Many outsiders would see each other's addresses, most of them private people.",
    "usual-bcc": "Many outsiders would see each other whom this sender usually writes to by Bcc.",
    "large-circle": "Very many outsiders in several organisations would see each other's addresses.",
    "in-pieces": "Several messages sent shortly after each other add up to a large circle.",
    COULD_NOT_DECIDE: "The relay could not decide, so it holds.",
}
"""What each rule means, for people."""
_OWN_RULE = "A rule of your own."
_TRIALS = {
    ("families", "visible_outsiders"): (
        "Families",
        "From how many visible outsiders on is a message rewritten when half or more of them are private people?",
    ),
    ("large-circle", "visible_outsiders"): (
        "Large circles",
        "From how many visible outsiders in several organisations on is a message held?",
    ),
    ("beyond-rewriting", "own_recipients"): (
        "Lists that Bcc does not hide",
        "From how many recipients on, half or more of them private, is a message held that shows them there?",
    ),
    ("beyond-rewriting", "outsiders"): (
        "The same, whoever they are",
        "From how many outsiders on, recipients or not, is a message held that shows them in one file or quotation?",
    ),
    ("beyond-rewriting", "body"): (
        "The same, in the text",
        "From how many outsiders on, recipients or not, is a message held that shows them in its text?",
    ),
}


@dataclass(frozen=True, slots=True)
class About:
    """What the page says besides the totals."""

    organisation: str
    """Name, else the own domains."""
    made_at: datetime
    shows_addresses: bool = False
    """Recipients' addresses may stand in the page."""


def report(totals: Totals, about: About) -> str:
    """Return the page. No address of a recipient stands in it unless `about` says so; subjects and senders do."""
    from jinja2 import Environment, StrictUndefined

    folder = files("bcc_relay.backtest") / "templates"
    texts = {name: (folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.css", "report.js")}
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=_number, day=_day, minute=_minute, plain=_without_addresses)
    environment.globals.update(
        words=_WORDS, rule_said=_rule_said, trial_said=_trial_said, one_in=_one_in, share=_share, steps=_steps
    )
    return environment.from_string(texts["report.html"]).render(
        totals=totals,
        about=about,
        css=texts["report.css"],
        js=texts["report.js"],
        css_hash=_hash(texts["report.css"]),
        js_hash=_hash(texts["report.js"]),
    )


def _hash(text: str) -> str:
    """Return what a Content-Security-Policy calls this text (CSP 3, 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _number(count: int) -> str:
    return f"{count:,}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _without_addresses(text: str) -> str:
    return _ADDRESS.sub("[address]", text)


def _rule_said(name: str) -> str:
    return RULES.get(name, _OWN_RULE)


def _trial_said(trial: Trial) -> tuple[str, str]:
    return _TRIALS[trial.rule, trial.key]


def _one_in(stopped: int, messages: int) -> str:
    """Say how rare something is: `1 in 214`."""
    return f"1 in {round(messages / stopped):,}" if stopped else "none"


def _share(part: int, whole: int, most: int = 100) -> float:
    return round(most * part / whole, 2) if whole else 0.0


def _steps(trial: Trial) -> Iterable[tuple[int, Tried]]:
    return enumerate(trial.tried)
