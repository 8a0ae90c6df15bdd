"""SmartTrades, as ``/v2/smart_trades`` lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator.amounts import precise, text
from airflow_provider_3commas.simulator.payloads.deals import result
from airflow_provider_3commas.simulator.payloads.notation import iso

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.payloads.deals import Result
    from airflow_provider_3commas.simulator.simulation import Simulation
    from airflow_provider_3commas.simulator.trading_entities import Purchase, Trade

_STATUSES = {
    "": ("waiting_targets", "Waiting Targets"),
    "cancelled": ("cancelled", "Cancelled"),
    "panic_sold": ("panic_sold", "Closed at Market Price"),
    "completed": ("finished", "Finished"),
}


def smart_trade(simulation: Simulation, it: ExchangeAccount, one: Trade) -> dict[str, Any]:
    """Build a SmartTrade."""
    closed = one.closed_at is not None
    kind, title = _STATUSES[(one.ending or "") if closed else ""]
    now = result(simulation, one)
    sold = closed and one.ending != "cancelled"
    status = {"type": kind, "basic_type": kind, "title": title}
    return {
        "id": one.id,
        "version": 2,
        "account": {
            "id": it.id,
            "type": it.spec.market_code,
            "name": it.spec.name,
            "market": it.exchange.exchange_name,
            "link": f"/accounts/{it.id}",
        },
        "pair": one.bought.pair,
        "instant": False,
        "status": status,
        "leverage": {"enabled": False},
        "position": _position(one.bought),
        "take_profit": {"enabled": True, "price_type": "value", "steps": []},
        "stop_loss": {"enabled": False},
        "reduce_funds": {"steps": []},
        "market_close": {},
        "note": "",
        "note_raw": None,
        "skip_enter_step": False,
        "data": _data(simulation, one, now, sold=sold),
        "profit": {"volume": text(now.profit), "usd": text(now.usd), "percent": text(now.percent), "roe": None},
        "margin": {"amount": None, "total": None},
        "is_position_not_filled": False,
    }


def _position(bought: Purchase) -> dict[str, Any]:
    with precise():
        total = bought.amount * bought.price
    price = text(bought.price)
    return {
        "type": "buy",
        "editable": False,
        "units": {"value": text(bought.amount), "editable": False},
        "price": {"value": price, "value_without_commission": price, "editable": False},
        "total": {"value": text(total)},
        "order_type": "market",
        "status": {"type": "finished", "basic_type": "finished", "title": "Finished"},
    }


def _data(simulation: Simulation, one: Trade, now: Result, *, sold: bool) -> dict[str, Any]:
    price, closed = text(now.price), one.closed_at is not None
    paid = text(one.bought.price)
    with precise():
        entered, received = one.bought.amount * one.bought.price, one.bought.amount * now.price
    return {
        "editable": not closed,
        "current_price": {"bid": price, "ask": price, "last": price, "quote_volume": None, "day_change_percent": "0.0"},
        "target_price_type": "price",
        "orderbook_price_currency": one.bought.quote,
        "base_order_finished": True,
        "missing_funds_to_close": "0.0",
        "liquidation_price": None,
        "average_enter_price": paid,
        "average_close_price": price if sold else None,
        "average_enter_price_without_commission": paid,
        "average_close_price_without_commission": price if sold else None,
        "panic_sell_available": not closed,
        "add_funds_available": not closed,
        "reduce_funds_available": not closed,
        "force_start_available": False,
        "force_process_available": False,
        "cancel_available": not closed,
        "finished": closed,
        "base_position_step_finished": True,
        "entered_amount": text(one.bought.amount),
        "entered_total": text(entered),
        "closed_amount": text(one.bought.amount) if sold else "0.0",
        "closed_total": text(received) if sold else "0.0",
        "commission": "0.001",
        "created_at": iso(simulation.clock.moment(one.opened_at)),
        "updated_at": iso(simulation.clock.moment(one.closed_at)),
        "closed_at": iso(simulation.clock.moment(one.closed_at)) if closed else None,
        "type": "smart_trade",
    }
