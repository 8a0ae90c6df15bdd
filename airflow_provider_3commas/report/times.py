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
_YEAR_10000 = 253402300800000


def parse_timestamp(value: Any) -> int | None:
    """Parse ISO 8601 text with an offset; return milliseconds since 1970, ``None`` for anything else."""
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        since_1970 = (datetime.fromisoformat(value) - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None
    return since_1970 if 0 <= since_1970 < _YEAR_10000 else None


def seconds_between(start: Any, end: Any) -> float | None:
    """Return the seconds between two ISO 8601 texts, to a tenth; ``None`` if they are unknown or negative."""
    start_ms, end_ms = parse_timestamp(start), parse_timestamp(end)
    if start_ms is None or end_ms is None or end_ms < start_ms:
        return None
    return (end_ms - start_ms + _TENTH // 2) // _TENTH / 10


def parse_seconds(value: Any) -> float | None:
    """Read a JSON number of seconds, to a tenth; ``None`` for anything else, or if it is negative."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e10:
        return None
    return int(value * 10 + 0.5) / 10


def format_timestamp(value: Any) -> str:
    """Write ISO 8601 text for people, e.g. ``2026-11-06 21:00:07 UTC``; ``?`` if it is unknown."""
    since_1970 = parse_timestamp(value)
    if since_1970 is None:
        return "?"
    return (_EPOCH + timedelta(milliseconds=since_1970)).strftime("%Y-%m-%d %H:%M:%S UTC")
