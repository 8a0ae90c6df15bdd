"""The market's clock: it runs as fast as it is told, and jumps when it is told."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class MarketClock:
    """Simulated seconds since the start, at a speed in simulated seconds per real second; 0 stands still."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._base = 0.0
        self._since = time.monotonic()
        self._started = datetime.now(UTC)

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    def now(self) -> float:
        """Return the simulated seconds since the start."""
        return self._base + (time.monotonic() - self._since) * self._speed

    def advance(self, seconds: float) -> float:
        """Jump ahead by simulated seconds; return the new time."""
        self._base += seconds
        return self.now()

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on."""
        self._base = self.now()
        self._since = time.monotonic()
        self._speed = speed

    def moment(self, at: float | None = None) -> datetime:
        """Return a simulated time, now by default, as a date in UTC."""
        return self._started + timedelta(seconds=self.now() if at is None else at)
