"""Points in time and durations, read from XComs and written for people."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# A tenth of a second is as exact as a wait is measured.
_TENTH = 100
# The year 10000.
_END = 253402300800000


def milliseconds(value: Any) -> int | None:
    """Read a point in time.

    :param value: ISO 8601 text with an offset.
    :return: milliseconds since 1970, or ``None``.
    """
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        since_1970 = (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None
    return since_1970 if 0 <= since_1970 < _END else None


def seconds_between(start: Any, end: Any) -> float | None:
    """Measure a duration.

    :param start: ISO 8601 text.
    :param end: ISO 8601 text.
    :return: seconds, to a tenth; ``None`` if it is unknown or negative.
    """
    begun, ended = milliseconds(start), milliseconds(end)
    if begun is None or ended is None or ended < begun:
        return None
    return (ended - begun + _TENTH // 2) // _TENTH / 10


def seconds(value: Any) -> float | None:
    """Read a number of seconds.

    :param value: a JSON number, not negative.
    :return: seconds, to a tenth; ``None`` if it is something else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e10:
        return None
    return int(value * 10 + 0.5) / 10


def moment(value: Any) -> str:
    """Write a point in time for people.

    :param value: ISO 8601 text.
    :return: e.g. ``2026-11-06 21:00:07 UTC``; ``?`` if it is unknown.
    """
    since_1970 = milliseconds(value)
    if since_1970 is None:
        return "?"
    return (_EPOCH + timedelta(milliseconds=since_1970)).strftime("%Y-%m-%d %H:%M:%S UTC")
