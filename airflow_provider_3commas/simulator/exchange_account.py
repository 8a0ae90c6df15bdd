"""An account as it truly is on the exchange: what it holds, and how a sell changes that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from airflow_provider_3commas.simulator.amounts import ZERO, coin, precise
from airflow_provider_3commas.simulator.exchanges import EXCHANGES, Exchange
from airflow_provider_3commas.simulator.scenarios import PAPER_MARKET_CODE, Position, as_position
from airflow_provider_3commas.simulator.trading_entities import TradingEntities

if TYPE_CHECKING:
    from decimal import Decimal

    from airflow_provider_3commas.simulator.prices import Prices
    from airflow_provider_3commas.simulator.scenarios import AccountSpec, FillSpec

SellTarget = Literal["BTC", "USD"]


class Fill(NamedTuple):
    """A step of an order, due at a simulated time; with an empty ``into`` the amount is given back unsold."""

    at: float
    currency: str
    amount: Decimal
    into: str


@dataclass(slots=True)
class AppliedSell:
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
        self.holdings = {currency: as_position(holding) for currency, holding in spec.holdings.items()}
        self._prices = prices
        self._rules = fills
        self._fills: list[Fill] = []

    @property
    def id(self) -> int:
        """The account's 3Commas id."""
        return self.spec.id

    @property
    def is_paper(self) -> bool:
        """Whether this is a paper account."""
        return self.spec.market_code == PAPER_MARKET_CODE

    def set_holding(self, currency: str, position: Position | None) -> None:
        """Replace a balance, as a deposit or a withdrawal would; none removes it."""
        if position is None:
            self.holdings.pop(currency, None)
            self._fills = [fill for fill in self._fills if fill.currency != currency]
        else:
            self.holdings[currency] = position

    def positions(self, now: float) -> dict[str, Position]:
        """Return the balances that are not empty."""
        self.settle(now)
        return {currency: held for currency, held in self.holdings.items() if held.amount}

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

    def sell_all(self, target: SellTarget, now: float) -> AppliedSell:
        """Stop everything that trades, and create orders for all that can be sold, into ``BTC`` or dollars."""
        self.settle(now)
        self.entities.stop(now, self._rules.stop_seconds)
        self._fills = []
        self.holdings = {currency: replace(held, on_orders=ZERO) for currency, held in self.holdings.items()}
        into = "BTC" if target == "BTC" else self.exchange.dollar
        sell = AppliedSell(self.id, target, now)
        for currency, held in self.positions(now).items():
            if currency != into:
                chosen = sell.orders if self._sellable(currency, held, now) else sell.left
                chosen[currency] = held.amount
        self._place(sell, into, now)
        return sell

    def trade(self, currency: str, amount: Decimal, into: str, now: float) -> None:
        """Sell some of a currency at once, as a bot or a person would."""
        self.settle(now)
        self._apply(Fill(now, currency, coin(amount), into))

    def _sellable(self, currency: str, held: Position, now: float) -> bool:
        if held.state != "free":
            return False
        with precise():
            return held.amount * self._prices.of(currency, now)[0] >= self._rules.min_order_btc

    def _place(self, sell: AppliedSell, into: str, now: float) -> None:
        """Plan the fills: the orders are done one after another, each in as many steps as the rules say."""
        rules = self._rules
        span = rules.last_seconds - rules.first_seconds
        for index, (currency, amount) in enumerate(sell.orders.items(), start=1):
            self.holdings[currency] = replace(self.holdings[currency], on_orders=amount)
            done_at = now + rules.first_seconds + span * index / len(sell.orders)
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
        held = self.holdings[fill.currency]
        sold = min(fill.amount, held.amount) if fill.into else ZERO
        on_orders = max(ZERO, held.on_orders - fill.amount)
        self.holdings[fill.currency] = replace(held, amount=held.amount - sold, on_orders=on_orders)
        if not fill.into:
            return
        with precise():
            _, sold_at = self._prices.of(fill.currency, fill.at)
            _, bought_at = self._prices.of(fill.into, fill.at)
            proceeds = coin(sold * sold_at / bought_at * (1 - self._rules.fee))
        bought = self.holdings.get(fill.into, Position(amount=ZERO))
        self.holdings[fill.into] = replace(bought, amount=bought.amount + proceeds)
