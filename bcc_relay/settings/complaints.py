"""What is wrong with settings, in sentences for an administrator: where, which key, what, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from bcc_relay.settings import keys
from bcc_relay.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError

    from bcc_relay.settings.document import Place, Value

MAX_SHOWN_CHARS = 60

_SHAPES = {
    "string_type": "is not text; write it in quotes",
    "string_unicode": "holds characters that are no text; write it anew",
    "too_long": "is longer than {max_length} characters; shorten it",
    "string_pattern_mismatch": "is not a name for a rule; write 1 to 40 of a-z, 0-9 and the hyphen",
    "int_type": "is not a whole number; write digits",
    "int_parsing": "is not a whole number; write digits",
    "int_parsing_size": "is too large a number; write a smaller one",
    "int_from_float": "is not a whole number; write it without decimals",
    "float_type": "is not a number; write it such as 0.5",
    "float_parsing": "is not a number; write it such as 0.5",
    "finite_number": "is not a finite number; write it such as 0.5",
    "greater_than_equal": "is too small; write at least {ge}",
    "less_than_equal": "is too large; write at most {le}",
    "bool_type": "is neither true nor false; write one of the two",
    "bool_parsing": "is neither true nor false; write one of the two",
    "tuple_type": "is not a list; write it in square brackets: [first, second]",
    "too_short": "is an empty list; write at least one",
    "dict_type": "is not a map; write key: value pairs below it",
    "model_type": "is not a map; write key: value pairs below it",
    "model_attributes_type": "is not a map; write key: value pairs below it",
    "value_error": "{error}",
}
"""What is wrong, and what to write instead, by pydantic's name for it; braces are filled from pydantic's context."""

_EXAMPLES = {
    "name": "name: a-short-name",
    "when": "when: {} to match every message, or conditions",
    "then": "then: pass, rewrite, hold or reject",
    "bind": 'bind: "127.0.0.1:2525"',
    "at_least": "at_least: 30",
    "within": "within: 10m",
}
"""What to write for a required key that is missing."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing to mend."""

    place: Place
    path: tuple[str | int, ...]
    what: str
    rule: str = ""
    """Name of the organisation's own rule that it is about."""

    given: str = ""
    """The value that is wrong, as it may be shown."""

    def __str__(self) -> str:
        subject = shown_path(self.path)
        if self.given:
            subject += f" ({self.given})"
        if self.rule:
            subject += f" in rule {self.rule}"
        return f"{self.place}: {subject} {self.what}" if subject else f"{self.place}: {self.what}"


def complain(tree: Value, path: Sequence[str | int], what: str, given: str = "") -> Complaint:
    """Make a complaint about the key at `path`, with its place and, inside a rule, the rule's name."""
    rule = tree.find((*path[:3], "name")).content if tuple(path[:2]) == ("policy", "rules") and len(path) > 2 else None
    named = rule if isinstance(rule, str) and rule.isprintable() else ""
    return Complaint(tree.find(path).place, tuple(path), what, named, given)


def shown_path(path: Sequence[str | int]) -> str:
    """Write a key's path: `policy.rules[2].when.subject` counts list members from 1, as people do."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step + 1}]"
        else:
            word = step if step and step.isprintable() and " " not in step else repr(step)
            text += f".{word}" if text else word
    return text


def shown_value(value: object) -> str:
    """Quote a value from a file, on one line and cut short."""
    text = repr(value) if isinstance(value, str) else str(value)
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= MAX_SHOWN_CHARS else f"{text[: MAX_SHOWN_CHARS - 3]}..."


def complaints_of(error: ValidationError, tree: Value) -> list[Complaint]:
    """Turn what pydantic found into complaints, with the place of each in `tree`."""
    found: list[Complaint] = []
    problems = error.errors(include_url=False)
    for problem in problems:
        path = _tree_path(problem["loc"], tree)
        if problem["type"] == "too_short" and tree.find(path).content:
            # Only because its members are wrong, which is said of each.
            continue
        found.append(complain(tree, path, _what(problem, path), _given(problem, path)))
    return found


def _tree_path(loc: tuple[str | int, ...], tree: Value) -> tuple[str | int, ...]:
    """Drop the steps that pydantic adds for its own kinds (such as `[key]`) from a location."""
    path: list[str | int] = []
    for step in loc:
        here = tree.find(path)
        if isinstance(step, int):
            is_real = isinstance(here.content, list)
        else:
            is_real = isinstance(here.content, dict) and (step in here.content or keys.model_at(path) is not None)
        if is_real:
            path.append(step)
    return tuple(path)


def _what(problem: Any, path: tuple[str | int, ...]) -> str:
    """Say what is wrong and what to write."""
    kind = problem["type"]
    model = keys.model_at(path)
    if kind == "extra_forbidden":
        what = _unknown_key(path)
    elif kind == "missing":
        what = f"is missing; add {_EXAMPLES.get(str(path[-1]), str(path[-1]))}"
    elif kind in {"literal_error", "enum"}:
        what = f"is not known here; write one of {_allowed(path)}"
    elif kind.startswith("model") and model and "at_most" in keys.keys_of(model):
        what = "is not a range; write {at_least: …}, {at_most: …} or both"
    elif kind in _SHAPES:
        what = _SHAPES[kind].format(**problem.get("ctx", {}))
    else:
        what = f"is not right ({problem['msg']}); see `bcc-relay config schema`"
    return what


def _given(problem: Any, path: tuple[str | int, ...]) -> str:
    """Show the value, unless it is a secret, absent, or too much to show."""
    value = problem["input"]
    if problem["type"] in {"extra_forbidden", "missing"} or {"password", "oauth"} & set(path):
        return ""
    if isinstance(value, str) and "://" in value and "@" in value:
        # The address of a database may hold a password.
        return ""
    return shown_value(value) if isinstance(value, str | int | float) else ""


def _unknown_key(path: tuple[str | int, ...]) -> str:
    near = keys.near_miss(path)
    if near is not None:
        return f"is not a known key; did you mean {near}?"
    model = keys.model_at(path[:-1])
    known = ", ".join(keys.keys_of(model)) if model else ""
    return f"is not a known key; write one of {known}" if known else "takes no keys here; remove it"


def _allowed(path: tuple[str | int, ...]) -> str:
    annotation: Any = Settings
    for step in path:
        annotation = keys.step_into(annotation, step)
    words: list[str] = []
    for arm in keys.arms(annotation):
        if isinstance(arm, type) and hasattr(arm, "__members__"):
            words += [str(member.value) for member in arm]  # type: ignore[attr-defined]
        else:
            words += [str(word) for word in get_args(arm)]
    return ", ".join(words)
