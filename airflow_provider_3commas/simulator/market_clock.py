"""The market's clock: it runs as fast as it is told, and jumps when it is told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class MarketClock:
    """Tell the simulated time in seconds since the start.

    :param speed: simulated seconds per real second; 0 stands still until :meth:`advance`.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._base = 0.0
        self._since = time.monotonic()
        self._started = datetime.now(UTC)

    @property
    def speed(self) -> float:
        """Return the simulated seconds per real second.

        :return: the speed.
        """
        return self._speed

    def now(self) -> float:
        """Return the simulated time.

        :return: seconds since the start.
        """
        return self._base + (time.monotonic() - self._since) * self._speed

    def advance(self, seconds: float) -> float:
        """Jump ahead.

        :param seconds: how far.
        :return: the simulated time after the jump.
        """
        self._base += seconds
        return self.now()

    def set_speed(self, speed: float) -> None:
        """Run faster or slower from now on.

        :param speed: simulated seconds per real second.
        """
        self._base = self.now()
        self._since = time.monotonic()
        self._speed = speed

    def moment(self, at: float | None = None) -> datetime:
        """Return the simulated time as a date.

        :param at: seconds since the start; now if left out.
        :return: the date, in UTC.
        """
        return self._started + timedelta(seconds=self.now() if at is None else at)


def iso(moment: datetime) -> str:
    """Write a date as the API does: ISO 8601 in UTC with milliseconds.

    :param moment: a date in UTC.
    :return: for example ``2023-06-19T17:16:29.008Z``.
    """
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
