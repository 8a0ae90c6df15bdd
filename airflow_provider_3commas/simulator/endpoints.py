"""The endpoints of the API: which there are, what they need, and who carries them out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_3commas.simulator import api_errors
from airflow_provider_3commas.simulator.auth import access_of, authorize
from airflow_provider_3commas.simulator.call import parse_id, read_params
from airflow_provider_3commas.simulator.handlers import accounts, bots, trades, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.simulator.call import Call
    from airflow_provider_3commas.simulator.scenarios import Permission, UserMode

_BASE = "/public/api"
# Where a path names what it is about: /ver1/accounts/{id}/...
_SUBJECT_AT = 3


class Endpoint(NamedTuple):
    """What carries out a call, and what the call needs."""

    handler: Callable[[Call], Any]
    status: int
    permission: Permission | None = None
    signed: bool = True


class Route(NamedTuple):
    """Where a path leads: to an endpoint or to none; pattern is the path with ``{id}`` for its subject.

    Where the path is known but not for this method, allowed are those that it is known for.
    """

    endpoint: Endpoint | None
    subject: str
    pattern: str
    allowed: frozenset[str] = frozenset()


def route(method: str, target: bytes) -> Route:
    """Route a request by its path, with the query string still on it."""
    path = target.split(b"?", 1)[0].decode("latin-1")
    rest = path.removeprefix(_BASE)
    if rest == path:
        return Route(None, "", path)
    methods = _METHODS.get(rest, {})
    parts = rest.split("/")
    if methods or len(parts) <= _SUBJECT_AT:
        return Route(methods.get(method), "", rest, frozenset(methods))
    subject, parts[_SUBJECT_AT] = parts[_SUBJECT_AT], "{id}"
    pattern = "/".join(parts)
    methods = _METHODS.get(pattern, {})
    shown = pattern if parse_id(subject) is not None else rest
    return Route(methods.get(method), subject, shown, frozenset(methods))


def carry_out(call: Call, endpoint: Endpoint | None) -> Any:
    """Authenticate, authorize and carry out a call; return the reply's JSON or raise ApiError."""
    if endpoint is None:
        raise api_errors.method_not_allowed(call.allowed) if call.allowed else api_errors.not_found()
    call.access = access_of(endpoint.permission) if endpoint.permission else None
    if endpoint.signed:
        _authenticate(call, endpoint)
    call.mode = _mode(call)
    call.params = read_params(call)
    document = endpoint.handler(call)
    call.entry.applied = True
    return document


def _authenticate(call: Call, endpoint: Endpoint) -> None:
    call.entry.signed = False
    signed = call.simulation.keys.verify(call.headers, call.target, call.body)
    call.entry.signed = True
    call.entry.signed_string = signed.text.decode("latin-1")
    authorize(signed.key, endpoint.permission)


def _mode(call: Call) -> UserMode:
    forced = call.headers.get(b"forced-mode")
    if forced is None or call.simulation.settings.ignores_forced_mode:
        return call.simulation.mode
    if forced == b"real":
        return "real"
    if forced == b"paper":
        return "paper"
    raise api_errors.forced_mode_invalid()


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "/ver1/ping"): Endpoint(user.ping, 200, signed=False),
    ("GET", "/ver1/time"): Endpoint(user.time, 200, signed=False),
    ("GET", "/ver1/validate"): Endpoint(user.validate, 200),
    ("POST", "/ver1/users/change_mode"): Endpoint(user.change_mode, 201, "ACCOUNTS_WRITE"),
    ("GET", "/ver1/accounts"): Endpoint(accounts.list_accounts, 200, "ACCOUNTS_READ"),
    ("GET", "/ver1/accounts/market_list"): Endpoint(accounts.market_list, 200, signed=False),
    ("GET", "/ver1/accounts/{id}"): Endpoint(accounts.get_account, 200, "ACCOUNTS_READ"),
    ("POST", "/ver1/accounts/{id}/sell_all_to_btc"): Endpoint(
        partial(accounts.sell, target="BTC"), 201, "ACCOUNTS_WRITE"
    ),
    ("POST", "/ver1/accounts/{id}/sell_all_to_usd"): Endpoint(
        partial(accounts.sell, target="USD"), 201, "ACCOUNTS_WRITE"
    ),
    ("POST", "/ver1/accounts/{id}/convert_dust_to_bnb"): Endpoint(accounts.convert_dust, 201, "ACCOUNTS_WRITE"),
    ("POST", "/ver1/accounts/{id}/load_balances"): Endpoint(accounts.load_balances, 201, "ACCOUNTS_READ"),
    ("POST", "/ver1/accounts/{id}/account_table_data"): Endpoint(accounts.table, 201, "ACCOUNTS_READ"),
    ("POST", "/ver1/accounts/{id}/pie_chart_data"): Endpoint(accounts.pie, 201, "ACCOUNTS_READ"),
    ("GET", "/ver1/accounts/{id}/active_trading_entities"): Endpoint(accounts.entities, 200, "ACCOUNTS_READ"),
    ("GET", "/ver1/accounts/{id}/balance_chart_data"): Endpoint(accounts.chart, 200, "ACCOUNTS_READ"),
    ("GET", "/ver1/bots"): Endpoint(bots.list_dca_bots, 200, "BOTS_READ"),
    ("GET", "/ver1/bots/{id}/show"): Endpoint(bots.get_dca_bot, 200, "BOTS_READ"),
    ("POST", "/ver1/bots/{id}/enable"): Endpoint(partial(bots.switch_dca_bot, enabled=True), 201, "BOTS_WRITE"),
    ("POST", "/ver1/bots/{id}/disable"): Endpoint(partial(bots.switch_dca_bot, enabled=False), 201, "BOTS_WRITE"),
    ("POST", "/ver1/bots/{id}/panic_sell_all_deals"): Endpoint(partial(bots.close_deals, sell=True), 201, "BOTS_WRITE"),
    # The one POST that is documented to answer 200.
    ("POST", "/ver1/bots/{id}/cancel_all_deals"): Endpoint(partial(bots.close_deals, sell=False), 200, "BOTS_WRITE"),
    ("GET", "/ver1/grid_bots"): Endpoint(bots.list_grid_bots, 200, "BOTS_READ"),
    ("POST", "/ver1/grid_bots/{id}/enable"): Endpoint(partial(bots.switch_grid_bot, enabled=True), 201, "BOTS_WRITE"),
    ("POST", "/ver1/grid_bots/{id}/disable"): Endpoint(partial(bots.switch_grid_bot, enabled=False), 201, "BOTS_WRITE"),
    ("GET", "/ver1/deals"): Endpoint(trades.list_deals, 200, "BOTS_READ"),
    ("GET", "/ver1/deals/{id}/show"): Endpoint(trades.get_deal, 200, "BOTS_READ"),
    ("GET", "/v2/smart_trades"): Endpoint(trades.list_smart_trades, 200, "SMART_TRADES_READ"),
}

# The same by path.
_METHODS: dict[str, dict[str, Endpoint]] = {}
for (_method, _path), _endpoint in ENDPOINTS.items():
    _METHODS.setdefault(_path, {})[_method] = _endpoint
