"""What trades on an account, and how it stops when the account is sold."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from airflow_provider_3commas.simulator.account_specs import AccountSpec


BotKind = Literal["dca", "grid", "signal"]
Ending = Literal["panic_sold", "cancelled", "completed"]

_BOTS: dict[str, BotKind] = {"bots": "dca", "grid_bots": "grid", "signal_bots": "signal"}
_TRADES = ("deals", "smart_trades")
ENTITY_NAMES = (*_BOTS, *_TRADES, "orders")

# So that no two accounts whose ids follow each other have bots or deals of the same id.
_IDS_PER_ACCOUNT = 1000
_HOUR = 3600.0


class Purchase(NamedTuple):
    """What a deal or a SmartTrade has bought, and what a unit has cost, in its quote currency."""

    base: str
    quote: str
    amount: Decimal
    price: Decimal

    @property
    def pair(self) -> str:
        """The pair as 3Commas names it, for example ``USDT_ETH``."""
        return f"{self.quote}_{self.base}"


@dataclass(slots=True)
class Bot:
    """A bot of the account, with its 3Commas id and what it would buy next."""

    id: int
    kind: BotKind
    buys: Purchase
    enabled: bool = True
    stops_at: float | None = None

    def switch(self, *, enabled: bool) -> None:
        """Enable or disable it, also while it is stopping."""
        self.enabled = enabled
        self.stops_at = None


@dataclass(slots=True)
class Trade:
    """A deal of a DCA bot, or a SmartTrade, which has no bot; it is active until its end has come."""

    id: int
    bot: Bot | None
    bought: Purchase
    opened_at: float
    ending: Ending | None = None
    ends_at: float | None = None
    closed_at: float | None = None

    def end(self, ending: Ending, at: float) -> None:
        """Plan how and when it ends."""
        self.ending, self.ends_at = ending, at


class TradingEntities:
    """The bots, deals, smart trades and orders of an account; choose tells what one of them buys."""

    def __init__(self, spec: AccountSpec, choose: Callable[[int], Purchase]) -> None:
        self.bots: list[Bot] = []
        self.deals: list[Trade] = []
        self.smart_trades: list[Trade] = []
        self._orders: list[float | None] = []
        self._choose = choose
        self._first_bot = spec.id * _IDS_PER_ACCOUNT + 1
        self._trade_ids = itertools.count(spec.id * _IDS_PER_ACCOUNT + 1)
        for name in ENTITY_NAMES:
            self.put(name, getattr(spec, name), 0.0)

    def put(self, name: str, count: int, now: float) -> None:
        """Replace all of one of ``ENTITY_NAMES`` by this many active ones, even while they are stopping."""
        if name in _BOTS:
            self._put_bots(_BOTS[name], count)
        elif name == "orders":
            self._orders = [None] * count
        else:
            finished = [trade for trade in getattr(self, name) if trade.closed_at is not None]
            owners = [bot for bot in self.bots if bot.kind == "dca"] if name == "deals" else []
            new = [self._trade(owners, index, now) for index in range(count)]
            setattr(self, name, finished + new)

    def active(self) -> dict[str, int]:
        """Return how many there are of each of ``ENTITY_NAMES``, bots that do not run left out."""
        return {
            **{name: sum(bot.enabled for bot in self.bots if bot.kind == kind) for name, kind in _BOTS.items()},
            **{name: sum(trade.closed_at is None for trade in getattr(self, name)) for name in _TRADES},
            "orders": len(self._orders),
        }

    def deals_of(self, bot: Bot) -> list[Trade]:
        """Return the active deals of a bot."""
        return [
            deal for deal in self.deals if deal.closed_at is None and deal.bot is not None and deal.bot.id == bot.id
        ]

    def open_smart_trade(self, bought: Purchase, now: float) -> Trade:
        """Open a SmartTrade for something that was just bought."""
        trade = Trade(next(self._trade_ids), None, bought, now)
        self.smart_trades.append(trade)
        return trade

    def stop(self, now: float, seconds: float) -> None:
        """Begin to stop everything but signal bots, one after another within these seconds."""
        running = [bot for bot in self.bots if bot.enabled and bot.kind != "signal"]
        for bot, at in zip(running, _instants(len(running), now, seconds), strict=True):
            bot.stops_at = at
        for trades in (self.deals, self.smart_trades):
            open_ones = [trade for trade in trades if trade.closed_at is None]
            for trade, at in zip(open_ones, _instants(len(open_ones), now, seconds), strict=True):
                trade.end("cancelled", at)
        self._orders = list(_instants(len(self._orders), now, seconds))
        self.settle(now)

    def settle(self, now: float) -> None:
        """Carry on the stopping up to the given time."""
        for bot in self.bots:
            if bot.stops_at is not None and bot.stops_at <= now:
                bot.switch(enabled=False)
        for trade in itertools.chain(self.deals, self.smart_trades):
            if trade.closed_at is None and trade.ends_at is not None and trade.ends_at <= now:
                trade.closed_at = trade.ends_at
        self._orders = [at for at in self._orders if at is None or at > now]

    def _put_bots(self, kind: BotKind, count: int) -> None:
        self.bots = [bot for bot in self.bots if bot.kind != kind]
        used = {bot.id for bot in self.bots}
        free_ids = (bot_id for bot_id in itertools.count(self._first_bot) if bot_id not in used)
        for index, bot_id in enumerate(itertools.islice(free_ids, count)):
            self.bots.append(Bot(bot_id, kind, self._choose(index)))

    def _trade(self, owners: list[Bot], index: int, now: float) -> Trade:
        bot = owners[index % len(owners)] if owners else None
        bought = bot.buys if bot else self._choose(index)
        return Trade(next(self._trade_ids), bot, bought, now - _HOUR * (index + 1))


def _instants(count: int, now: float, seconds: float) -> Iterable[float]:
    """Return this many instants, evenly spread, the last of them at the end."""
    return (now + seconds * number / count for number in range(1, count + 1))
