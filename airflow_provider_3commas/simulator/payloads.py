"""The JSON that the API answers with, with the same mix of notations as the real one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_3commas.simulator.amounts import ZERO, number, precise, text
from airflow_provider_3commas.simulator.exchanges import EXCHANGES

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.balance_view import Seen
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.scenarios import Position
    from airflow_provider_3commas.simulator.simulation import Simulation
    from airflow_provider_3commas.simulator.trading_entities import Bot

# The real API leaks the exchange's API key in some replies. This one is easy to grep for.
_LEAKED_EXCHANGE_KEY = "simulator-LEAKED-exchange-api-key-{id}"

_CREATED_AT = "2023-06-19T16:50:57.303Z"
_DAY_PROFIT = Decimal("0.00940318181818181818")
_TOTAL_PROFIT = Decimal("-0.0151233333333333333333")
_HUNDRED = Decimal(100)
_LAST_POINTS = 500

_COINS = {
    "BTC": ("Bitcoin", 1),
    "ETH": ("Ethereum", 1027),
    "SOL": ("Solana", 5426),
    "BNB": ("BNB", 1839),
    "XRP": ("XRP", 52),
    "ADA": ("Cardano", 2010),
    "DOT": ("Polkadot", 6636),
    "DOGE": ("Dogecoin", 74),
    "SHIB": ("Shiba Inu", 5994),
    "LUNC": ("Terra Classic", 4172),
    "XMR": ("Monero", 328),
    "USDT": ("Tether", 825),
    "USDC": ("USD Coin", 3408),
    "USD": ("US Dollar", 2781),
}

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
    "created_at": _CREATED_AT,
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


class _Worth(NamedTuple):
    """What balances are worth in BTC and in US dollars."""

    btc: Decimal
    usd: Decimal


def _worth(simulation: Simulation, *seen: Seen) -> _Worth:
    """Return what accounts are worth together at current prices, unrounded."""
    now = simulation.clock.now()
    btc = usd = ZERO
    with precise():
        for each in seen:
            for currency, at in each.total.items():
                in_btc, in_usd = simulation.prices.of(currency, now)
                btc += at.amount * in_btc
                usd += at.amount * in_usd
    return _Worth(btc, usd)


def account(simulation: Simulation, it: ExchangeAccount) -> dict[str, Any]:
    """Build an Account."""
    spec, exchange = it.spec, it.exchange
    return {
        "id": it.id,
        **_CONSTANT_FIELDS,
        "is_locked": spec.is_locked,
        "updated_at": _iso(simulation.clock.moment()),
        "fast_convert_available": spec.fast_convert_available,
        "api_key_invalid": spec.api_key_invalid,
        "market_icon": f"https://3commas.io/img/exchanges/{spec.market_code}.png",
        "api_key": _LEAKED_EXCHANGE_KEY.format(id=it.id),
        "name": spec.name,
        "lock_reason": spec.lock_reason,
        **_values(_worth(simulation, simulation.seen(it))),
        "pretty_display_type": exchange.display_type,
        "exchange_name": exchange.exchange_name,
        "market_code": spec.market_code,
        "api_keys_state": spec.api_keys_state,
        **spec.fields,
    }


def _iso(moment: datetime) -> str:
    """Format a date as the API does: ``2023-06-19T17:16:29.008Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def summary(simulation: Simulation, accounts: list[ExchangeAccount]) -> dict[str, Any]:
    """Build the Account that stands for all accounts together."""
    return {
        "id": "summary",
        **_CONSTANT_FIELDS,
        "name": "Summary",
        **_values(_worth(simulation, *map(simulation.seen, accounts))),
        "market_code": "summary",
    }


def _values(total: _Worth) -> dict[str, Any]:
    with precise():
        day = _Worth(total.btc * _DAY_PROFIT, total.usd * _DAY_PROFIT)
        profit = _Worth(total.btc * _TOTAL_PROFIT, total.usd * _TOTAL_PROFIT)
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


def balance_rows(simulation: Simulation, it: ExchangeAccount) -> list[dict[str, Any]]:
    """Build the rows of ``account_table_data``; strings and JSON numbers alternate, as in the real one."""
    seen = simulation.seen(it)
    total = _worth(simulation, seen).btc
    return [
        {"account_id": it.id, **_balance_row(simulation, currency, at, total, number if index % 2 else text)}
        for index, (currency, at) in enumerate(seen.rows.items())
    ]


