from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bcc_relay.core.dates import format_date


def test_a_date_is_written_as_rfc_5322_wants_it():
    assert format_date(datetime(2026, 11, 2, 9, 5, 7, tzinfo=UTC)) == b"Mon, 2 Nov 2026 09:05:07 +0000"


def test_an_offset_west_of_greenwich_is_negative_with_its_minutes():
    west = timezone(timedelta(hours=-3, minutes=-30))
    assert format_date(datetime(2026, 2, 28, 23, 59, tzinfo=west)) == b"Sat, 28 Feb 2026 23:59:00 -0330"


def test_a_time_without_an_offset_is_refused():
    with pytest.raises(ValueError, match="offset"):
        format_date(datetime(2026, 11, 2))  # noqa: DTZ001


EARLIEST = datetime(1900, 1, 1)  # noqa: DTZ001
OFFSETS = st.integers(-840, 840).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=EARLIEST, timezones=OFFSETS))
def test_every_date_reads_back_as_the_same_second(moment):
    assert parsedate_to_datetime(format_date(moment).decode()) == moment.replace(microsecond=0)
