"""Calls about DCA bots and grid bots; Signal Bots are none of either, and no call shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator import api_errors
from airflow_provider_3commas.simulator.handlers.accounts import check_exchange
from airflow_provider_3commas.simulator.payloads import bots as shown

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.call import Call
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.trading_entities import Bot, BotKind

_DCA_LIMIT, _MOST_DCA = 50, 100
_GRID_LIMIT, _MOST_GRID = 10, 1000

# DCA bots are documented to take enable and disabled, grid bots enabled and disabled, and public clients send either
# to both: whatever is meant is understood.
_STATES = {"": None, "null": None, "enable": True, "enabled": True, "disable": False, "disabled": False}


def list_dca_bots(call: Call) -> Any:
    """List the DCA bots."""
    enabled = _state(call, "scope")
    wanted = call.number("account_id", 0)
    return call.page(
        [
            shown.dca_bot(call.simulation, account, bot)
            for account, bot in _of_kind(call, "dca")
            if wanted in (0, account.id) and enabled in (None, bot.enabled)
        ],
        _DCA_LIMIT,
        _MOST_DCA,
    )


def list_grid_bots(call: Call) -> Any:
    """List the grid bots."""
    enabled = _state(call, "state")
    wanted = call.numbers("account_id")
    return call.page(
        [
            shown.grid_bot(call.simulation, account, bot)
            for account, bot in _of_kind(call, "grid")
            if (not wanted or account.id in wanted) and enabled in (None, bot.enabled)
        ],
        _GRID_LIMIT,
        _MOST_GRID,
    )


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
    if sell:
        check_exchange(account)
    account.close_deals(bot, call.simulation.clock.now(), sell=sell)
    return shown.changed_dca_bot(call.simulation, account, bot)


def switch_grid_bot(call: Call, *, enabled: bool) -> Any:
    """Enable or disable a grid bot."""
    account, bot = _find(call, "grid")
    bot.switch(enabled=enabled)
    return shown.grid_bot(call.simulation, account, bot)


def _state(call: Call, name: str) -> bool | None:
    """Return whether enabled or disabled bots are asked for, or none for both; raise a 400 for anything else."""
    value = call.params.get(name, "")
    if value not in _STATES:
        raise api_errors.record_invalid(**{name: "is not included in the list"})
    return None if call.simulation.settings.ignores_scope else _STATES[value]


def _of_kind(call: Call, kind: BotKind) -> list[tuple[ExchangeAccount, Bot]]:
    """Return the bots of a kind, with their accounts, as they are now."""
    return [(account, bot) for account in call.settled_accounts() for bot in account.entities.bots if bot.kind == kind]


def _find(call: Call, kind: BotKind) -> tuple[ExchangeAccount, Bot]:
    """Return the bot that the path names, or raise a 404."""
    for account, bot in _of_kind(call, kind):
        if bot.id == call.subject_id:
            call.check_allowed(account)
            return account, bot
    raise api_errors.not_found()
