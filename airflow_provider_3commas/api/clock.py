"""The clocks that decisions about a sale are made by, in one place, so that tests can turn them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import NamedTuple


class Instant(NamedTuple):
    """One moment by both of the machine's clocks."""

    monotonic: float
    wall: float


def instant() -> Instant:
    """Return this moment."""
    return Instant(time.monotonic(), time.time())


def passed_since(then: Instant) -> float:
    """Return the seconds since then by the clock that says more: a suspended machine stops the monotonic one."""
    return max(time.monotonic() - then.monotonic, time.time() - then.wall)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.fromtimestamp(time.time(), UTC)


def iso() -> str:
    """Return the time in UTC as ISO 8601 text."""
    return now().isoformat()


def monotonic() -> float:
    """Return seconds of a clock that is never set back."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Sleep."""
    time.sleep(seconds)
