"""Loads the settings: files, then credentials, then the environment, checked as a whole; every complaint at once.

pydantic checks the tree. The merging is done here and not by pydantic-settings, because a complaint names the line of
the file, and because all sources are read before the first complaint is raised.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError

from bcc_relay.core.errors import ConfigurationError
from bcc_relay.settings import checks, not_built
from bcc_relay.settings.complaints import Complaint, complain, complaints_of
from bcc_relay.settings.document import Flaw, Place, Value, merged, read_yaml
from bcc_relay.settings.environment import CONFIG_VARIABLE, from_credentials, from_environment
from bcc_relay.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bcc_relay.settings.not_built import NotBuilt

DEFAULT_PATH = Path("/etc/bcc-relay/config.yaml")

MAX_FILE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings in force, the files they came from in the order of reading, and what was set but is not built."""

    settings: Settings
    files: tuple[Path, ...]
    not_built: tuple[NotBuilt, ...]

    def refuse_unsafe(self) -> None:
        """Raise ConfigurationError when safety hangs on a part that is not built yet."""
        unsafe = [f"{found}" for found in self.not_built if found.unsafe]
        if unsafe:
            raise ConfigurationError(*unsafe)


def load(path: Path | None, environ: Mapping[str, str], *, check_files: bool = True) -> Loaded:
    """Read the settings from `path`, else `$BCC_RELAY_CONFIG`, else /etc/bcc-relay/config.yaml, with conf.d beside it.

    `environ` is the whole environment. With `check_files` the certificates, keys and password files that are named must
    be readable, and the upstream's password is read; without it they are not looked at.
    Raises ConfigurationError with every complaint found.
    """
    main = path or Path(environ.get(CONFIG_VARIABLE) or DEFAULT_PATH)
    is_named = path is not None or bool(environ.get(CONFIG_VARIABLE))
    outside, flaws = from_environment(environ)
    read: list[Path] = []
    tree = Value({}, Place(str(main)))
    if not is_named and outside.content and _is_missing(main):
        tree = Value({}, Place("environment"))
    else:
        tree, wrong = _read(main)
        flaws += wrong
        beside, unlisted = _beside(main)
        # Where the file itself cannot be read, its folder mostly cannot either: one complaint is enough.
        flaws += unlisted if not wrong else []
        for file in beside:
            value, wrong = _read(file)
            tree = merged(tree, value)
            flaws += wrong
        read += [main, *beside]
    tree = merged(merged(tree, from_credentials(environ)), outside)
    settings = _checked(tree, flaws, main.absolute().parent, check_files=check_files)
    return Loaded(settings, tuple(read), not_built.find(settings, tree))


def _is_missing(file: Path) -> bool:
    """Whether there is no such file; one that may not be looked at is there."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _beside(main: Path) -> tuple[list[Path], list[Flaw]]:
    """Return the files of conf.d beside `main`, in the order of their names; hidden ones are left out."""
    folder = main.parent / "conf.d"
    try:
        found = [file for file in folder.iterdir() if file.suffix == ".yaml" and not file.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except OSError as error:
        return [], [Flaw(Place(str(folder)), _cannot_be_read(error))]
    return sorted(found), []


def _read(file: Path) -> tuple[Value, list[Flaw]]:
    nothing = Value({}, Place(str(file)))
    try:
        with file.open("rb") as opened:
            octets = opened.read(MAX_FILE_BYTES + 1)
        text = octets.decode("utf-8-sig")
    except FileNotFoundError:
        return nothing, [Flaw(nothing.place, "does not exist; create it, or name another with --config")]
    except OSError as error:
        return nothing, [Flaw(nothing.place, _cannot_be_read(error))]
    except ValueError:
        return nothing, [Flaw(nothing.place, "is not UTF-8 text; save it as UTF-8")]
    if len(octets) > MAX_FILE_BYTES:
        return nothing, [Flaw(nothing.place, "is larger than 8 MiB; is it the right file?")]
    value, flaws = read_yaml(text, str(file))
    if not isinstance(value.content, dict):
        what = "is not a map of settings; begin with lines such as organisation: {domains: [council.example]}"
        return nothing, [*flaws, Flaw(value.place, what)]
    return value, flaws


def _cannot_be_read(error: OSError) -> str:
    remedy = "give the command with sudo, or correct its rights"
    if not isinstance(error, PermissionError):
        remedy = "correct its path or rights"
    return f"cannot be read ({error.strerror}); {remedy}"


def _checked(tree: Value, flaws: Sequence[Flaw], folder: Path, *, check_files: bool) -> Settings:
    """Return the settings in `tree`, or raise with every complaint."""
    found = [Complaint(flaw.place, flaw.path, flaw.what) for flaw in flaws]
    settings: Settings | None = None
    try:
        # An empty section rather than none, so that its default path is resolved against the folder too.
        plain = {"auth": {}, **tree.plain()}
        settings = Settings.model_validate(plain, context={"folder": folder})
    except ValidationError as error:
        found += complaints_of(error, tree)
    if not any(not flaw.path for flaw in flaws):
        # Where a file could not be read at all, "required" would be a wrong track.
        found += checks.required(tree)
    if settings is not None:
        found += checks.across(settings, tree)
        if check_files:
            found += checks.files(settings, tree)
    if not found and settings is not None and check_files:
        settings = _with_password(settings, tree, found)
    if found or settings is None:
        raise ConfigurationError(*_in_order(found))
    return settings


def _in_order(found: Sequence[Complaint]) -> list[str]:
    """Return the complaints as sentences, each once: source by source, from the top of a file to its end."""
    sources = list(dict.fromkeys(complaint.place.source for complaint in found))
    in_order = sorted(found, key=lambda complaint: (sources.index(complaint.place.source), complaint.place.line or 0))
    return list(dict.fromkeys(str(complaint) for complaint in in_order))


def _with_password(settings: Settings, tree: Value, found: list[Complaint]) -> Settings:
    """Return the settings with the upstream's password read from its file."""
    file = settings.upstream.password_file
    if file is None or settings.upstream.password.get_secret_value():
        return settings
    try:
        password = file.read_text("utf-8").split("\n", 1)[0].rstrip("\r")
    except (OSError, ValueError):
        password = ""
    if not password:
        found.append(complain(tree, ("upstream", "password_file"), "holds no text; put the password on its first line"))
    upstream = settings.upstream.model_copy(update={"password": SecretStr(password)})
    return settings.model_copy(update={"upstream": upstream})
