"""Calls about accounts: what they are and hold, and the sells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.simulator import api_errors
from airflow_provider_3commas.simulator.call import SUMMARY
from airflow_provider_3commas.simulator.payloads import accounts as shown
from airflow_provider_3commas.simulator.payloads import balances, dust, markets

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.call import Call
    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount, SellTarget

_MOST_PER_PAGE = 100
# The one exchange that converts dust.
_WITH_DUST = "binance"


def list_accounts(call: Call) -> Any:
    """Return a page of the accounts of the mode."""
    page = call.number("page", 1, least=1)
    per_page = min(call.number("per_page", _MOST_PER_PAGE, least=1), _MOST_PER_PAGE)
    accounts = call.simulation.in_mode(call.mode)[(page - 1) * per_page : page * per_page]
    return [shown.account(call.simulation, account) for account in accounts]


def market_list(_: Call) -> Any:
    """Return the exchanges."""
    return markets.market_list()


def get_account(call: Call) -> Any:
    """Return an account, or all of them together."""
    if call.subject == SUMMARY:
        return shown.summary(call.simulation, call.accounts())
    # Only here a portfolio would be told in full; nobody has one.
    return {**shown.account(call.simulation, call.account()), "auto_balance_portfolio": None}


def load_balances(call: Call) -> Any:
    """Start a refresh of the balances."""
    for account in call.accounts():
        if account.spec.api_key_invalid and call.subject != SUMMARY:
            raise api_errors.exchange_keys_invalid()
        call.simulation.views[account.id].refresh(call.simulation.clock.now())
    if call.subject == SUMMARY:
        return shown.summary(call.simulation, call.accounts())
    return shown.account(call.simulation, call.account())


def table(call: Call) -> Any:
    """Return the balance rows."""
    return [row for account in call.accounts() for row in balances.balance_rows(call.simulation, account)]


def pie(call: Call) -> Any:
    """Return the shares."""
    return [row for account in call.accounts() for row in balances.shares(call.simulation, account)]


def entities(call: Call) -> Any:
    """Return the counts of what trades."""
    return shown.active_entities(call.simulation, call.accounts())


def chart(call: Call) -> Any:
    """Return what the accounts were worth."""
    first = _date(call, "date_from")
    if first is None:
        raise api_errors.record_invalid(date_from="is missing")
    return shown.balance_chart(call.simulation, call.accounts(), first, _date(call, "date_to"))


def _date(call: Call, name: str) -> datetime | None:
    value = call.params.get(name)
    if not value:
        return None
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        raise api_errors.record_invalid(**{name: "is invalid"}) from None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def sell(call: Call, *, target: SellTarget) -> Any:
    """Sell everything that can be sold."""
    account = call.account()
    spec = account.spec
    if not spec.fast_convert_available:
        raise api_errors.sell_all_unavailable()
    if spec.is_locked:
        # The documentation does not say what a locked account answers; that it refuses is certain.
        raise api_errors.record_invalid(account="is locked")
    if spec.exchange_error == "unknown_market_api_error" and not spec.api_key_invalid:
        call.simulation.sell_all(account, target, call.entry, most_orders=spec.exchange_error_after)
    check_exchange(account)
    call.simulation.sell_all(account, target, call.entry)
    return shown.account(call.simulation, account)


def convert_dust(call: Call) -> Any:
    """Convert what is too small to be sold into BNB."""
    account, now = call.account(), call.simulation.clock.now()
    if account.spec.market_code != _WITH_DUST:
        raise api_errors.dust_unavailable()
    check_exchange(account)
    codes = call.texts("codes")
    if not all(account.is_dust(code, now) for code in codes):
        raise api_errors.record_invalid(codes="is invalid")
    if not account.may_convert_dust(now):
        raise api_errors.dust_limit()
    return dust.conversion(call.simulation, account.convert_dust(codes, now))


def check_exchange(account: ExchangeAccount) -> None:
    """Raise a 422 if the exchange refuses what 3Commas asks it for."""
    if account.spec.api_key_invalid:
        raise api_errors.exchange_keys_invalid()
    if account.spec.exchange_error is not None:
        raise api_errors.exchange_error(account.spec.exchange_error)
