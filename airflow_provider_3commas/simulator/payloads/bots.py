"""DCA bots and grid bots."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator.amounts import ZERO, coin, precise, text
from airflow_provider_3commas.simulator.payloads import deals
from airflow_provider_3commas.simulator.payloads.notation import CREATED_AT, iso

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.simulation import Simulation
    from airflow_provider_3commas.simulator.trading_entities import Bot

# Whoever knows it can copy the bot: a credential, so this one is easy to grep for.
_LEAKED_URL_SECRET = "simulator-LEAKED-url-secret-{id}"  # noqa: S105

# What a DCA bot is set to; it places no safety orders, so that its deals hold what their base order bought.
_DCA_SETTINGS: dict[str, Any] = {
    "max_safety_orders": 0,
    "active_safety_orders_count": 0,
    "strategy_list": [{"options": {}, "strategy": "nonstop"}],
    "close_strategy_list": [],
    "safety_strategy_list": [],
    "created_at": CREATED_AT,
    "trailing_enabled": False,
    "tsl_enabled": False,
    "deal_start_delay_seconds": None,
    "stop_loss_timeout_enabled": False,
    "stop_loss_timeout_in_seconds": 0,
    "disable_after_deals_count": None,
    "deals_counter": None,
    "allowed_deals_on_same_pair": None,
    "easy_form_supported": False,
    "close_deals_timeout": None,
    "take_profit_steps": [],
    "take_profit": text(deals.TAKE_PROFIT),
    "min_profit_percentage": "0.0",
    "safety_order_volume": "25.0",
    "safety_order_step_percentage": "1.5",
    "take_profit_type": "base",
    "min_profit_type": None,
    "type": "Bot::SingleBot",
    "martingale_volume_coefficient": "1.0",
    "martingale_step_coefficient": "1.0",
    "stop_loss_percentage": "0.0",
    "cooldown": "60",
    "btc_price_limit": "0.0",
    "strategy": "long",
    "min_volume_btc_24h": "0.0",
    "profit_currency": "quote_currency",
    "min_price": None,
    "max_price": None,
    "stop_loss_type": "stop_loss",
    "safety_order_volume_type": "quote_currency",
    "base_order_volume_type": "quote_currency",
    "trailing_deviation": "0.2",
    "leverage_type": "not_specified",
    "leverage_custom_value": None,
    "start_order_type": "market",
    "reinvesting_percentage": "0.0",
    "risk_reduction_percentage": "0.0",
    "reinvested_volume_usd": None,
    "min_price_percentage": None,
    "max_price_percentage": None,
}

_GRID_SETTINGS: dict[str, Any] = {
    "created_at": CREATED_AT,
    "strategy_type": "manual",
    "upper_stop_loss_enabled": False,
    "lower_stop_loss_enabled": False,
    "note": None,
    "lower_stop_loss_price": None,
    "lower_stop_loss_action": "stop_bot",
    "upper_stop_loss_price": None,
    "upper_stop_loss_action": "stop_bot",
    "leverage_type": "not_specified",
    "leverage_custom_value": "1.0",
    "current_profit": "0.0",
    "current_profit_usd": "0.0",
    "total_profits_count": "0",
    "bought_volume": "0.0",
    "sold_volume": "0.0",
    "profit_percentage": "0.0",
    "order_currency_type": "quote",
    "profit_currency_type": "quote",
    "trailing_up_enabled": "false",
    "grid_type": "arithmetic",
    "investment_base_currency": "0.0",
    "unrealized_profit_loss": "0.0",
    "current_profit_loss": None,
    "current_profit_loss_percent": None,
    "expansion_down_enabled": "false",
    "expansion_down_stop_price": None,
    "mode": None,
}
# The lines of a grid as factors of the price at its start, from the lowest to the highest.
_GRID_LINES = (Decimal("0.9"), Decimal("0.96"), Decimal("1.04"), Decimal("1.1"))


def dca_bot(simulation: Simulation, it: ExchangeAccount, bot: Bot) -> dict[str, Any]:
    """Build a DCA bot."""
    own = [deal for deal in it.entities.deals if deal.bot is not None and deal.bot.id == bot.id]
    shown = [deals.deal(simulation, it, deal) for deal in own]
    active = [one for one in shown if not one["finished?"]]
    finished = [one for one in shown if one["finished?"]]
    with precise():
        volume = bot.buys.amount * bot.buys.price
    return {
        "id": bot.id,
        "account_id": it.id,
        "is_enabled": bot.enabled,
        **_DCA_SETTINGS,
        "pairs": [bot.buys.pair],
        "max_active_deals": max(1, len(active)),
        "active_deals_count": len(active),
        "deletable?": not (active or bot.enabled),
        "updated_at": iso(simulation.clock.moment()),
        "url_secret": _LEAKED_URL_SECRET.format(id=bot.id),
        "name": bot_name(bot),
        "base_order_volume": text(volume),
        "account_name": it.spec.name,
        "finished_deals_profit_usd": text(_total(finished, "usd_final_profit")),
        "finished_deals_count": str(len(finished)),
        "active_deals_usd_profit": text(_total(active, "actual_usd_profit")),
    }


def changed_dca_bot(simulation: Simulation, it: ExchangeAccount, bot: Bot) -> dict[str, Any]:
    """Build a DCA bot as it is answered after a change: with its active deals."""
    active = [deals.deal(simulation, it, deal) for deal in it.entities.deals_of(bot)]
    return {**dca_bot(simulation, it, bot), "active_deals": active}


def grid_bot(simulation: Simulation, it: ExchangeAccount, bot: Bot) -> dict[str, Any]:
    """Build a grid bot."""
    bought = bot.buys
    with precise():
        prices = [coin(bought.price * factor) for factor in _GRID_LINES]
        step = (prices[-1] - prices[0]) / (len(prices) - 1)
        per_grid = bought.amount * bought.price
        current = simulation.prices.in_quote(bought.base, bought.quote, simulation.clock.now())
    return {
        "id": bot.id,
        "account_id": it.id,
        "account_name": it.spec.name,
        "is_enabled": bot.enabled,
        **_GRID_SETTINGS,
        "grids_quantity": str(len(prices)),
        "updated_at": iso(simulation.clock.moment()),
        "editable": bot.enabled,
        "lower_price": text(prices[0]),
        "upper_price": text(prices[-1]),
        "quantity_per_grid": text(per_grid),
        "name": bot_name(bot),
        "pair": bought.pair,
        "start_price": text(bought.price),
        "grid_price_step": text(step),
        "current_price": text(current),
        "max_active_buy_lines": str(len(prices)),
        "max_active_sell_lines": str(len(prices)),
        "investment_quote_currency": text(per_grid * len(prices)),
        "orderbook_price_currency": bought.quote,
        "grid_lines": [
            {
                "id": bot.id * 100 + number,
                "price": text(price),
                "side": "buy" if price < bought.price else "sell",
                "order_placed": bot.enabled,
            }
            for number, price in enumerate(prices, start=1)
        ],
    }


def bot_name(bot: Bot) -> str:
    """Return what a bot is called."""
    return f"{bot.kind.upper()} bot {bot.id}"


def _total(shown: list[dict[str, Any]], name: str) -> Decimal:
    with precise():
        return sum((Decimal(one[name]) for one in shown), ZERO)
