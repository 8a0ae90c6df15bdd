"""An account as it truly is on the exchange: what it holds, and how a sell changes that."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from airflow_provider_3commas.simulator.account_specs import PAPER_MARKET_CODE, Position, as_position
from airflow_provider_3commas.simulator.amounts import ZERO, coin, precise
from airflow_provider_3commas.simulator.exchanges import EXCHANGES, Exchange
from airflow_provider_3commas.simulator.prices import DOLLARS
from airflow_provider_3commas.simulator.trading_entities import Purchase, TradingEntities

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_3commas.simulator.account_specs import AccountSpec, SignalSpec
    from airflow_provider_3commas.simulator.prices import Prices
    from airflow_provider_3commas.simulator.scenarios import FillSpec
    from airflow_provider_3commas.simulator.trading_entities import Bot

# A deal has bought so much of what the account holds of its coin, or for so many dollars where it holds none.
_PART_OF_A_DEAL = Decimal("0.02")
_DOLLARS_OF_A_DEAL = Decimal(20)
# What coins cost when the deals were opened, as a factor of the first price: some have won, some have lost.
_OPENED_AT = (Decimal("0.994"), Decimal("1.006"), Decimal("0.989"))

_DUST_CHARGE = Decimal("0.02")
_DUST_EVERY = 6 * 3600.0

SellTarget = Literal["BTC", "USD"]


class Fill(NamedTuple):
    """A step of an order, due at a simulated time; with an empty ``into`` the amount is given back unsold."""

    at: float
    currency: str
    amount: Decimal
    into: str


class Conversion(NamedTuple):
    """Dust that was converted into BNB: what was received, and what was charged for it in BNB."""

    number: int
    currency: str
    amount: Decimal
    received: Decimal
    charge: Decimal


class Signal(NamedTuple):
    """A signal that is due at a simulated time: what to spend, on what, and the bot, if one has to run for it."""

    at: float
    spends: str
    spec: SignalSpec
    bot: Bot | None = None


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
        self._prices = prices
        self.holdings = {code: self._position(code, as_position(holding)) for code, holding in spec.holdings.items()}
        self._rules = fills
        self._fills: list[Fill] = []
        self._signals: list[Signal] = []
        self._conversions = 0
        self._converted_at: float | None = None
        self.entities = TradingEntities(spec, self._choose)

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
            self.holdings[currency] = self._position(currency, position)

    def _position(self, currency: str, position: Position) -> Position:
        """Return a balance as the exchange has it: a coin that earns is staked, whatever was said of it."""
        return replace(position, state="staked") if self._prices.coin_of(currency) != currency else position

    def positions(self, now: float) -> dict[str, Position]:
        """Return the balances that are not empty."""
        self.settle(now)
        return {currency: held for currency, held in self.holdings.items() if held.amount}

    def settle(self, now: float) -> None:
        """Apply whatever was due by the given time."""
        while True:
            fill_at = self._fills[0].at if self._fills else inf
            signal_at = self._signals[0].at if self._signals else inf
            at = min(fill_at, signal_at)
            if at > now:
                break
            self.entities.settle(at)
            if fill_at <= signal_at:
                self._apply(self._fills.pop(0))
            else:
                self._follow(self._signals.pop(0))
        self.entities.settle(now)

    def sell_all(self, target: SellTarget, now: float, most_orders: int | None = None) -> AppliedSell:
        """Stop everything that trades, and create orders for all that can be sold, into ``BTC`` or dollars.

        If there is a most of orders, the exchange fails after it.
        """
        self.settle(now)
        self.entities.stop(now, self._rules.stop_seconds)
        self._fills = []
        self.holdings = {currency: replace(held, on_orders=ZERO) for currency, held in self.holdings.items()}
        into = "BTC" if target == "BTC" else self.exchange.dollar
        sell = AppliedSell(self.id, target, now)
        for currency, held in self.positions(now).items():
            if currency != into:
                full = most_orders is not None and len(sell.orders) >= most_orders
                chosen = sell.orders if self._sellable(currency, held, now) and not full else sell.left
                chosen[currency] = held.amount
        self._place(sell, into, now)
        self._signals = []
        for bot in self.entities.bots:
            if bot.kind == "signal" and self.spec.signal is not None:
                self._signals.append(Signal(now + self.spec.signal.after_seconds, into, self.spec.signal, bot))
        return sell

    def signal(self, spec: SignalSpec, now: float) -> None:
        """Plan what a Signal Bot buys for dollars."""
        self._signals.append(Signal(now + spec.after_seconds, self.exchange.dollar, spec))
        self._signals.sort(key=lambda planned: planned.at)

    def trade(self, currency: str, amount: Decimal, into: str, now: float) -> None:
        """Sell some of a currency at once, as a bot or a person would."""
        self.settle(now)
        self._apply(Fill(now, currency, coin(amount), into))

    def is_dust(self, currency: str, now: float) -> bool:
        """Return whether the account holds less of a currency than can be sold."""
        held = self.positions(now).get(currency)
        if held is None or held.state != "free" or held.on_orders or currency == "BNB":
            return False
        return not self._sellable(currency, held, now)

    def may_convert_dust(self, now: float) -> bool:
        """Return whether dust was not converted in the last six hours."""
        return self._converted_at is None or now - self._converted_at >= _DUST_EVERY

    def convert_dust(self, currencies: Iterable[str], now: float) -> list[Conversion]:
        """Convert all of some currencies into BNB at once."""
        self._converted_at = now
        converted = []
        for currency in dict.fromkeys(currencies):
            amount = self.holdings.pop(currency).amount
            with precise():
                worth = amount * self._prices.in_quote(currency, "BNB", now)
            charge = coin(worth * _DUST_CHARGE)
            received = coin(worth) - charge
            held = self.holdings.get("BNB", Position(amount=ZERO))
            self.holdings["BNB"] = replace(held, amount=held.amount + received)
            self._conversions += 1
            converted.append(Conversion(self.id * 1000 + self._conversions, currency, amount, received, charge))
        return converted

    def close_deals(self, bot: Bot, now: float, *, sell: bool) -> None:
        """Disable a bot and close its deals: sold at market price, or cancelled with the coins left where they are."""
        self.settle(now)
        bot.switch(enabled=False)
        deals = [deal for deal in self.entities.deals_of(bot) if deal.ending is None]
        for number, deal in enumerate(deals, start=1):
            if not sell:
                deal.end("cancelled", now + self._rules.stop_seconds)
                continue
            at = now + self._rules.first_seconds + self._span * number / len(deals)
            deal.end("panic_sold", at)
            self._sell_bought(deal.bought, at)

    def _follow(self, signal: Signal) -> None:
        """Buy through a SmartTrade, and plan its end; a bot that is gone, or that has what it wants, buys nothing."""
        at, spends, spec, bot = signal
        gone = bot is not None and not any(bot is each for each in self.entities.bots)
        if gone or spends == spec.currency:
            return
        held = self.holdings.get(spends, Position(amount=ZERO))
        spent = coin((held.amount - held.on_orders) * spec.fraction)
        if spent <= 0:
            return
        before = self.holdings.get(spec.currency, Position(amount=ZERO)).amount
        self._apply(Fill(at, spends, spent, spec.currency))
        amount = self.holdings[spec.currency].amount - before
        price = self._prices.in_quote(spec.currency, spends, at)
        trade = self.entities.open_smart_trade(Purchase(spec.currency, spends, amount, price), at)
        if spec.open_seconds is not None:
            trade.end("completed" if spec.sells_back else "cancelled", at + spec.open_seconds)
            if spec.sells_back:
                self._plan(Fill(at + spec.open_seconds, spec.currency, amount, spends))

    @property
    def _span(self) -> float:
        return self._rules.last_seconds - self._rules.first_seconds

    def _sell_bought(self, bought: Purchase, at: float) -> None:
        """Create an order for what a deal has bought, as far as it is still there."""
        held = self.holdings.get(bought.base, Position(amount=ZERO))
        amount = min(bought.amount, held.amount - held.on_orders)
        if amount > 0:
            self.holdings[bought.base] = replace(held, on_orders=held.on_orders + amount)
            self._plan(Fill(at, bought.base, amount, bought.quote))

    def _choose(self, index: int) -> Purchase:
        """Return what a bot or trade of this number has bought: some of a coin that the account holds."""
        coins = [
            code
            for code, held in self.holdings.items()
            if code not in {"BTC", *DOLLARS} and self._sellable(code, held, 0)
        ]
        base = coins[index % len(coins)] if coins else "BTC"
        quote = next((code for code in (self.exchange.dollar, "USDT") if self._prices.knows(code)), "BTC")
        with precise():
            _, price_usd = self._prices.of(base, 0)
            price = price_usd / self._prices.of(quote, 0)[1] * _OPENED_AT[index % len(_OPENED_AT)]
            held = self.holdings.get(base, Position(amount=ZERO)).amount
            amount = coin(held * _PART_OF_A_DEAL or _DOLLARS_OF_A_DEAL / price_usd)
        return Purchase(base, quote, amount, coin(price))

    def _sellable(self, currency: str, held: Position, now: float) -> bool:
        if held.state != "free":
            return False
        with precise():
            return held.amount * self._prices.of(currency, now)[0] >= self._rules.min_order_btc

    def _place(self, sell: AppliedSell, into: str, now: float) -> None:
        """Plan the fills: the orders are done one after another, each in as many steps as the rules say."""
        rules = self._rules
        for index, (currency, amount) in enumerate(sell.orders.items(), start=1):
            self.holdings[currency] = replace(self.holdings[currency], on_orders=amount)
            done_at = now + rules.first_seconds + self._span * index / len(sell.orders)
            filled = coin(amount * rules.fraction)
            part = coin(filled / rules.steps)
            for step in range(1, rules.steps + 1):
                at = now + rules.first_seconds + (done_at - now - rules.first_seconds) * step / rules.steps
                last = step == rules.steps
                self._fills.append(Fill(at, currency, filled - part * (rules.steps - 1) if last else part, into))
            if filled < amount:
                self._fills.append(Fill(done_at, currency, amount - filled, ""))
        self._fills.sort(key=lambda fill: fill.at)

    def _plan(self, fill: Fill) -> None:
        self._fills.append(fill)
        self._fills.sort(key=lambda planned: planned.at)

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
