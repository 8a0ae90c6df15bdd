"""The fields that 3Commas documents for what it answers with, by kind of value; a name in `ANY` may be null."""

from __future__ import annotations

import re
from typing import Any

DECIMAL = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?$")

ACCOUNT = {
    "flag": """autobalance_enabled hedge_mode_available hedge_mode_enabled is_locked smart_trading_supported
        smart_selling_supported stats_supported trading_supported market_buy_supported market_sell_supported
        conditional_buy_supported bots_allowed bots_ttp_allowed bots_tsl_allowed gordon_bots_available
        multi_bots_allowed fast_convert_available grid_bots_allowed api_key_invalid deposit_enabled include_in_summary
        available_include_in_summary""",
    "number": """id auto_balance_period btc_amount usd_amount day_profit_btc day_profit_usd day_profit_btc_percentage
        day_profit_usd_percentage btc_profit usd_profit usd_profit_percentage btc_profit_percentage total_btc_profit
        total_usd_profit""",
    "text": "created_at updated_at market_icon name pretty_display_type exchange_name market_code api_keys_state",
    "list": "supported_market_types",
    "object": """available_for_trading primary_display_currency_profit_percentage primary_display_currency_profit
        day_profit_primary_display_currency_percentage day_profit_primary_display_currency
        primary_display_currency_amount total_primary_display_currency_profit""",
    "any": """auto_balance_portfolio_id auto_balance_currency_change_limit last_auto_balance auto_balance_method
        auto_balance_error customer_id subaccount_name lock_reason""",
}
ROW = {
    "flag": "is_wallet",
    "number": """percentage position position_available position_type borrowed on_orders on_orders_with_leverage
        on_orders_long on_orders_short equity current_price current_price_usd day_change_percent
        day_change_percent_btc day_change_percent_usd btc_value usd_value available_long available_short
        available_with_leverage_long available_with_leverage_short account_id""",
    "text": "currency_code currency_name currency_icon currency_slug",
}
SHARE = {
    "number": "coinmarketcapid y percentage amount btc_value usd_value account_id",
    "text": "code name",
    "object": "primary_display_currency",
}
MARKET = {
    "flag": "third_party_allowed",
    "text": """market_name market_url market_icon help_link market_code trusted_ips_input_type
        fast_connect_action_name""",
    "list": "available_connection_flows trusted_ips",
    "object": "form_fields",
}
DCA_BOT = {
    "flag": "is_enabled deletable? tsl_enabled stop_loss_timeout_enabled easy_form_supported",
    "number": """id account_id max_safety_orders active_safety_orders_count max_active_deals active_deals_count
        stop_loss_timeout_in_seconds take_profit min_profit_percentage base_order_volume safety_order_volume
        safety_order_step_percentage martingale_volume_coefficient martingale_step_coefficient stop_loss_percentage
        cooldown btc_price_limit min_volume_btc_24h trailing_deviation finished_deals_profit_usd finished_deals_count
        active_deals_usd_profit reinvesting_percentage risk_reduction_percentage""",
    "text": """created_at updated_at url_secret name take_profit_type type strategy profit_currency stop_loss_type
        safety_order_volume_type base_order_volume_type account_name leverage_type start_order_type""",
    "list": "pairs strategy_list close_strategy_list safety_strategy_list take_profit_steps",
    "any": """trailing_enabled deal_start_delay_seconds disable_after_deals_count deals_counter
        allowed_deals_on_same_pair close_deals_timeout min_profit_type min_price max_price leverage_custom_value
        reinvested_volume_usd min_price_percentage max_price_percentage""",
}
DCA_BOT_WITH_DEALS = {**DCA_BOT, "list": DCA_BOT["list"] + " active_deals"}
DEAL = {
    "flag": """deal_has_error finished? cancellable? panic_sellable? tsl_enabled stop_loss_timeout_enabled
        sl_to_breakeven_enabled add_fundable smart_trade_convertable""",
    "number": """from_currency_id to_currency_id id bot_id max_safety_orders account_id active_safety_orders_count
        current_active_safety_orders_count current_active_safety_orders completed_safety_orders_count
        completed_manual_safety_orders_count stop_loss_timeout_in_seconds active_manual_safety_orders take_profit
        base_order_volume safety_order_volume safety_order_step_percentage bought_amount bought_volume
        bought_average_price base_order_average_price sold_amount sold_volume sold_average_price final_profit
        martingale_coefficient martingale_volume_coefficient martingale_step_coefficient stop_loss_percentage
        final_profit_percentage usd_final_profit actual_profit actual_usd_profit reserved_base_coin
        reserved_second_coin trailing_deviation min_profit_percentage current_price take_profit_price
        actual_profit_percentage reserved_quote_funds reserved_base_funds""",
    "text": """type created_at updated_at pair status localized_status leverage_type take_profit_type profit_currency
        stop_loss_type safety_order_volume_type base_order_volume_type from_currency to_currency strategy bot_name
        account_name market_type orderbook_price_currency""",
    "list": "take_profit_steps close_strategy_list safety_strategy_list",
    "any": """closed_at trailing_enabled leverage_custom_value sl_to_breakeven_data error_message failed_message
        trailing_max_price tsl_max_price last_known_position_info min_profit_type note stop_loss_price
        crypto_widget""",
}
DEAL_IN_FULL = {**DEAL, "list": DEAL["list"] + " buy_steps bot_events"}
GRID_BOT = {
    "flag": "is_enabled upper_stop_loss_enabled lower_stop_loss_enabled editable",
    "number": """id account_id grids_quantity lower_price upper_price quantity_per_grid leverage_custom_value
        grid_price_step current_profit current_profit_usd total_profits_count bought_volume sold_volume
        profit_percentage current_price max_active_buy_lines max_active_sell_lines investment_base_currency
        investment_quote_currency unrealized_profit_loss""",
    "text": """account_name created_at updated_at strategy_type lower_stop_loss_action upper_stop_loss_action
        leverage_type name pair order_currency_type profit_currency_type trailing_up_enabled grid_type
        orderbook_price_currency expansion_down_enabled""",
    "list": "grid_lines",
    "any": """note lower_stop_loss_price upper_stop_loss_price start_price current_profit_loss
        current_profit_loss_percent expansion_down_stop_price mode""",
}
GRID_LINE = {"flag": "order_placed", "number": "id price", "any": "side"}
SMART_TRADE = {
    "flag": "instant skip_enter_step is_position_not_filled",
    "number": "id version",
    "text": "pair note",
    "object": """account status leverage position take_profit stop_loss reduce_funds market_close data profit
        margin""",
    "any": "note_raw",
}
DUST = {"number": "totalTransfered totalServiceCharge", "list": "transferResult"}
CONVERTED = {
    "number": "tranId amount transferedAmount serviceChargeAmount operateTime",
    "text": "fromAsset",
}


def kind(value: Any) -> str:
    """Return the kind of a JSON value; a decimal string counts as a number."""
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, str):
        return "number" if DECIMAL.match(value) else "text"
    if isinstance(value, (list, dict)):
        return "list" if isinstance(value, list) else "object"
    return "any" if value is None else "number"


def differences(fields: dict[str, str], got: dict[str, Any]) -> list[str]:
    """Return what is missing, is of another kind, or is there although it is not documented."""
    wanted = {name: each for each, names in fields.items() for name in names.split()}
    found = [f"{name} is missing" for name in wanted if name not in got]
    found += [f"{name} is not documented" for name in got if name not in wanted]
    for name in wanted.keys() & got.keys():
        if kind(got[name]) != wanted[name] and wanted[name] != "any":
            found.append(f"{name} is {got[name]!r}, not {wanted[name]}")
    return sorted(found)
