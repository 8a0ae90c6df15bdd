"""What the payloads share: names of coins, dates, and what balances are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_3commas.simulator.amounts import ZERO, precise

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from airflow_provider_3commas.simulator.balance_view import Seen
    from airflow_provider_3commas.simulator.simulation import Simulation

CREATED_AT = "2023-06-19T16:50:57.303Z"

COINS = {
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


class Worth(NamedTuple):
    """What balances are worth in BTC and in US dollars."""

    btc: Decimal
    usd: Decimal


def worth(simulation: Simulation, *seen: Seen) -> Worth:
    """Return what accounts are worth together at current prices, unrounded."""
    now = simulation.clock.now()
    btc = usd = ZERO
    with precise():
        for each in seen:
            for currency, at in each.total.items():
                in_btc, in_usd = simulation.prices.of(currency, now)
                btc += at.amount * in_btc
                usd += at.amount * in_usd
    return Worth(btc, usd)


def iso(moment: datetime) -> str:
    """Format a date as the API does: ``2023-06-19T17:16:29.008Z``."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
