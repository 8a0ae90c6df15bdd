"""What trades on an account, and how it stops when the account is sold."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.scenarios import AccountSpec


@dataclass(slots=True)
class Bot:
    """A bot of the account.

    :param id: its 3Commas id.
    :param kind: ``dca``, ``grid`` or ``signal``.
    :param enabled: whether it runs.
    """

    id: int
    kind: Literal["dca", "grid", "signal"]
    enabled: bool = True


class TradingEntities:
    """What trades on an account: bots, deals, smart trades, orders.

    :param spec: how many of each there are at the start.
    """

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
        """Replace the bots of one kind by this many running ones.

        :param kind: ``dca``, ``grid`` or ``signal``.
        :param count: how many.
        """
        self.bots = [bot for bot in self.bots if bot.kind != kind]
        used = {bot.id for bot in self.bots}
        bot_id = self._first_bot
        for _ in range(count):
            bot_id += 1
            while bot_id in used:
                bot_id += 1
            self.bots.append(Bot(bot_id, kind))  # type: ignore[arg-type]

    def set_count(self, name: str, count: int) -> None:
        """Replace the number of active deals, smart trades or orders, even while they are stopping.

        :param name: which of :attr:`COUNTED`.
        :param count: how many.
        """
        self._at_stop.pop(name, None)
        self.counts[name] = count

    def running(self, *kinds: str) -> int:
        """Count the running bots of these kinds.

        :param kinds: ``dca``, ``grid``, ``signal``.
        :return: how many.
        """
        return sum(bot.enabled for bot in self.bots if bot.kind in kinds)

    def stop(self, now: float, seconds: float) -> None:
        """Begin to stop everything but signal bots.

        :param now: simulated time.
        :param seconds: how long it takes.
        """
        self._stop = (now, seconds)
        self._at_stop = dict(self.counts)
        self._stopping = [bot for bot in self.bots if bot.enabled and bot.kind != "signal"]
        self.settle(now)

    def settle(self, now: float) -> None:
        """Bring the stopping up to the given time.

        :param now: simulated time.
        """
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
