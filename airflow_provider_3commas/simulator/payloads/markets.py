"""The exchanges that 3Commas supports."""

from __future__ import annotations

from typing import Any

from airflow_provider_3commas.simulator.exchanges import EXCHANGES


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
