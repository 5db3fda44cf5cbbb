"""Text that somebody wrote with backslashes, as Markdown, JSON, scripts and style sheets do: as a reader sees it."""

from __future__ import annotations

import re

# "@" by its number, as scripts (\x40, \u0040) and style sheets (\40) write it.
ESCAPED_SIGN = r"\\(?:u00|x|0{0,4})40"
_ESCAPE = re.compile(
    r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|0{0,4}(2[dDeE]|40|5[fF])(?![0-9a-fA-F]) ?|[nrtvf]|([!-/:-@\[-`{-~]))"
)
_PASSES = 2
"""What was escaped twice stands in a text within a text."""


def unescaped(text: str) -> str:
    """Return `text` with its escapes undone; line ends and tabulators become line ends."""
    for _ in range(_PASSES):
        if "\\" not in text:
            break
        text = _ESCAPE.sub(_meant, text)
    return text


def _meant(match: re.Match[str]) -> str:
    number = match[1] or match[2] or match[3]
    if number:
        code = int(number, 16)
        return chr(code) if not 0xD800 <= code < 0xE000 else "\ufffd"
    return match[4] or "\n"
