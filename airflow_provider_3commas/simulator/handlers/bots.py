"""Calls about DCA bots and grid bots; Signal Bots are none of either, and no call shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator import api_errors
from airflow_provider_3commas.simulator.payloads import bots as shown

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.call import Call
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.trading_entities import Bot, BotKind

_DCA_LIMIT, _MOST_DCA = 50, 100
_GRID_LIMIT, _MOST_GRID = 10, 1000


def list_dca_bots(call: Call) -> Any:
    """List the DCA bots."""
    scope = call.params.get("scope", "")
    if scope not in ("", "enabled", "disabled"):
        raise api_errors.record_invalid(scope="is not included in the list")
    wanted = call.number("account_id", 0)
    found = [
        shown.dca_bot(call.simulation, account, bot)
        for account, bot in _of_kind(call, "dca")
        if wanted in (0, account.id) and (not scope or bot.enabled == (scope == "enabled"))
    ]
    return call.page(found, _DCA_LIMIT, _MOST_DCA)


def list_grid_bots(call: Call) -> Any:
    """List the grid bots."""
    state = call.params.get("state", "")
    if state not in ("", "enabled", "disabled"):
        raise api_errors.record_invalid(state="is not included in the list")
    wanted = call.number("account_id", 0)
    found = [
        shown.grid_bot(call.simulation, account, bot)
        for account, bot in _of_kind(call, "grid")
        if wanted in (0, account.id) and (not state or bot.enabled == (state == "enabled"))
    ]
    return call.page(found, _GRID_LIMIT, _MOST_GRID)


def get_dca_bot(call: Call) -> Any:
    """Return a DCA bot."""
    return shown.changed_dca_bot(call.simulation, *_find(call, "dca"))


def switch_dca_bot(call: Call, *, enabled: bool) -> Any:
    """Enable or disable a DCA bot; its deals go on."""
    account, bot = _find(call, "dca")
    bot.switch(enabled=enabled)
    return shown.changed_dca_bot(call.simulation, account, bot)


def close_deals(call: Call, *, sell: bool) -> Any:
    """Disable a DCA bot and close its deals, at market price or by cancelling them."""
    account, bot = _find(call, "dca")
    account.close_deals(bot, call.simulation.clock.now(), sell=sell)
    return shown.changed_dca_bot(call.simulation, account, bot)


def switch_grid_bot(call: Call, *, enabled: bool) -> Any:
    """Enable or disable a grid bot."""
    account, bot = _find(call, "grid")
    bot.switch(enabled=enabled)
    return shown.grid_bot(call.simulation, account, bot)


def _of_kind(call: Call, kind: BotKind) -> list[tuple[ExchangeAccount, Bot]]:
    """Return the bots of a kind, with their accounts, as they are now."""
    return [(account, bot) for account in call.settled_accounts() for bot in account.entities.bots if bot.kind == kind]


def _find(call: Call, kind: BotKind) -> tuple[ExchangeAccount, Bot]:
    """Return the bot that the path names, or raise a 404."""
    for account, bot in _of_kind(call, kind):
        if bot.id == call.subject_id:
            return account, bot
    raise api_errors.not_found()
