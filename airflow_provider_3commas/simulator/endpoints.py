"""The endpoints of the API: which there are, what they need, what they do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

import msgspec

from airflow_provider_3commas.simulator import api_errors, payloads
from airflow_provider_3commas.simulator.auth import authorize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount, SellTarget
    from airflow_provider_3commas.simulator.request_log import LoggedRequest
    from airflow_provider_3commas.simulator.scenarios import Permission, UserMode
    from airflow_provider_3commas.simulator.simulation import Simulation
    from airflow_provider_3commas.simulator.trading_entities import Bot

_BASE = b"/public/api/ver1/"
_SUMMARY = "summary"

_MOST_PER_PAGE = 100
_MOST_DIGITS = 18


@dataclass(slots=True)
class Call:
    """A request on its way to an endpoint."""

    simulation: Simulation
    entry: LoggedRequest
    headers: Mapping[bytes, bytes]
    target: bytes
    body: bytes
    subject: str = ""
    mode: UserMode = "real"
    params: dict[str, str] = field(default_factory=dict)

    @property
    def subject_id(self) -> int | None:
        """The subject as a number, if it is one."""
        return _id(self.subject)

    def accounts(self) -> list[ExchangeAccount]:
        """Return the accounts that a read is about: one, or all for ``summary``."""
        if self.subject == _SUMMARY:
            return self.simulation.in_mode(self.mode)
        return [self.account()]

    def account(self) -> ExchangeAccount:
        """Return the account that the path names, or raise a 404: each mode has accounts of its own."""
        account = self.simulation.accounts.get(self.subject_id or 0)
        if account is None or account.is_paper != (self.mode == "paper"):
            raise api_errors.not_found()
        return account

    def number(self, name: str, default: int, least: int = 0) -> int:
        """Return a numeric parameter, or raise a 400."""
        value = self.params.get(name, "")
        if not value:
            return default
        number = _id(value)
        if number is None or number < least:
            raise api_errors.record_invalid(**{name: "is invalid"})
        return number


class Endpoint(NamedTuple):
    """What carries out a call, and what the call needs."""

    handler: Callable[[Call], Any]
    status: int
    permission: Permission | None = None
    signed: bool = True


class Route(NamedTuple):
    """Where a path leads: to an endpoint or to none; pattern is the path with ``{id}`` for its subject."""

    endpoint: Endpoint | None
    subject: str
    pattern: str


def route(method: str, target: bytes) -> Route:
    """Route a request by its path, with the query string still on it."""
    path = target.split(b"?", 1)[0]
    if not path.startswith(_BASE):
        return Route(None, "", path.decode("latin-1"))
    rest = path[len(_BASE) :].decode("latin-1")
    endpoint = ENDPOINTS.get((method, rest))
    if endpoint is not None:
        return Route(endpoint, "", f"/ver1/{rest}")
    parts = rest.split("/")
    if len(parts) < 2:
        return Route(None, "", f"/ver1/{rest}")
    subject, parts[1] = parts[1], "{id}"
    pattern = "/".join(parts)
    endpoint = ENDPOINTS.get((method, pattern))
    shown = "/ver1/" + (pattern if _id(subject) is not None else rest)
    return Route(endpoint, subject, shown)


def carry_out(call: Call, endpoint: Endpoint | None) -> Any:
    """Authenticate, authorize and carry out a call; return the reply's JSON or raise ApiError."""
    if endpoint is None:
        raise api_errors.not_found()
    if endpoint.signed:
        _authenticate(call, endpoint)
    call.mode = _mode(call)
    call.params = _params(call)
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
    if forced is None or call.simulation.scenario.ignores_forced_mode:
        return call.simulation.mode
    if forced == b"real":
        return "real"
    if forced == b"paper":
        return "paper"
    raise api_errors.record_invalid(mode="is not included in the list")


def _params(call: Call) -> dict[str, str]:
    """Merge the parameters; on a conflict the query string wins."""
    query = call.target.partition(b"?")[2].decode("latin-1")
    params = _body_params(call.headers.get(b"content-type", b""), call.body) if call.body else {}
    params.update(parse_qsl(query, keep_blank_values=True))
    return params


def _body_params(content_type: bytes, body: bytes) -> dict[str, str]:
    if not content_type.startswith(b"application/json"):
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise api_errors.record_invalid(base="is not a JSON object") from None
    return {name: str(value) for name, value in document.items()}


def _id(value: str) -> int | None:
    """Parse a number in ASCII digits; anything else is none."""
    if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    return None


def _ping(_: Call) -> Any:
    return {"pong": "pong"}


def _time(call: Call) -> Any:
    return {"server_time": int(call.entry.time)}


def _validate(_: Call) -> Any:
    return {"valid": True}


def _change_mode(call: Call) -> Any:
    mode = call.params.get("mode")
    if mode not in ("real", "paper"):
        raise api_errors.record_invalid(mode="is not included in the list")
    call.simulation.mode = "paper" if mode == "paper" else "real"
    return {"mode": mode}


def _list_accounts(call: Call) -> Any:
    page = call.number("page", 1, least=1)
    per_page = min(call.number("per_page", _MOST_PER_PAGE, least=1), _MOST_PER_PAGE)
    accounts = call.simulation.in_mode(call.mode)[(page - 1) * per_page : page * per_page]
    return [payloads.account(call.simulation, account) for account in accounts]


