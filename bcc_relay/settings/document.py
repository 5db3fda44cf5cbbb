"""Configuration files as values that know their place: YAML read with line numbers, and files merged in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Scalar: TypeAlias = "str | int | float | bool | None"
Path: TypeAlias = "tuple[str | int, ...]"

MAX_VALUES = 200_000
"""Most values in one file: an alias that repeats itself must not fill the memory."""

MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written: a file with its line, or the name of an environment variable."""

    source: str
    line: int | None = None

    def __str__(self) -> str:
        return self.source if self.line is None else f"{self.source}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Value:
    """A value with its place; maps and lists hold values again."""

    content: Scalar | dict[str, Value] | list[Value]
    place: Place

    def plain(self) -> Any:
        """Return the value without places; keys without a value (null) are left out of maps, so defaults apply."""
        match self.content:
            case dict() as entries:
                return {key: entry.plain() for key, entry in entries.items() if entry.content is not None}
            case list() as entries:
                return [entry.plain() for entry in entries]
            case scalar:
                return scalar

    def find(self, path: Sequence[str | int]) -> Value:
        """Return the value at `path`, or the innermost one on the way there."""
        here = self
        for step in path:
            inner: Value | None = None
            if isinstance(here.content, dict):
                inner = here.content.get(str(step))
            elif isinstance(here.content, list) and isinstance(step, int) and step < len(here.content):
                inner = here.content[step]
            if inner is None:
                return here
            here = inner
        return here

    def holds(self, path: Sequence[str]) -> bool:
        """Whether a value other than null was written at `path`."""
        here: Value | None = self
        for step in path:
            if here is None or not isinstance(here.content, dict):
                return False
            here = here.content.get(step)
        return here is not None and here.content is not None


def merged(lower: Value, upper: Value) -> Value:
    """Lay `upper` over `lower`: maps merge deeply, lists and single values replace."""
    if not isinstance(lower.content, dict) or not isinstance(upper.content, dict):
        return upper
    entries = dict(lower.content)
    for key, value in upper.content.items():
        entries[key] = merged(entries[key], value) if key in entries else value
    return Value(entries, lower.place)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with a file as such; `what` names the remedy too."""

    place: Place
    what: str
    path: Path = ()


class _Loader(yaml.SafeLoader):
    """YAML 1.1 without its surprises: no sexagesimal numbers (10:30), no octal, no timestamps."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 PyYAML's own way


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(?:yes|no|true|false|on|off)\Z", re.IGNORECASE), list("yYnNtTfFoO")
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?\d[\d_]*\Z", re.ASCII), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][-+]?\d+)?\Z", re.ASCII),
    list("-+0123456789."),
)
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])


_TAG = "tag:yaml.org,2002:"
_BOOLS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}
_SCALARS: dict[str, Callable[[str], Scalar]] = {
    "str": str,
    "null": lambda _: None,
    "bool": lambda text: _BOOLS[text.lower()],
    "int": int,
    "float": float,
}


def read_yaml(text: str, source: str, *, numbered: bool = True) -> tuple[Value, list[Flaw]]:
    """Read one YAML document. Lines are counted from 1; without `numbered` the place is `source` alone.

    An empty document is an empty map. Never raises: what is wrong comes back as flaws, with what could be read.
    """
    nothing = Value({}, Place(source))
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if numbered and mark else None
        what = f"is not valid YAML ({error.problem or error.context}); mend the punctuation or indentation there"
        return nothing, [Flaw(Place(source, line), what)]
    except yaml.reader.ReaderError as error:
        what = f"holds a character that YAML does not allow ({error.reason}); remove it"
        return nothing, [Flaw(Place(source), what)]
    except RecursionError:
        return nothing, [Flaw(Place(source), "is nested too deeply; write it flatter")]
    if node is None:
        return nothing, []
    builder = _Builder(source, numbered=numbered)
    try:
        value = builder.value(node, ())
    except _EndlessError as error:
        return nothing, [Flaw(error.place, "grows without end or is nested too deeply; write it without *aliases")]
    return (nothing if value.content is None else value), builder.flaws


class _EndlessError(Exception):
    def __init__(self, place: Place) -> None:
        self.place = place
        super().__init__(str(place))


class _Builder:
    """Turns nodes into values and collects flaws."""

    def __init__(self, source: str, *, numbered: bool) -> None:
        self.flaws: list[Flaw] = []
        self._source = source
        self._numbered = numbered
        self._count = 0

    def value(self, node: yaml.Node, path: Path) -> Value:
        place = self._place(node)
        self._count += 1
        if len(path) > MAX_DEPTH or self._count > MAX_VALUES:
            raise _EndlessError(place)
        if isinstance(node, yaml.MappingNode):
            return Value(self._entries(node, path), place)
        if isinstance(node, yaml.SequenceNode):
            return Value([self.value(item, (*path, at)) for at, item in enumerate(node.value)], place)
        return Value(self._scalar(node.tag.removeprefix(_TAG), str(node.value), place, path), place)

    def _entries(self, node: yaml.MappingNode, path: Path) -> dict[str, Value]:
        entries: dict[str, Value] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.flaws.append(Flaw(self._place(key_node), "has a list or map as a key; write a plain word", path))
                continue
            key = key_node.value
            if key in entries:
                first = entries[key].place
                where = f"first in line {first.line}" if first.line else "more than once"
                what = f"stands twice ({where}); keep one of the two"
                self.flaws.append(Flaw(self._place(key_node), what, (*path, key)))
            entries[key] = self._keyed(key_node, self.value(value_node, (*path, key)))
        return entries

    def _keyed(self, key_node: yaml.Node, value: Value) -> Value:
        """A value's place is the line of its key: that is what an administrator looks for."""
        return Value(value.content, self._place(key_node))

    def _scalar(self, kind: str, text: str, place: Place, path: Path) -> Scalar:
        reading = _SCALARS.get(kind)
        if reading is None:
            self.flaws.append(Flaw(place, f"has the tag {kind!r}; write it without a tag", path))
            return None
        try:
            return reading(text)
        except (ValueError, KeyError):
            self.flaws.append(Flaw(place, "is not what its tag or form says; write it in quotes", path))
            return None

    def _place(self, node: yaml.Node) -> Place:
        return Place(self._source, node.start_mark.line + 1 if self._numbered else None)
