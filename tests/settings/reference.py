"""Writes the tables of docs/settings.md from the settings tree: `python -m tests.settings.reference`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bcc_relay.settings.keys import arms, keys_of, model_in, purposes, step_into
from bcc_relay.settings.model import Listener, Settings
from bcc_relay.settings.values import parse_host_port

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN, END = "<!-- keys: begin -->\n", "<!-- keys: end -->\n"

UNWRITTEN = {
    "organisation.domains": "required",
    "upstream.servers": "required",
    "auth.file": "`users.yaml`",
    "workers": "`auto`",
    "delivery.partial_refusal": "`bounce`",
    "listeners": "one, on `127.0.0.1:2525`",
    "listeners[].bind": "required",
    "listeners[].tls": "by `bind`",
    "listeners[].auth": "by `bind`",
    "listeners[].networks": "by `auth`",
}
LEFT_OUT = {"policy.rules", "policy.builtin", "upstream.oauth"}
"""They have sections of their own, or no part yet."""


def tables() -> str:
    defaults = Settings(listeners=(Listener(bind=parse_host_port("127.0.0.1:2525")),)).written()
    text = "| key | default | |\n|---|---|---|\n"
    for key, field in keys_of(Settings).items():
        model = model_in(field.annotation)
        if model is None:
            purpose = purposes(Settings).get(key, "Ports on which mail comes in: a list, see below.")
            text += _row(key, defaults[key], purpose)
            if key == "listeners":
                entry = model_in(step_into(field.annotation, 0))
                for inner, purpose in purposes(entry).items():
                    text += _row(f"listeners[].{inner}", defaults["listeners"][0][inner], purpose)
            continue
        for inner in keys_of(model):
            name = f"{key}.{inner}"
            if name not in LEFT_OUT:
                text += _row(name, defaults[key].get(inner), purposes(model)[inner])
    return text + "\n" + _builtin(defaults["policy"]["builtin"])


def _builtin(defaults: dict[str, Any]) -> str:
    text = "| key below `policy.builtin` | default | |\n|---|---|---|\n"
    builtin = next(arm for arm in arms(step_into(keys_of(Settings)["policy"].annotation, "builtin")))
    for rule, field in keys_of(builtin).items():
        text += f"| `{rule}` | on | {purposes(builtin)[rule]} |\n"
        for threshold, purpose in purposes(model_in(field.annotation)).items():
            text += _row(f"{rule}.{threshold}", defaults[rule][threshold], purpose)
    return text


def _row(key: str, default: object, purpose: str) -> str:
    shown = UNWRITTEN.get(key) or _shown(default)
    return f"| `{key}` | {shown} | {' '.join(purpose.split()).replace('|', '&#124;')} |\n"


def _shown(default: object) -> str:
    if default in ("", None):
        return "empty"
    text = yaml.safe_dump(default, default_flow_style=True, width=1000).removesuffix("\n...\n").strip()
    return f"`{text}`"


def page_with(text: str, generated: str) -> str:
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{generated}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text("utf-8"), tables()), "utf-8")
