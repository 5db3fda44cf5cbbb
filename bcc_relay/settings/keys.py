"""The names of the tree's keys: which keys a part has, what a mistyped one was meant to be, what each is for."""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import textwrap
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import BaseModel

from bcc_relay.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic.fields import FieldInfo


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of `model` by the names that stand in files."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def arms(annotation: Any) -> Iterator[Any]:
    """Yield the plain kinds that a type hint allows, unions taken apart."""
    origin = get_origin(annotation)
    if origin is None or origin in {tuple, dict, Literal}:
        yield annotation
    elif hasattr(annotation, "__metadata__"):
        yield from arms(get_args(annotation)[0])
    elif origin.__module__ in {"types", "typing"}:
        for arm in get_args(annotation):
            yield from arms(arm)


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model among the kinds that `annotation` allows."""
    for arm in arms(annotation):
        if isinstance(arm, type) and issubclass(arm, BaseModel):
            return arm
    return None


def is_composite(annotation: Any) -> bool:
    """Whether a map or a list may stand there."""
    return any(get_origin(arm) in {tuple, dict} for arm in arms(annotation)) or model_in(annotation) is not None


def step_into(annotation: Any, step: str | int) -> Any:
    """Return the type hint one step further inwards, or None when there is nothing of that name."""
    for arm in arms(annotation):
        origin, inner = get_origin(arm), get_args(arm)
        if (origin is tuple and isinstance(step, int)) or origin is dict:
            return inner[0] if origin is tuple else inner[1]
    model = model_in(annotation)
    field = keys_of(model).get(str(step)) if model else None
    return field.annotation if field else None


def model_at(path: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model of the part of the tree at `path`."""
    annotation: Any = Settings
    for step in path:
        annotation = step_into(annotation, step)
    return model_in(annotation)


def near_miss(path: Sequence[str | int]) -> str | None:
    """Return the key that the unknown key at `path` was most likely meant to be, else None."""
    *parent, last = path
    model = model_at(parent)
    word = str(last)
    elsewhere = [key for key, _ in every_key() if key.rpartition(".")[2] == word and "[]" not in key]
    if len(elsewhere) == 1:
        return elsewhere[0]
    known = list(keys_of(model)) if model else []
    close = difflib.get_close_matches(word.lower().replace(" ", "_"), known, n=1, cutoff=0.6)
    return close[0] if close else None


@functools.cache
def every_key() -> tuple[tuple[str, FieldInfo], ...]:
    """Return all keys, such as `delivery.retry` or `listeners[].bind`, with their fields, in the order of the tree."""
    return tuple(_walk(Settings, ""))


def _walk(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for key, field in keys_of(model).items():
        yield f"{prefix}{key}", field
        in_list = any(get_origin(arm) is tuple for arm in arms(field.annotation))
        inner = model_in(step_into(field.annotation, 0)) if in_list else model_in(field.annotation)
        if inner is not None:
            yield from _walk(inner, f"{prefix}{key}{'[]' if in_list else ''}.")


@functools.cache
def purposes(model: type[BaseModel]) -> dict[str, str]:
    """Return what each key of `model` is for: the docstring under its field.

    Read from the source only when asked for, because reading it at import slows down every command.
    """
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    names = {name: field.alias or name for name, field in model.model_fields.items()}
    found: dict[str, str] = {}
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            found[names[statement.target.id]] = inspect.cleandoc(str(following.value.value))
    return found


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration file, with what each key is for."""
    schema = Settings.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "bcc-relay configuration"
    models = {model.__name__: model for model in _models(Settings, set())}
    for name, part in {**schema.get("$defs", {}), Settings.__name__: schema}.items():
        if name in models:
            for key, text in purposes(models[name]).items():
                part["properties"][key]["description"] = text
    for switch in schema["$defs"]["Builtin"]["properties"].values():
        switch["anyOf"] = [*(arm for arm in switch["anyOf"] if "$ref" in arm), {"enum": [False, "off"]}]
    return schema


def _models(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[type[BaseModel]]:
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        inner = model_in(field.annotation) or model_in(step_into(field.annotation, 0))
        if inner is not None:
            yield from _models(inner, seen)
