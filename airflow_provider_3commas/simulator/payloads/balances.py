"""What an account holds: the rows of ``account_table_data`` and the shares of ``pie_chart_data``."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator.amounts import ZERO, number, precise, text
from airflow_provider_3commas.simulator.payloads.notation import COINS, worth

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.account_specs import Position
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.simulation import Simulation

_HUNDRED = Decimal(100)


def balance_rows(simulation: Simulation, it: ExchangeAccount) -> list[dict[str, Any]]:
    """Build the rows of ``account_table_data``; strings and JSON numbers alternate, as in the real one."""
    seen = simulation.seen(it)
    total = worth(simulation, seen).btc
    return [
        {"account_id": it.id, **_balance_row(simulation, currency, at, total, number if index % 2 else text)}
        for index, (currency, at) in enumerate(seen.rows.items())
    ]


def _balance_row(simulation: Simulation, currency: str, at: Position, total: Decimal, write: Any) -> dict[str, Any]:
    in_btc, in_usd = simulation.prices.of(currency, simulation.clock.now())
    name, _ = COINS.get(simulation.prices.coin_of(currency), (currency, None))
    available = ZERO if at.state == "staked" else at.amount - at.on_orders
    with precise():
        btc, usd = at.amount * in_btc, at.amount * in_usd
        share = _percentage(btc, total)
    return {
        "percentage": number(share),
        "position": write(at.amount),
        "position_available": write(available),
        "position_type": number(ZERO),
        "btc_value": write(btc),
        "usd_value": text(usd),
        "currency_code": currency,
        "currency_name": name,
        "currency_icon": f"https://3commas.io/img/currencies/{currency.lower()}.png",
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
        "available_long": "0.0",
        "available_short": "0.0",
        "available_with_leverage_long": "0.0",
        "available_with_leverage_short": "0.0",
        "is_wallet": False,
    }


def _percentage(part: Decimal, total: Decimal) -> Decimal:
    return round(part / total * _HUNDRED, 2) if total else ZERO


def shares(simulation: Simulation, it: ExchangeAccount) -> list[dict[str, Any]]:
    """Build the shares of ``pie_chart_data``."""
    seen = simulation.seen(it)
    total = worth(simulation, seen).btc
    rows = []
    for currency, at in seen.rows.items():
        name, cmc_id = COINS.get(simulation.prices.coin_of(currency), (currency, None))
        in_btc, in_usd = simulation.prices.of(currency, simulation.clock.now())
        with precise():
            btc, usd = at.amount * in_btc, at.amount * in_usd
            share = _percentage(btc, total)
        rows.append(
            {
                "code": currency,
                "name": f"{name} ({currency})",
                "coinmarketcapid": None if cmc_id is None else str(cmc_id),
                "y": number(share),
                "percentage": number(share),
                "amount": number(at.amount),
                "btc_value": text(btc),
                "usd_value": number(usd),
                "primary_display_currency": {"currency": "USD", "amount": text(usd)},
                "account_id": it.id,
            }
        )
    return rows
