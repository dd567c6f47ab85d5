"""Times as texts: ISO 8601, declared formats, and the order of rows by them."""

import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygd.data.split import sort_by_time
from cygd.data.table import Column, Table
from cygd.data.times import fitting_formats, parse_times
from cygd.errors import DataError

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def order(texts, time_format=None):
    return sort_by_time(Table({"t": Column.from_values(texts)}, "f"), "t", time_format).tolist()


def position(text, time_format=None):
    times = parse_times([text], time_format)
    assert times.invalid is None
    return int(times.minutes[0]), int(times.rest[0])


@given(st.lists(st.datetimes(timezones=OFFSETS), min_size=1))
def test_iso_times_with_offsets_sort_like_datetimes(times):
    # a time in year 1 or 9999 may be in another year in UTC, which datetime cannot subtract
    seconds = [(t.replace(tzinfo=None) - datetime.min - t.utcoffset()) for t in times]
    expected = np.argsort(seconds, kind="stable").tolist()
    assert order([t.isoformat() for t in times]) == expected


@given(st.dates())
def test_week_and_ordinal_dates_are_the_same_days(date):
    day = position(date.isoformat())
    year, week, weekday = date.isocalendar()
    if year:
        assert position(f"{year:04}-W{week:02}-{weekday}") == day
    assert position(f"{date.year:04}-{date.timetuple().tm_yday:03}") == day


@pytest.mark.parametrize(
    "ascending",
    [
        ["2026-01-31 8:15", "2026-01-31 9:05", "2026-01-31 10:00", "2026-02-01 0:00"],
        ["2026-1-31", "2026-2-1", "2026-10-1", "2026-11-01"],
        ["2026-01-31T20:00+00:00", "2026-01-31T23:00+02:00", "2026-01-31T22:00Z", "2026-01-31T23:00-05:00"],
        # the hour after clocks are set back happens twice
        ["2026-10-25T02:30+02:00", "2026-10-25T02:59+02:00", "2026-10-25T02:30+01:00"],
        ["2026-01-31T08:00", "2026-01-31T08:00:00.000001", "2026-01-31T08:00:00.1", "2026-01-31T08:00:01"],
        ["2026-01-31T08:00:00.123456788", "2026-01-31T08:00:00.123456789", "2026-01-31T08:00:00.12345679"],
        ["2026-01-31T23:59", "2026-01-31T24:00", "2026-02-01T00:01"],
        ["2016-12-31T23:59:59.9", "2016-12-31T23:59:60", "2016-12-31T23:59:60.5", "2017-01-01T00:00:00"],
        ["2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00+00:00"],
        ["0001-01-01", "0999-12-31", "1582-10-10", "1969-12-31", "9999-12-31"],
        ["2025-W01-1", "2025-W52-7", "2026-W01-1", "2026-W53-7"],
        ["20260131T0800", "20260131T080030", "20260201T0000"],
        ["9:05", "10:00", "10:00:01", "23:59"],
        ["2026-01", "2026-02", "2026-10"],
        ["2026-01-31 08:00:00 UTC", "2026-01-31 09:00:00 UTC"],
    ],
)
def test_times_in_ascending_order(ascending):
    n = len(ascending)
    assert order(ascending) == list(range(n))
    assert order(ascending[::-1]) == list(range(n))[::-1]


def test_equal_times_keep_the_order_of_their_rows():
    assert order(["2026-02-01", "2026-01-31", "2026-02-01", "2026-01-31"]) == [1, 3, 0, 2]
    assert order(["2026-01-31T24:00", "2026-01-31T23:00", "2026-02-01T00:00"]) == [1, 0, 2]
    assert order(["2026-01-31T01:00+01:00", "2026-01-31T00:00Z"]) == [0, 1]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("2026-99-99", "no such date"),
        ("2026-02-29", "no such date"),
        ("2026-01-31T25:00", "no such date"),
        ("2026-01-31T24:01", "no such date"),
        ("2026-01-31T12:30:60", "no such date"),
        ("2026-01-31T08:61", "no such date"),
        ("2026-01-31T08:00+24:00", "no such date"),
        ("0000-01-01", "no such date"),
        ("2025-W53-1", "no such date"),
        ("2026-W01-8", "no such date"),
        ("2026-W00-1", "no such date"),
        ("2025-366", "no such date"),
        ("2026-01-311", "a split by time needs numbers, or dates"),
        ("2026-00-00junk", "a split by time needs numbers, or dates"),
        ("-001-01-01", "a split by time needs numbers, or dates"),
        ("2026-01-31T08:00:00.1234567890123456", "a split by time needs numbers, or dates"),
        ("\uff12\uff10\uff12\uff16-01-31", "a split by time needs numbers, or dates"),
        ("today", "a split by time needs numbers, or dates"),
        ("NaT", "a split by time needs numbers, or dates"),
        ("2026-01-31" * 1000, "a split by time needs numbers, or dates"),
        ("1/31/2026", "a split by time needs its format: set data.split.format to '%m/%d/%Y'"),
        ("1/2/2026", "set data.split.format to the right one of '%d/%m/%Y' and '%m/%d/%Y'"),
        ("2026-01-31 01:00 PM", "set data.split.format to '%Y-%m-%d %I:%M %p'"),
        ("31 Jan 2026", "set data.split.format to '%d %b %Y'"),
    ],
)
def test_what_is_not_a_time_is_an_error_at_its_row(text, hint):
    with pytest.raises(
        DataError, match=re.escape(f"row 0 (from 0), column 't': expected a date, got {text!r}")
    ) as e:
        order([text, text])
    assert hint in e.value.hint
    if "data.split.format" not in hint or len(text) > 100:
        with pytest.raises(DataError, match=r"row 2 \(from 0\)"):
            order(["2026-01-31", "2026-01-31", text, "x", "2026-01-31"])