def _balance_row(simulation: Simulation, currency: str, at: Position, total: Decimal, write: Any) -> dict[str, Any]:
    in_btc, in_usd = simulation.prices.of(currency, simulation.clock.now())
    name, _ = _COINS.get(currency, (currency, None))
    available = ZERO if at.state == "staked" else at.amount - at.on_orders
    with precise():
        btc, usd = at.amount * in_btc, at.amount * in_usd
        free_btc, free_usd = available * in_btc, available * in_usd
        share = _percentage(btc, total)
    return {
        "percentage": number(share),
        "position": write(at.amount),
        "position_available": write(available),
        "position_type": "long",
        "btc_value": write(btc),
        "usd_value": text(usd),
        "currency_code": currency,
        "currency_name": name,
        "currency_slug": name.lower().replace(" ", "-"),
        "current_price": number(in_btc),
        "current_price_usd": write(in_usd),
        "day_change_percent": "0.94",
        "day_change_percent_btc": number(Decimal("-0.0000212")),
        "day_change_percent_usd": "1.01",
        "borrowed": "0.0",
        "equity": write(at.amount),
        "on_orders": write(at.on_orders),
        "on_orders_long": write(at.on_orders),
        "on_orders_short": "0.0",
        "on_orders_with_leverage": "0.0",
        "available_btc_value": write(free_btc),
        "available_usd_value": text(free_usd),
        "is_wallet": False,
    }


def _percentage(part: Decimal, total: Decimal) -> Decimal:
    return round(part / total * _HUNDRED, 2) if total else ZERO


def shares(simulation: Simulation, it: ExchangeAccount) -> list[dict[str, Any]]:
    """Build the shares of ``pie_chart_data``."""
    seen = simulation.seen(it)
    total = _worth(simulation, seen).btc
    rows = []
    for currency, at in seen.rows.items():
        name, cmc_id = _COINS.get(currency, (currency, None))
        in_btc, in_usd = simulation.prices.of(currency, simulation.clock.now())
        with precise():
            btc, usd = at.amount * in_btc, at.amount * in_usd
            share = _percentage(btc, total)
        rows.append(
            {
                "code": currency,
                "name": name,
                "coinmarketcapid": cmc_id,
                "percentage": number(share),
                "amount": number(at.amount),
                "btc_value": text(btc),
                "usd_value": number(usd),
                "primary_display_currency": {"currency": "USD", "amount": text(usd)},
                "account_id": it.id,
            }
        )
    return rows


def active_entities(simulation: Simulation, accounts: list[ExchangeAccount]) -> dict[str, Any]:
    """Build the counts of ``active_trading_entities``."""
    total: Counter[str] = Counter()
    for it in accounts:
        it.entities.settle(simulation.clock.now())
        total.update(it.entities.active())
    return {
        "data": {
            "active_bots_count": total["bots"] + total["signal_bots"],
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
    total = _worth(simulation, *map(simulation.seen, accounts))
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


def bot(it: ExchangeAccount, one: Bot) -> dict[str, Any]:
    """Build a bot."""
    common: dict[str, Any] = {
        "id": one.id,
        "account_id": it.id,
        "account_name": it.spec.name,
        "is_enabled": one.enabled,
        "name": f"{one.kind.upper()} bot {one.id}",
        "created_at": _CREATED_AT,
    }
    if one.kind == "grid":
        return {**common, "pair": "USDT_BTC", "grids_quantity": "10", "upper_price": "70000.0"}
    return {
        **common,
        "pairs": ["USDT_ETH"],
        "strategy": "long",
        "max_active_deals": 1,
        "active_deals_count": 0,
        "base_order_volume": "10.0",
    }


def market_list() -> list[dict[str, Any]]:
    """Build the list of exchanges."""
    return [
        {
            "market_name": exchange.exchange_name,
            "market_url": "https://3commas.io",
            "market_icon": f"https://3commas.io/img/exchanges/{code}.png",
            "help_link": None,
            "nomics_id": None,
            "market_code": code,
        }
        for code, exchange in EXCHANGES.items()
    ]
