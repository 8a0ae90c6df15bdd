"""Accounts: one, all together, what trades on them, and what they were worth."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator.amounts import ZERO, number, precise, text
from airflow_provider_3commas.simulator.payloads.notation import CREATED_AT, Worth, iso, worth

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.simulation import Simulation

# The real API leaks the exchange's API key in some replies. This one is easy to grep for.
_LEAKED_EXCHANGE_KEY = "simulator-LEAKED-exchange-api-key-{id}"

_DAY_PROFIT = Decimal("0.00940318181818181818")
_TOTAL_PROFIT = Decimal("-0.0151233333333333333333")
_LAST_POINTS = 500

# Fields of the Account that say nothing here but are there in the real one.
_CONSTANT_FIELDS: dict[str, Any] = {
    "auto_balance_period": 12,
    "auto_balance_portfolio_id": None,
    "auto_balance_currency_change_limit": None,
    "autobalance_enabled": False,
    "hedge_mode_available": False,
    "hedge_mode_enabled": False,
    "smart_trading_supported": True,
    "smart_selling_supported": True,
    "available_for_trading": {},
    "stats_supported": True,
    "trading_supported": True,
    "market_buy_supported": True,
    "market_sell_supported": True,
    "conditional_buy_supported": True,
    "bots_allowed": True,
    "bots_ttp_allowed": True,
    "bots_tsl_allowed": True,
    "gordon_bots_available": True,
    "multi_bots_allowed": True,
    "created_at": CREATED_AT,
    "last_auto_balance": None,
    "grid_bots_allowed": True,
    "deposit_enabled": True,
    "include_in_summary": True,
    "available_include_in_summary": True,
    "supported_market_types": ["spot"],
    "auto_balance_method": None,
    "auto_balance_error": None,
    "customer_id": None,
    "subaccount_name": None,
    "usd_profit_percentage": "4.08",
    "btc_profit_percentage": "-1.51",
    "day_profit_btc_percentage": "0.94",
    "day_profit_usd_percentage": "1.01",
    "primary_display_currency_profit_percentage": {"currency": "USD", "amount": "4.08"},
    "day_profit_primary_display_currency_percentage": {"currency": "USD", "amount": "1.0106"},
}

# What differs in one that 3Commas rebalances.
_BALANCED_FIELDS: dict[str, Any] = {
    "autobalance_enabled": True,
    "auto_balance_portfolio_id": 4101,
    "auto_balance_method": "time",
}


def account(simulation: Simulation, it: ExchangeAccount) -> dict[str, Any]:
    """Build an Account."""
    spec, exchange = it.spec, it.exchange
    return {
        "id": it.id,
        **_CONSTANT_FIELDS,
        **(_BALANCED_FIELDS if spec.autobalance_enabled else {}),
        "is_locked": spec.is_locked,
        "updated_at": iso(simulation.clock.moment()),
        "fast_convert_available": spec.fast_convert_available,
        "api_key_invalid": spec.api_key_invalid,
        "market_icon": f"https://3commas.io/img/exchanges/{spec.market_code}.png",
        "api_key": _LEAKED_EXCHANGE_KEY.format(id=it.id),
        "name": spec.name,
        "lock_reason": spec.lock_reason,
        **_values(worth(simulation, simulation.seen(it))),
        "pretty_display_type": exchange.display_type,
        "exchange_name": exchange.exchange_name,
        "market_code": spec.market_code,
        "api_keys_state": spec.api_keys_state,
        **spec.fields,
    }


def summary(simulation: Simulation, accounts: list[ExchangeAccount]) -> dict[str, Any]:
    """Build the Account that stands for all accounts together."""
    return {
        "id": "summary",
        **_CONSTANT_FIELDS,
        "name": "Summary",
        **_values(worth(simulation, *map(simulation.seen, accounts))),
        "market_code": "summary",
    }


def _values(total: Worth) -> dict[str, Any]:
    with precise():
        day = Worth(total.btc * _DAY_PROFIT, total.usd * _DAY_PROFIT)
        profit = Worth(total.btc * _TOTAL_PROFIT, total.usd * _TOTAL_PROFIT)
    return {
        "primary_display_currency_profit": {"currency": "USD", "amount": text(profit.usd)},
        "day_profit_primary_display_currency": {"currency": "USD", "amount": text(day.usd)},
        "primary_display_currency_amount": {"currency": "USD", "amount": text(total.usd)},
        "total_primary_display_currency_profit": {"currency": "USD", "amount": number(profit.usd)},
        "btc_amount": text(total.btc),
        "usd_amount": text(total.usd),
        "day_profit_btc": text(day.btc),
        "day_profit_usd": text(day.usd),
        "btc_profit": text(profit.btc),
        "usd_profit": text(profit.usd),
        "total_btc_profit": text(profit.btc),
        "total_usd_profit": text(profit.usd),
    }


def active_entities(simulation: Simulation, accounts: list[ExchangeAccount]) -> dict[str, Any]:
    """Build the counts of ``active_trading_entities``."""
    total: Counter[str] = Counter()
    for it in accounts:
        it.settle(simulation.clock.now())
        total.update(it.entities.active())
    return {
        "data": {
            "active_bots_count": total["bots"],
            "active_deals_count": total["deals"],
            "active_smart_trades_count": total["smart_trades"],
            "active_orders_count": total["orders"],
            "active_grid_bots_count": total["grid_bots"],
        }
    }


def balance_chart(
    simulation: Simulation, accounts: list[ExchangeAccount], first: datetime, last: datetime | None
) -> list[dict[str, Any]]:
    """Build the points of ``balance_chart_data``: one for each whole hour, until now at most."""
    total = worth(simulation, *map(simulation.seen, accounts))
    end = min(last or simulation.clock.moment(), simulation.clock.moment())
    hour = first.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    points: list[dict[str, Any]] = []
    while hour <= end and len(points) < _LAST_POINTS:
        # A made up history: a slow saw-tooth below today's worth.
        factor = 1 - Decimal(hour.hour) / 1000
        points.append(
            {
                "date": int(hour.timestamp()),
                "usd": number(total.usd * factor),
                "btc": number(total.btc * factor),
                "btc_deposit_amount": number(ZERO),
                "usd_deposit_amount": number(ZERO),
            }
        )
        hour += timedelta(hours=1)
    return points