@pytest.mark.parametrize(
    ("first", "second", "hint"),
    [
        ("2026-01-31T08:00", "2026-01-31 12:00", "write all times of the column in one format"),
        ("2026-01-31", "2026-01-31 12:00", "write all times of the column in one format"),
        ("2026-01-31", "2026-W05-1", "write all times of the column in one format"),
        ("2026-01", "2026-01-31", "write all times of the column in one format"),
        ("2026-01-31T08:00Z", "2026-01-31T08:00", "with an offset from UTC, such as Z or +01:00, or none"),
        (
            "2026-01-31T08:00",
            "2026-01-31T08:00+01:00",
            "with an offset from UTC, such as Z or +01:00, or none",
        ),
    ],
)
def test_two_formats_are_an_error_at_the_row_of_the_second(first, second, hint):
    message = (
        f"row 2 (from 0), column 't': expected a date written like {first!r} in the first row, got {second!r}"
    )
    with pytest.raises(DataError, match=re.escape(message)) as error:
        order([first, first, second, first])
    assert hint in error.value.hint


def test_numbers_are_ordered_as_numbers():
    assert order([10, 9, -1.5, 9]) == [2, 1, 3, 0]
    assert order(["20260201", "20260131"]) == [1, 0]
    nanoseconds = [1_770_000_000_000_000_000 + n for n in (3, 1, 2, 1)]
    assert order(nanoseconds) == order(np.array(nanoseconds)) == [1, 3, 2, 0]
    with pytest.raises(DataError, match=r"row 1 .*: expected a number as in the first row, got '2026-01-31'"):
        order([1, "2026-01-31", 2])
    with pytest.raises(DataError, match=r"row 1 .*: expected a finite number, got inf"):
        order([1.0, float("inf")])


@pytest.mark.parametrize(
    ("time_format", "ascending"),
    [
        ("%d/%m/%Y", ["31/01/2026", "1/2/2026", "02/02/2026", "3/2/2026"]),
        ("%m/%d/%Y %I:%M %p", ["1/31/2026 12:30 AM", "1/31/2026 9:05 AM", "1/31/2026 12:00 PM"]),
        ("%d.%m.%y %H:%M", ["31.12.99 23:59", "01.01.00 00:00"]),
        ("%d %b %Y", ["28 Feb 2024", "29 Feb 2024", "1 Mar 2024"]),
        ("%Y%m%d", ["20260131", "20260201"]),
        ("%d%m%Y", ["05012026", "01022026", "11022026"]),
        ("%Y-%m-%dT%H:%M:%S.%f%z", ["2026-01-31T23:00:00.5+0200", "2026-01-31T22:00:00.25+0000"]),
        ("%H:%M", ["9:05", "10:00"]),
        ("on %Y-%m-%d", ["on 2026-01-31", "on 2026-02-01"]),
        ("%d%m%Y %H:%M:%S %z", ["31012026 23:00:00 +0200", "31012026 22:00:00 +0000"]),
    ],
)
def test_declared_formats(time_format, ascending):
    n = len(ascending)
    assert order(ascending[::-1], time_format) == list(range(n))[::-1]
    with pytest.raises(
        DataError, match=re.escape("row 1 (from 0), column 't': expected a date in the format")
    ):
        order([ascending[0], "2026-99-99 x", ascending[0]], time_format)


def test_a_date_that_does_not_exist_in_a_declared_format():
    for time_format, text in [
        ("%d/%m/%Y", "31/02/2026"),
        ("%d %b %Y", "31 Feb 2026"),
        ("%d/%m/%Y", "1/31/2026"),
    ]:
        with pytest.raises(DataError, match=r"row 0 .*: expected a date in the format"):
            order([text], time_format)


def test_formats_that_fit_all_texts():
    assert fitting_formats(["01/02/2026", "31/01/2026"]) == ["%d/%m/%Y"]
    assert fitting_formats(["2026-01-31T08:00"]) == []


@pytest.mark.parametrize(
    "time_format", ["%d/%m/%Y %I:%M:%S %p", "%m/%d/%y %H:%M", "%I%p %d-%m-%Y", "%Y/%m/%d %H:%M:%S.%f"]
)
@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31)), min_size=2))
def test_formats_of_numbers_are_read_like_strptime_reads_them(time_format, times):
    texts = [time.strftime(time_format) for time in times]
    seconds = [datetime.strptime(text, time_format) for text in texts]
    assert order(texts, time_format) == np.argsort(seconds, kind="stable").tolist()
