"""An account as it truly is on the exchange: what it holds, and how a sell changes that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from airflow_provider_3commas.simulator.amounts import ZERO, coin, precise
from airflow_provider_3commas.simulator.exchanges import EXCHANGES, Exchange
from airflow_provider_3commas.simulator.scenarios import PAPER_MARKET_CODE, HoldingSpec
from airflow_provider_3commas.simulator.trading_entities import TradingEntities

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_3commas.simulator.prices import Prices
    from airflow_provider_3commas.simulator.scenarios import (
        AccountSpec,
        FillSpec,
        HoldingState,
    )

SellTarget = Literal["BTC", "USD"]


class Position(NamedTuple):
    """A balance at one moment."""

    amount: Decimal
    on_orders: Decimal
    state: HoldingState


@dataclass(slots=True)
class Holding:
    """A balance on the exchange."""

    amount: Decimal = ZERO
    on_orders: Decimal = ZERO
    state: HoldingState = "free"


class Fill(NamedTuple):
    """A step of an order, due at a simulated time; with an empty ``into`` the amount is given back unsold."""

    at: float
    currency: str
    amount: Decimal
    into: str


@dataclass(slots=True)
class Sale:
    """A sell-all that was applied: amounts by currency of its orders, and of what could not be sold."""

    account_id: int
    target: SellTarget
    at: float
    orders: dict[str, Decimal] = field(default_factory=dict)
    left: dict[str, Decimal] = field(default_factory=dict)


class ExchangeAccount:
    """The truth that 3Commas' view of the account follows."""

    def __init__(self, spec: AccountSpec, prices: Prices, fills: FillSpec) -> None:
        self.spec = spec
        self.exchange = EXCHANGES.get(spec.market_code, Exchange(spec.market_code, spec.market_code))
        self.entities = TradingEntities(spec)
        self.holdings: dict[str, Holding] = {}
        self._prices = prices
        self._rules = fills
        self._fills: list[Fill] = []
        for currency, holding in spec.holdings.items():
            self.set_holding(currency, holding)

    @property
    def id(self) -> int:
        """The account's 3Commas id."""
        return self.spec.id

    @property
    def is_paper(self) -> bool:
        """Whether this is a paper account."""
        return self.spec.market_code == PAPER_MARKET_CODE

    def set_holding(self, currency: str, holding: Decimal | HoldingSpec | None) -> None:
        """Replace a balance, as a deposit or a withdrawal would; none removes it."""
        if holding is None:
            self.holdings.pop(currency, None)
            self._fills = [fill for fill in self._fills if fill.currency != currency]
        elif isinstance(holding, HoldingSpec):
            self.holdings[currency] = Holding(holding.amount, holding.on_orders, holding.state)
        else:
            self.holdings[currency] = Holding(holding)

    def positions(self, now: float) -> dict[str, Position]:
        """Return the balances that are not empty."""
        self.settle(now)
        return {
            currency: Position(holding.amount, holding.on_orders, holding.state)
            for currency, holding in self.holdings.items()
            if holding.amount
        }

    def settle(self, now: float) -> None:
        """Apply whatever was due by the given time."""
        self.entities.settle(now)
        due = 0
        for fill in self._fills:
            if fill.at > now:
                break
            self._apply(fill)
            due += 1
        if due:
            del self._fills[:due]

    def sell_all(self, target: SellTarget, now: float) -> Sale:
        """Stop everything that trades, and create orders for all that can be sold, into ``BTC`` or dollars."""
        self.settle(now)
        self.entities.stop(now, self._rules.stop_seconds)
        self._cancel_orders()
        into = "BTC" if target == "BTC" else self.exchange.dollar
        sale = Sale(self.id, target, now)
        for currency, holding in self.holdings.items():
            if currency == into or not holding.amount:
                continue
            chosen = sale.orders if self._sellable(currency, holding, now) else sale.left
            chosen[currency] = holding.amount
        self._place(sale, into, now)
        return sale

    def trade(self, currency: str, amount: Decimal, into: str, now: float) -> None:
        """Sell some of a currency at once, as a bot or a person would."""
        self.settle(now)
        self._apply(Fill(now, currency, coin(amount), into))

    def _sellable(self, currency: str, holding: Holding, now: float) -> bool:
        if holding.state != "free":
            return False
        with precise():
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
        with precise():
            _, sold_at = self._prices.of(fill.currency, fill.at)
            _, bought_at = self._prices.of(fill.into, fill.at)
            proceeds = coin(amount * sold_at / bought_at * (1 - self._rules.fee))
        self.holdings.setdefault(fill.into, Holding()).amount += proceeds
