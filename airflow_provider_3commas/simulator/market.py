"""The exchanges: what accounts really hold, what runs on them, and how a sell changes both."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Literal, NamedTuple

from airflow_provider_3commas.simulator.money import ONE, ZERO, coin, exact, price
from airflow_provider_3commas.simulator.scenarios import PAPER_MARKET, HoldingSpec

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_3commas.simulator.scenarios import (
        AccountSpec,
        FillSpec,
        HoldingState,
        PriceSpec,
    )

Target = Literal["BTC", "USD"]

_DOLLARS = frozenset({"USD", "USDT", "USDC"})


class Market(NamedTuple):
    """An exchange as 3Commas names it.

    :param exchange_name: the long name.
    :param display_type: the name without blanks.
    :param dollar: what sell-all to USD sells into.
    """

    exchange_name: str
    display_type: str
    dollar: str = "USDT"


# Only binance, binance_us, binance_margin, bybit_spot and paper_trading are known codes; the
# others are likely ones, there so that a fleet has several exchanges.
MARKETS: dict[str, Market] = {
    "binance": Market("Binance Spot", "Binance"),
    "binance_us": Market("Binance US Spot", "BinanceUs"),
    "binance_margin": Market("Binance Margin", "BinanceMargin"),
    "binance_futures": Market("Binance Futures USDT-M", "BinanceFutures"),
    "gdax": Market("Coinbase Advanced Spot", "Gdax", "USD"),
    "gemini": Market("Gemini Spot", "Gemini", "USD"),
    "kraken": Market("Kraken Spot", "Kraken", "USD"),
    "bybit_spot": Market("Bybit Spot", "BybitSpot"),
    "gate_io": Market("GateIo", "GateIo"),
    "okex": Market("OKX Spot", "Okex"),
    "huobi": Market("Huobi Spot", "Huobi"),
    "bitfinex": Market("Bitfinex Spot", "Bitfinex", "USD"),
    "kucoin": Market("Kucoin Spot", "Kucoin"),
    "bitstamp": Market("Bitstamp Spot", "Bitstamp", "USD"),
    PAPER_MARKET: Market("Paper Trading Account", "PaperTrading"),
}


class Prices:
    """Prices that jitter, the same way in every run with the same seed.

    :param spec: base prices and how far they move.
    :param seed: decides how.
    """

    def __init__(self, spec: PriceSpec, seed: int) -> None:
        self._spec = spec
        self._seed = seed
        self._tick = -1
        self._known: dict[str, tuple[Decimal, Decimal]] = {}

    def knows(self, currency: str) -> bool:
        """Tell whether a currency has a price.

        :param currency: its code.
        :return: true if it has.
        """
        return currency in self._spec.usd

    def of(self, currency: str, now: float) -> tuple[Decimal, Decimal]:
        """Return what a unit of a currency costs.

        :param currency: its code.
        :param now: simulated time.
        :return: price in BTC and price in US dollars.
        """
        tick = int(now // self._spec.jitter_seconds)
        if tick != self._tick:
            self._tick = tick
            self._known = {}
        known = self._known.get(currency)
        if known is None:
            known = self._known[currency] = self._compute(currency, tick)
        return known

    def _compute(self, currency: str, tick: int) -> tuple[Decimal, Decimal]:
        with exact():
            usd = self._usd(currency, tick)
            return (ONE if currency == "BTC" else price(usd / self._usd("BTC", tick))), usd

    def _usd(self, currency: str, tick: int) -> Decimal:
        base = self._spec.usd[currency]
        if currency in _DOLLARS or not self._spec.jitter:
            return base
        noise = zlib.crc32(f"{self._seed}:{currency}:{tick}".encode()) % 2001 - 1000
        return price(base * (1 + self._spec.jitter * noise / 1000))


class Position(NamedTuple):
    """A balance at one moment.

    :param amount: all of it.
    :param on_orders: how much of it lies in open orders.
    :param state: whether it can be sold.
    """

    amount: Decimal
    on_orders: Decimal
    state: HoldingState


@dataclass(slots=True)
class Holding:
    """A balance on the exchange.

    :param amount: all of it.
    :param on_orders: how much of it lies in open orders.
    :param state: whether it can be sold.
    """

    amount: Decimal = ZERO
    on_orders: Decimal = ZERO
    state: HoldingState = "free"


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


class Fill(NamedTuple):
    """Something that will happen to an order.

    :param at: when, in simulated time.
    :param currency: what is sold.
    :param amount: how much.
    :param into: what it is sold into; empty if it is given back unsold.
    """

    at: float
    currency: str
    amount: Decimal
    into: str


@dataclass(slots=True)
class Sale:
    """A sell-all that was applied.

    :param account_id: on which account.
    :param target: ``BTC`` or ``USD``.
    :param at: when, in simulated time.
    :param orders: amount by currency of the orders it created.
    :param left: amount by currency of what it could not sell.
    """

    account_id: int
    target: Target
    at: float
    orders: dict[str, Decimal] = field(default_factory=dict)
    left: dict[str, Decimal] = field(default_factory=dict)


class Entities:
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


class ExchangeAccount:
    """An account on an exchange: the truth that 3Commas' view follows.

    :param spec: what it is at the start.
    :param prices: the market.
    :param fills: how its orders fill.
    """

    def __init__(self, spec: AccountSpec, prices: Prices, fills: FillSpec) -> None:
        self.spec = spec
        self.market = MARKETS.get(spec.market_code, Market(spec.market_code, spec.market_code))
        self.entities = Entities(spec)
        self.holdings: dict[str, Holding] = {}
        self._prices = prices
        self._rules = fills
        self._fills: list[Fill] = []
        for currency, holding in spec.holdings.items():
            self.set_holding(currency, holding)

    @property
    def id(self) -> int:
        """Return the account's 3Commas id.

        :return: the id.
        """
        return self.spec.id

    @property
    def is_paper(self) -> bool:
        """Tell whether this is a paper account.

        :return: true if it is.
        """
        return self.spec.market_code == PAPER_MARKET

    def set_holding(self, currency: str, holding: Decimal | HoldingSpec | None) -> None:
        """Replace a balance, as a deposit or a withdrawal would.

        :param currency: its code.
        :param holding: the new balance; none removes it.
        """
        if holding is None:
            self.holdings.pop(currency, None)
            self._fills = [fill for fill in self._fills if fill.currency != currency]
        elif isinstance(holding, HoldingSpec):
            self.holdings[currency] = Holding(holding.amount, holding.on_orders, holding.state)
        else:
            self.holdings[currency] = Holding(holding)

    def positions(self, now: float) -> dict[str, Position]:
        """Return the balances.

        :param now: simulated time.
        :return: balance by currency, empty ones left out.
        """
        self.settle(now)
        return {
            currency: Position(holding.amount, holding.on_orders, holding.state)
            for currency, holding in self.holdings.items()
            if holding.amount
        }

    def settle(self, now: float) -> None:
        """Let happen whatever was due by the given time.

        :param now: simulated time.
        """
        self.entities.settle(now)
        due = 0
        for fill in self._fills:
            if fill.at > now:
                break
            self._apply(fill)
            due += 1
        if due:
            del self._fills[:due]

    def sell_all(self, target: Target, now: float) -> Sale:
        """Stop everything that trades, and create orders for all that can be sold.

        :param target: ``BTC`` or ``USD``.
        :param now: simulated time.
        :return: what was ordered and what could not be.
        """
        self.settle(now)
        self.entities.stop(now, self._rules.stop_seconds)
        self._cancel_orders()
        into = "BTC" if target == "BTC" else self.market.dollar
        sale = Sale(self.id, target, now)
        for currency, holding in self.holdings.items():
            if currency == into or not holding.amount:
                continue
            chosen = sale.orders if self._sellable(currency, holding, now) else sale.left
            chosen[currency] = holding.amount
        self._place(sale, into, now)
        return sale

    def trade(self, currency: str, amount: Decimal, into: str, now: float) -> None:
        """Sell some of a currency at once, as a bot or a person would.

        :param currency: what is sold.
        :param amount: how much.
        :param into: what it is sold into.
        :param now: simulated time.
        """
        self.settle(now)
        self._apply(Fill(now, currency, coin(amount), into))

    def _sellable(self, currency: str, holding: Holding, now: float) -> bool:
        if holding.state != "free":
            return False
        with exact():
            return holding.amount * self._prices.of(currency, now)[0] >= self._rules.min_order_btc

    def _cancel_orders(self) -> None:
        self._fills = []
        for holding in self.holdings.values():
            holding.on_orders = ZERO

    def _place(self, sale: Sale, into: str, now: float) -> None:
        """Plan the fills: the orders are done one after another, each in as many steps as the rules say."""
        rules = self._rules
        span = rules.last_seconds - rules.first_seconds
        for index, (currency, amount) in enumerate(sale.orders.items(), start=1):
            self.holdings[currency].on_orders = amount
            done_at = now + rules.first_seconds + span * index / len(sale.orders)
            filled = coin(amount * rules.fraction)
            part = coin(filled / rules.steps)
            for step in range(1, rules.steps + 1):
                at = now + rules.first_seconds + (done_at - now - rules.first_seconds) * step / rules.steps
                last = step == rules.steps
                self._fills.append(Fill(at, currency, filled - part * (rules.steps - 1) if last else part, into))
            if filled < amount:
                self._fills.append(Fill(done_at, currency, amount - filled, ""))
        self._fills.sort(key=lambda fill: fill.at)

    def _apply(self, fill: Fill) -> None:
        holding = self.holdings[fill.currency]
        holding.on_orders = max(ZERO, holding.on_orders - fill.amount)
        if not fill.into:
            return
        amount = min(fill.amount, holding.amount)
        holding.amount -= amount
        with exact():
            _, sold_at = self._prices.of(fill.currency, fill.at)
            _, bought_at = self._prices.of(fill.into, fill.at)
            proceeds = coin(amount * sold_at / bought_at * (1 - self._rules.fee))
        self.holdings.setdefault(fill.into, Holding()).amount += proceeds
