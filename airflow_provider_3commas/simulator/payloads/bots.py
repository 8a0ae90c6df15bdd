"""DCA bots and grid bots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator.payloads.notation import CREATED_AT

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.trading_entities import Bot


def bot(it: ExchangeAccount, one: Bot) -> dict[str, Any]:
    """Build a bot."""
    common: dict[str, Any] = {
        "id": one.id,
        "account_id": it.id,
        "account_name": it.spec.name,
        "is_enabled": one.enabled,
        "name": f"{one.kind.upper()} bot {one.id}",
        "created_at": CREATED_AT,
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
