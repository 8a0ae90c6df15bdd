"""Calls about deals and SmartTrades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator import api_errors
from airflow_provider_3commas.simulator.payloads import deals, smart_trades

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.call import Call
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.trading_entities import Ending, Trade

_DEALS_LIMIT, _MOST_DEALS = 50, 1000
_SMART_TRADES_LIMIT, _MOST_SMART_TRADES = 10, 100

# Which trades a filter means, by how they have ended; none for those that are active.
_SCOPES: dict[str, set[Ending | None]] = {
    "": {None, "panic_sold", "cancelled", "completed"},
    "active": {None},
    "finished": {"panic_sold", "cancelled", "completed"},
    "completed": {"panic_sold", "completed"},
    "cancelled": {"cancelled"},
    "failed": set(),
}
_SCOPES["null"] = _SCOPES[""]
_STATUSES = {**_SCOPES, "all": _SCOPES[""], "successfully_finish": _SCOPES["completed"]}


def list_deals(call: Call) -> Any:
    """List the deals, the newest first."""
    scope = call.params.get("scope", "")
    if scope not in _SCOPES:
        raise api_errors.record_invalid(scope="is not included in the list")
    account_id, bot_id = call.number("account_id", 0), call.number("bot_id", 0)
    found = [
        deals.deal(call.simulation, account, deal)
        for account, deal in _newest(call, "deals")
        if account_id in (0, account.id)
        and (not bot_id or (deal.bot is not None and deal.bot.id == bot_id))
        and _ended(deal) in _SCOPES[scope]
    ]
    return call.page(found, _DEALS_LIMIT, _MOST_DEALS)


def get_deal(call: Call) -> Any:
    """Return a deal."""
    for account, deal in _newest(call, "deals"):
        if deal.id == call.subject_id:
            call.check_allowed(account)
            return deals.deal_in_full(call.simulation, account, deal)
    raise api_errors.not_found()


def list_smart_trades(call: Call) -> Any:
    """List the SmartTrades, the newest first."""
    status = call.params.get("status", "")
    if status not in _STATUSES:
        raise api_errors.record_invalid(status="is not included in the list")
    account_id = call.number("account_id", 0)
    found = [
        smart_trades.smart_trade(call.simulation, account, trade)
        for account, trade in _newest(call, "smart_trades")
        if account_id in (0, account.id) and _ended(trade) in _STATUSES[status]
    ]
    page = call.number("page", 1, least=1)
    per_page = min(call.number("per_page", _SMART_TRADES_LIMIT, least=1), _MOST_SMART_TRADES)
    return found[(page - 1) * per_page : page * per_page]


def _newest(call: Call, name: str) -> list[tuple[ExchangeAccount, Trade]]:
    """Return the deals or the SmartTrades, with their accounts, as they are now."""
    trades = [(account, trade) for account in call.settled_accounts() for trade in getattr(account.entities, name)]
    return sorted(trades, key=lambda each: each[1].opened_at, reverse=True)


def _ended(trade: Trade) -> Ending | None:
    return None if trade.closed_at is None else trade.ending
