"""Deals of DCA bots."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_3commas.simulator.amounts import ZERO, coin, precise, text
from airflow_provider_3commas.simulator.payloads.notation import iso

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.simulation import Simulation
    from airflow_provider_3commas.simulator.trading_entities import Trade

TAKE_PROFIT = Decimal("1.5")

# Bot of a deal whose bot was deleted since.
_NO_BOT = {"bot_id": 0, "bot_name": ""}

_SETTINGS: dict[str, Any] = {
    "from_currency_id": 0,
    "to_currency_id": 0,
    "type": "Deal",
    "max_safety_orders": 0,
    "deal_has_error": False,
    "active_safety_orders_count": 0,
    "current_active_safety_orders_count": 0,
    "current_active_safety_orders": 0,
    "completed_safety_orders_count": 0,
    "completed_manual_safety_orders_count": 0,
    "trailing_enabled": False,
    "tsl_enabled": False,
    "stop_loss_timeout_enabled": False,
    "stop_loss_timeout_in_seconds": 0,
    "active_manual_safety_orders": 0,
    "take_profit": text(TAKE_PROFIT),
    "take_profit_steps": [],
    "safety_order_volume": "25.0",
    "safety_order_step_percentage": "1.5",
    "leverage_type": "not_specified",
    "leverage_custom_value": None,
    "take_profit_type": "base",
    "martingale_coefficient": "1.0",
    "martingale_volume_coefficient": "1.0",
    "martingale_step_coefficient": "1.0",
    "stop_loss_percentage": "0.0",
    "sl_to_breakeven_enabled": False,
    "sl_to_breakeven_data": None,
    "error_message": None,
    "profit_currency": "quote_currency",
    "stop_loss_type": "stop_loss",
    "safety_order_volume_type": "quote_currency",
    "base_order_volume_type": "quote_currency",
    "failed_message": None,
    "trailing_deviation": "0.2",
    "trailing_max_price": None,
    "tsl_max_price": None,
    "strategy": "long",
    "last_known_position_info": None,
    "min_profit_percentage": "0.0",
    "min_profit_type": None,
    "close_strategy_list": [],
    "safety_strategy_list": [],
    "note": None,
    "smart_trade_convertable": False,
    "market_type": "spot",
    "stop_loss_price": None,
    "reserved_quote_funds": "0.0",
    "reserved_base_funds": "0.0",
    "crypto_widget": None,
}

# Status and its text by how a deal ends: while it ends, and then.
_ENDINGS = {
    "panic_sold": (("panic_sell_pending", "Closing at Market Price"), ("panic_sold", "Closed at Market Price")),
    "cancelled": (("cancel_pending", "Cancel pending"), ("cancelled", "Cancelled")),
    "completed": (("bought", "Active"), ("completed", "Completed")),
}


class Result(NamedTuple):
    """What a deal or a SmartTrade is worth or was sold for: a price, and what was won, also in dollars and percent."""

    price: Decimal
    profit: Decimal
    usd: Decimal
    percent: Decimal


def result(simulation: Simulation, it: Trade) -> Result:
    """Return what a trade has won: at the price of its end, or at the current one."""
    at = simulation.clock.now() if it.closed_at is None else it.closed_at
    bought = it.bought
    with precise():
        price = simulation.prices.in_quote(bought.base, bought.quote, at)
        profit = (price - bought.price) * bought.amount
        usd = profit * simulation.prices.of(bought.quote, at)[1]
        return Result(price, coin(profit), coin(usd), round((price / bought.price - 1) * 100, 2))


def deal(simulation: Simulation, it: ExchangeAccount, one: Trade) -> dict[str, Any]:
    """Build a deal."""
    bought, closed = one.bought, one.closed_at is not None
    now = result(simulation, one)
    sold = closed and one.ending != "cancelled"
    status, shown_status = _ENDINGS[one.ending][closed] if one.ending else ("bought", "Active")
    with precise():
        volume = bought.amount * bought.price
        target = coin(bought.price * (1 + TAKE_PROFIT / 100))
        sold_volume = bought.amount * now.price
    return {
        "id": one.id,
        **_SETTINGS,
        **({"bot_id": one.bot.id, "bot_name": f"DCA bot {one.bot.id}"} if one.bot else _NO_BOT),
        "account_id": it.id,
        "account_name": it.spec.name,
        "created_at": iso(simulation.clock.moment(one.opened_at)),
        "updated_at": iso(simulation.clock.moment(one.closed_at)),
        "closed_at": iso(simulation.clock.moment(one.closed_at)) if closed else None,
        "finished?": closed,
        "cancellable?": not closed,
        "panic_sellable?": one.ending is None,
        "add_fundable": one.ending is None,
        "pair": bought.pair,
        "status": status,
        "localized_status": shown_status,
        "base_order_volume": text(volume),
        "bought_amount": text(bought.amount),
        "bought_volume": text(volume),
        "bought_average_price": text(bought.price),
        "base_order_average_price": text(bought.price),
        "sold_amount": text(bought.amount) if sold else "0.0",
        "sold_volume": text(sold_volume) if sold else "0.0",
        "sold_average_price": text(now.price) if sold else "0",
        "final_profit": text(now.profit) if sold else "0.0",
        "final_profit_percentage": text(now.percent) if sold else "0",
        "usd_final_profit": text(now.usd) if sold else "0.0",
        "from_currency": bought.quote,
        "to_currency": bought.base,
        "actual_profit": text(ZERO if closed else now.profit),
        "actual_usd_profit": text(ZERO if closed else now.usd),
        "actual_profit_percentage": text(ZERO if closed else now.percent),
        "reserved_base_coin": text(volume),
        "reserved_second_coin": text(bought.amount),
        "current_price": text(now.price),
        "take_profit_price": text(target),
        "orderbook_price_currency": bought.quote,
    }


def deal_in_full(simulation: Simulation, it: ExchangeAccount, one: Trade) -> dict[str, Any]:
    """Build a deal as it is answered alone: with what has happened to it."""
    shown = deal(simulation, it, one)
    size = f"{shown['bought_volume']} {one.bought.quote} ({shown['bought_amount']} {one.bought.base})"
    events = [("Base order executed. Price: {bought_average_price}. Size: " + size, "created_at")]
    if one.ending == "panic_sold":
        events.append(("Closing the deal at market price", "updated_at"))
    if shown["finished?"]:
        events.append(("{localized_status}. Price: {current_price}", "closed_at"))
    told = [{"message": message.format(**shown), "created_at": shown[at]} for message, at in events]
    return {**shown, "buy_steps": [], "bot_events": told}
