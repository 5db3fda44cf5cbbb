"""Spreadsheets in Excel's binary forms (.xls, .xlsb), by calamine: every cell of every sheet, hidden ones too."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from bcc_relay.core.damage import Closed

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CELLS = 4_000_000


def cells(octets: bytes) -> tuple[str, frozenset[Closed]]:
    """Return the text of all cells, one a line, and why not all of them could be read."""
    found: list[str] = []
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(octets)) as book:
            for name in book.sheet_names:
                found.append(name)
                found.extend(_texts(book, name))
    except PasswordError:
        return "\n".join(found), frozenset({Closed.ENCRYPTED})
    except (CalamineError, OSError, ValueError):
        return "\n".join(found), frozenset({Closed.BROKEN})
    except OverflowError:
        return "\n".join(found), frozenset({Closed.OVER_BUDGET})
    except BaseException as error:
        # A panic of the library's Rust is no Exception, and has no public name to catch it by.
        if type(error).__name__ != "PanicException":
            raise
        return "\n".join(found), frozenset({Closed.BROKEN})
    return "\n".join(found), frozenset()


def _texts(book: CalamineWorkbook, name: str) -> Iterator[str]:
    left = _MOST_CELLS
    for row in book.get_sheet_by_name(name).iter_rows():
        left -= len(row)
        if left < 0:
            raise OverflowError("too many cells")
        yield from (cell for cell in row if isinstance(cell, str) and cell)
