"""What trades on an account, and how it stops when the account is sold."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.scenarios import AccountSpec


@dataclass(slots=True)
class Bot:
    """A bot of the account, with its 3Commas id."""

    id: int
    kind: Literal["dca", "grid", "signal"]
    enabled: bool = True


class TradingEntities:
    """The bots, deals, smart trades and orders of an account."""

    COUNTED = ("deals", "smart_trades", "orders")

    def __init__(self, spec: AccountSpec) -> None:
        self.counts: dict[str, int] = {name: getattr(spec, name) for name in self.COUNTED}
        self.bots: list[Bot] = []
        self._first_bot = spec.id * 10
        self._stop: tuple[float, float] | None = None
        self._at_stop: dict[str, int] = {}
        self._stopping: list[Bot] = []
        for kind, count in (("dca", spec.bots), ("grid", spec.grid_bots), ("signal", spec.signal_bots)):
            self.set_bots(kind, count)

    def set_bots(self, kind: str, count: int) -> None:
        """Replace the bots of one kind by this many running ones."""
        self.bots = [bot for bot in self.bots if bot.kind != kind]
        used = {bot.id for bot in self.bots}
        bot_id = self._first_bot
        for _ in range(count):
            bot_id += 1
            while bot_id in used:
                bot_id += 1
            self.bots.append(Bot(bot_id, kind))  # type: ignore[arg-type]

    def set_count(self, name: str, count: int) -> None:
        """Replace the number of active deals, smart trades or orders, even while they are stopping."""
        self._at_stop.pop(name, None)
        self.counts[name] = count

    def running(self, *kinds: str) -> int:
        """Return how many bots of these kinds run."""
        return sum(bot.enabled for bot in self.bots if bot.kind in kinds)

    def stop(self, now: float, seconds: float) -> None:
        """Begin to stop everything but signal bots."""
        self._stop = (now, seconds)
        self._at_stop = dict(self.counts)
        self._stopping = [bot for bot in self.bots if bot.enabled and bot.kind != "signal"]
        self.settle(now)

    def settle(self, now: float) -> None:
        """Carry on the stopping up to the given time."""
        if self._stop is None:
            return
        began, seconds = self._stop
        left = max(0.0, 1 - (now - began) / seconds) if seconds else 0.0
        for name, count in self._at_stop.items():
            self.counts[name] = ceil(count * left)
        done = len(self._stopping) - ceil(len(self._stopping) * left)
        for bot in self._stopping[:done]:
            bot.enabled = False
        if not left:
            self._stop = None
