"""What trades on an account, and how it stops when the account is sold."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.scenarios import AccountSpec


BotKind = Literal["dca", "grid", "signal"]

_BOTS: dict[str, BotKind] = {"bots": "dca", "grid_bots": "grid", "signal_bots": "signal"}
_COUNTED = ("deals", "smart_trades", "orders")
ENTITY_NAMES = (*_BOTS, *_COUNTED)


@dataclass(slots=True)
class Bot:
    """A bot of the account, with its 3Commas id."""

    id: int
    kind: BotKind
    enabled: bool = True


class TradingEntities:
    """The bots, deals, smart trades and orders of an account."""

    def __init__(self, spec: AccountSpec) -> None:
        self.bots: list[Bot] = []
        self._counts: dict[str, int] = {}
        self._first_bot = spec.id * 10 + 1
        self._stop: tuple[float, float] | None = None
        self._at_stop: dict[str, int] = {}
        self._stopping: list[Bot] = []
        for name in ENTITY_NAMES:
            self.put(name, getattr(spec, name))

    def put(self, name: str, count: int) -> None:
        """Replace all of one of ``ENTITY_NAMES`` by this many active ones, even while they are stopping."""
        if name in _COUNTED:
            self._at_stop.pop(name, None)
            self._counts[name] = count
            return
        self.bots = [bot for bot in self.bots if bot.kind != _BOTS[name]]
        used = {bot.id for bot in self.bots}
        free_ids = (bot_id for bot_id in itertools.count(self._first_bot) if bot_id not in used)
        self.bots += [Bot(bot_id, _BOTS[name]) for bot_id in itertools.islice(free_ids, count)]

    def active(self) -> dict[str, int]:
        """Return how many there are of each of ``ENTITY_NAMES``, bots that do not run left out."""
        running = {name: sum(bot.enabled for bot in self.bots if bot.kind == kind) for name, kind in _BOTS.items()}
        return {**running, **self._counts}

    def stop(self, now: float, seconds: float) -> None:
        """Begin to stop everything but signal bots."""
        self._stop = (now, seconds)
        self._at_stop = dict(self._counts)
        self._stopping = [bot for bot in self.bots if bot.enabled and bot.kind != "signal"]
        self.settle(now)

    def settle(self, now: float) -> None:
        """Carry on the stopping up to the given time."""
        if self._stop is None:
            return
        began, seconds = self._stop
        left = max(0.0, 1 - (now - began) / seconds) if seconds else 0.0
        for name, count in self._at_stop.items():
            self._counts[name] = ceil(count * left)
        done = len(self._stopping) - ceil(len(self._stopping) * left)
        for bot in self._stopping[:done]:
            bot.enabled = False
        if not left:
            self._stop = None