def _market_list(_: Call) -> Any:
    return payloads.market_list()


def _get_account(call: Call) -> Any:
    if call.subject == _SUMMARY:
        return payloads.summary(call.simulation, call.accounts())
    return payloads.account(call.simulation, call.account())


def _load_balances(call: Call) -> Any:
    for account in call.accounts():
        if account.spec.api_key_invalid and call.subject != _SUMMARY:
            raise api_errors.exchange_keys_invalid()
        call.simulation.views[account.id].refresh(call.simulation.clock.now())
    return _get_account(call)


def _table(call: Call) -> Any:
    return [row for account in call.accounts() for row in payloads.balance_rows(call.simulation, account)]


def _pie(call: Call) -> Any:
    return [row for account in call.accounts() for row in payloads.shares(call.simulation, account)]


def _entities(call: Call) -> Any:
    return payloads.active_entities(call.simulation, call.accounts())


def _chart(call: Call) -> Any:
    first = _date(call, "date_from")
    if first is None:
        raise api_errors.record_invalid(date_from="is missing")
    return payloads.balance_chart(call.simulation, call.accounts(), first, _date(call, "date_to"))


def _date(call: Call, name: str) -> datetime | None:
    value = call.params.get(name)
    if not value:
        return None
    try:
        date = datetime.fromisoformat(value)
    except ValueError:
        raise api_errors.record_invalid(**{name: "is invalid"}) from None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _sell(call: Call, *, target: SellTarget) -> Any:
    account = call.account()
    spec = account.spec
    if not spec.fast_convert_available:
        raise api_errors.sell_all_unavailable()
    if spec.is_locked:
        # The documentation does not say what a locked account answers; that it refuses is certain.
        raise api_errors.record_invalid(account="is locked")
    if spec.api_key_invalid:
        raise api_errors.exchange_keys_invalid()
    call.simulation.sell_all(account, target, call.entry)
    return payloads.account(call.simulation, account)


def _bots(call: Call) -> Any:
    scope = call.params.get("scope", "")
    if scope not in ("", "enabled", "disabled"):
        raise api_errors.record_invalid(scope="is not included in the list")
    return _list_bots(call, ("dca", "signal"), scope, most=100)


def _grid_bots(call: Call) -> Any:
    state = call.params.get("state", "")
    if state not in ("", "enabled", "disabled"):
        raise api_errors.record_invalid(state="is not included in the list")
    return _list_bots(call, ("grid",), state, most=1000)


def _list_bots(call: Call, kinds: tuple[str, ...], state: str, most: int) -> Any:
    wanted = call.number("account_id", 0)
    limit = min(call.number("limit", 50), most)
    offset = call.number("offset", 0)
    found = [
        payloads.bot(account, bot)
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


def _switch_bot(call: Call, *, enabled: bool) -> Any:
    for account, bot in _all_bots(call):
        if bot.id == call.subject_id and bot.kind != "grid":
            bot.enabled = enabled
            return payloads.bot(account, bot)
    raise api_errors.not_found()


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "ping"): Endpoint(_ping, 200, signed=False),
    ("GET", "time"): Endpoint(_time, 200, signed=False),
    ("GET", "validate"): Endpoint(_validate, 200),
    ("POST", "users/change_mode"): Endpoint(_change_mode, 201, "ACCOUNTS_WRITE"),
    ("GET", "accounts"): Endpoint(_list_accounts, 200, "ACCOUNTS_READ"),
    ("GET", "accounts/market_list"): Endpoint(_market_list, 200, signed=False),
    ("GET", "accounts/{id}"): Endpoint(_get_account, 200, "ACCOUNTS_READ"),
    ("POST", "accounts/{id}/sell_all_to_btc"): Endpoint(partial(_sell, target="BTC"), 201, "ACCOUNTS_WRITE"),
    ("POST", "accounts/{id}/sell_all_to_usd"): Endpoint(partial(_sell, target="USD"), 201, "ACCOUNTS_WRITE"),
    ("POST", "accounts/{id}/load_balances"): Endpoint(_load_balances, 201, "ACCOUNTS_READ"),
    ("POST", "accounts/{id}/account_table_data"): Endpoint(_table, 201, "ACCOUNTS_READ"),
    ("POST", "accounts/{id}/pie_chart_data"): Endpoint(_pie, 201, "ACCOUNTS_READ"),
    ("GET", "accounts/{id}/active_trading_entities"): Endpoint(_entities, 200, "ACCOUNTS_READ"),
    ("GET", "accounts/{id}/balance_chart_data"): Endpoint(_chart, 200, "ACCOUNTS_READ"),
    ("GET", "bots"): Endpoint(_bots, 200, "BOTS_READ"),
    ("POST", "bots/{id}/enable"): Endpoint(partial(_switch_bot, enabled=True), 201, "BOTS_WRITE"),
    ("POST", "bots/{id}/disable"): Endpoint(partial(_switch_bot, enabled=False), 201, "BOTS_WRITE"),
    ("GET", "grid_bots"): Endpoint(_grid_bots, 200, "BOTS_READ"),
}
