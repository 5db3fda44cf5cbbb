"""Times as mail and people write them. The time is always an argument; nothing here looks at a clock or a locale."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_date(moment: datetime) -> bytes:
    """Write an aware time as the value of a Date field: `Sun, 22 Nov 2026 10:00:00 +0000` (RFC 5322 3.3).

    Raises ValueError for a time without an offset.
    """
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a date in mail needs its offset from UTC")
    minutes = round(offset.total_seconds() / 60)
    sign = "-" if minutes < 0 else "+"
    hours, rest = divmod(abs(minutes), 60)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return (f"{day}, {moment.day} {month} {moment.year:04} {moment:%H:%M:%S} {sign}{hours:02}{rest:02}").encode()
