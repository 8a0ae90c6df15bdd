"""The exchange accounts of a scenario."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from airflow_provider_3commas.simulator.amounts import ZERO
from airflow_provider_3commas.simulator.records import SUBSCRIPTION_REQUIRED, Access, Count, Positive, Seconds, Strict

PAPER_MARKET_CODE = "paper_trading"


class Position(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """How much of a currency an account holds.

    :param amount: all of it, orders included.
    :param state: ``free``; ``staked`` is neither available nor sellable, ``delisted`` is not sellable.
    :param on_orders: how much of it lies in open orders.
    """

    amount: Decimal
    state: Literal["free", "staked", "delisted"] = "free"
    on_orders: Decimal = ZERO

    def __post_init__(self) -> None:
        if not (self.amount.is_finite() and self.amount >= 0):
            raise ValueError("amount is not a number of zero or more")
        if not (self.on_orders.is_finite() and 0 <= self.on_orders <= self.amount):
            raise ValueError("on_orders is not between zero and amount")


def as_position(holding: Decimal | Position) -> Position:
    """Return a holding in its long form; raise ValueError for a number that can't be one."""
    return holding if isinstance(holding, Position) else Position(amount=holding)


class SignalSpec(Strict):
    """What a Signal Bot buys: through a SmartTrade, which is all that the API ever shows of it.

    :param after_seconds: how long after a sell, in simulated time; if ordered through the control interface, from now.
    :param open_seconds: how long its SmartTrade stays open; null for good.
    :param currency: what it buys.
    :param fraction: which part of what the account holds of the currency that it was sold into, or else of dollars,
        it spends.
    :param sells_back: whether the coins are sold when the SmartTrade ends; otherwise they stay.
    """

    after_seconds: Seconds = 0
    open_seconds: Seconds | None = 120
    currency: str = "ETH"
    fraction: Decimal = Decimal("0.3")
    sells_back: bool = True

    def __post_init__(self) -> None:
        if not (self.fraction.is_finite() and 0 < self.fraction <= 1):
            raise ValueError("fraction is not above 0 and at most 1")


class AccountSpec(Strict):
    """An exchange account that 3Commas knows.

    :param id: its 3Commas id.
    :param name: its name.
    :param market_code: its exchange; ``paper_trading`` makes it a paper account.
    :param holdings: amount, or an object with ``amount``, ``state`` and ``on_orders``, by currency; coins that earn,
        with a code of their own like ``ADA.F`` or ``LDBTC``, are staked.
    :param bots: how many DCA bots run.
    :param grid_bots: how many grid bots run.
    :param signal_bots: how many Signal Bots run; a sell leaves them alone, and no call shows them.
    :param signal: what each of them buys after a sell; nothing if left out.
    :param deals: how many deals are active.
    :param smart_trades: how many smart trades are active.
    :param orders: how many orders are active.
    :param is_locked: whether the account is locked.
    :param lock_reason: why.
    :param fast_convert_available: whether there is a sell-all.
    :param api_key_invalid: whether the exchange rejects the keys that 3Commas holds.
    :param api_keys_state: ``ok``, ``expired``, ...
    :param autobalance_enabled: whether 3Commas may rebalance the account, which buys again.
    :param forbidden: classes of calls, ``reads`` and ``writes``, that answer 403 because of its state.
    :param forbidden_text: what such a 403 gives as the reason; null for none.
    :param exchange_error: what calls that reach the exchange answer with 422: ``unprocessable_entity`` does nothing,
        ``unknown_market_api_error`` comes in the middle of it.
    :param exchange_error_after: how many orders of a sell are created before an ``unknown_market_api_error``.
    :param fields: fields of the Account JSON that shall have another value, or none at all (null).
    """

    id: Positive
    name: str
    market_code: str = "binance"
    holdings: dict[str, Decimal | Position] = msgspec.field(default_factory=dict)
    bots: Count = 0
    grid_bots: Count = 0
    signal_bots: Count = 0
    signal: SignalSpec | None = None
    deals: Count = 0
    smart_trades: Count = 0
    orders: Count = 0
    is_locked: bool = False
    lock_reason: str | None = None
    fast_convert_available: bool = True
    api_key_invalid: bool = False
    api_keys_state: str = "ok"
    autobalance_enabled: bool = False
    forbidden: list[Access] = msgspec.field(default_factory=list)
    forbidden_text: str | None = SUBSCRIPTION_REQUIRED
    exchange_error: Literal["unprocessable_entity", "unknown_market_api_error"] | None = None
    exchange_error_after: Count = 0
    fields: dict[str, Any] = msgspec.field(default_factory=dict)


class FleetSpec(Strict):
    """Many accounts that are alike.

    :param count: how many.
    :param first_id: id of the first; the others follow.
    :param market_codes: their exchanges, in turn.
    :param holdings: what the first one holds; the others hold more or less of the same.
    :param bots: how many DCA bots run on each.
    :param deals: how many deals are active on each.
    """

    count: Count
    first_id: Positive
    market_codes: Annotated[list[str], msgspec.Meta(min_length=1)]
    holdings: dict[str, Decimal]
    bots: Count = 0
    deals: Count = 0

    def __post_init__(self) -> None:
        for amount in self.holdings.values():
            as_position(amount)
