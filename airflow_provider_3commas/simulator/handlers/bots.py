"""Calls about DCA bots and grid bots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator import api_errors
from airflow_provider_3commas.simulator.payloads import bots as shown

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.call import Call
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.trading_entities import Bot


def bots(call: Call) -> Any:
    """List the DCA bots."""
    scope = call.params.get("scope", "")
    if scope not in ("", "enabled", "disabled"):
        raise api_errors.record_invalid(scope="is not included in the list")
    return _list_bots(call, ("dca", "signal"), scope, most=100)


def grid_bots(call: Call) -> Any:
    """List the grid bots."""
    state = call.params.get("state", "")
    if state not in ("", "enabled", "disabled"):
        raise api_errors.record_invalid(state="is not included in the list")
    return _list_bots(call, ("grid",), state, most=1000)


def _list_bots(call: Call, kinds: tuple[str, ...], state: str, most: int) -> Any:
    wanted = call.number("account_id", 0)
    limit = min(call.number("limit", 50), most)
    offset = call.number("offset", 0)
    found = [
        shown.bot(account, bot)
        for account, bot in _all_bots(call)
        if bot.kind in kinds and wanted in (0, account.id) and (not state or bot.enabled == (state == "enabled"))
    ]
    return found[offset : offset + limit]


def _all_bots(call: Call) -> list[tuple[ExchangeAccount, Bot]]:
    accounts = call.simulation.in_mode(call.mode)
    now = call.simulation.clock.now()
    for account in accounts:
        account.entities.settle(now)
    return [(account, bot) for account in accounts for bot in account.entities.bots]


def switch_bot(call: Call, *, enabled: bool) -> Any:
    """Enable or disable a bot."""
    for account, bot in _all_bots(call):
        if bot.id == call.subject_id and bot.kind != "grid":
            bot.enabled = enabled
            return shown.bot(account, bot)
    raise api_errors.not_found()
