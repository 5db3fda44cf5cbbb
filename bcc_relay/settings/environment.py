"""Settings from outside the files: `BCC_RELAY_SECTION__KEY` variables, and the credentials that systemd hands over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_origin

from bcc_relay.settings import keys
from bcc_relay.settings.document import Flaw, Place, Value, read_yaml
from bcc_relay.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "BCC_RELAY_"
CONFIG_VARIABLE = "BCC_RELAY_CONFIG"

CREDENTIALS = {
    "secret-key": ("secret_file",),
    "upstream-password": ("upstream", "password_file"),
    "tls-certificate": ("tls", "certificate"),
    "tls-private-key": ("tls", "private_key"),
    "quarantine-key": ("quarantine", "key_file"),
}
"""Names for systemd's LoadCredential= and the key that each sets."""

# What Kubernetes sets in every pod for a service that is called bcc-relay or bcc-relay-something.
_SERVICE_LINK = re.compile(r"(^|_)SERVICE_(HOST|PORT(_\w+)?)$|(^|_)PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")


def from_environment(environ: Mapping[str, str]) -> tuple[Value, list[Flaw]]:
    """Return what the environment sets, each value with its variable's name for a place.

    The value of a key that takes a list or a map is read as YAML (so JSON will do); any other is taken as it stands.
    """
    top = Value({}, Place("environment"))
    flaws: list[Flaw] = []
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        if variable in {name, CONFIG_VARIABLE} or ("__" not in name and _SERVICE_LINK.search(name)):
            continue
        place = Place(f"environment variable {variable}")
        segments = name.split("__")
        path, annotation = _path_of(segments)
        if annotation is None:
            flaws.append(Flaw(place, _unknown(path, segments), path))
        elif keys.is_composite(annotation):
            value, wrong = read_yaml(environ[variable], str(place), numbered=False)
            flaws += (Flaw(flaw.place, flaw.what, (*path, *flaw.path)) for flaw in wrong)
            if not wrong:
                _put(top, path, value)
        else:
            _put(top, path, Value(environ[variable], place))
    return top, flaws


def _path_of(segments: list[str]) -> tuple[tuple[str, ...], Any]:
    """Return the key that a variable's segments name, and its type hint: None, and the path so far, without one."""
    path: list[str] = []
    annotation: Any = Settings
    for segment in segments:
        model = keys.model_in(annotation)
        known = {key.replace("-", "_").upper(): key for key in keys.keys_of(model)} if model else {}
        step = known.get(segment.replace("-", "_").upper(), segment.lower())
        # A list's members have no names: only the whole list can be set.
        annotation = None if _is_list(annotation) else keys.step_into(annotation, step)
        path.append(step)
        if annotation is None:
            break
    return tuple(path), annotation


def _is_list(annotation: Any) -> bool:
    return any(get_origin(arm) is tuple for arm in keys.arms(annotation))


def _unknown(path: tuple[str, ...], segments: list[str]) -> str:
    near = keys.near_miss(path)
    if near is None:
        return "is not a known key; see `bcc-relay config schema`, or unset the variable"
    whole = near if "." in near else ".".join((*path[:-1], near))
    meant = [*whole.replace("-", "_").upper().split("."), *segments[len(path) :]]
    return f"is not a known key; did you mean {PREFIX}{'__'.join(meant)}?"


def _put(top: Value, path: tuple[str, ...], value: Value) -> None:
    """Set `value` at `path`; variables come sorted, so a part comes before the keys below it."""
    here = top
    for step in path[:-1]:
        assert isinstance(here.content, dict)
        inner = here.content.get(step)
        if inner is None or not isinstance(inner.content, dict):
            inner = here.content[step] = Value({}, value.place)
        here = inner
    assert isinstance(here.content, dict)
    here.content[path[-1]] = value


def from_credentials(environ: Mapping[str, str]) -> Value:
    """Return the keys for which systemd handed over a credential (systemd.exec(5), LoadCredential=)."""
    top = Value({}, Place("systemd credentials"))
    folder = environ.get("CREDENTIALS_DIRECTORY")
    for name, path in CREDENTIALS.items() if folder else ():
        file = Path(folder or "") / name
        if file.is_file():
            _put(top, path, Value(str(file), Place(f"systemd credential {name}")))
    return top
