"""The control API under ``/simulator/``: what tests, demos and people use to look and to interfere.

Its requests are neither signed nor limited nor journaled.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from functools import wraps
from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from airflow_provider_3commas import __version__
from airflow_provider_3commas.simulator import scenarios
from airflow_provider_3commas.simulator.account_specs import SignalSpec
from airflow_provider_3commas.simulator.amounts import text
from airflow_provider_3commas.simulator.faults import Fault
from airflow_provider_3commas.simulator.http_reply import encode
from airflow_provider_3commas.simulator.rate_limit import RateLimiter
from airflow_provider_3commas.simulator.records import convert
from airflow_provider_3commas.simulator.request_log import RequestFilter
from airflow_provider_3commas.simulator.scenarios import KeySpec, RateLimitSpec, Settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from airflow_provider_3commas.simulator.exchange_account import AppliedSell, ExchangeAccount
    from airflow_provider_3commas.simulator.request_log import LoggedRequest
    from airflow_provider_3commas.simulator.simulation import Simulation


class ControlError(Exception):
    """A control request that can't be carried out."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _check_numbers(**numbers: float | Decimal | None) -> None:
    for name, value in numbers.items():
        if value is not None and not (isfinite(value) and value >= 0):
            raise ValueError(f"{name} is not a number of zero or more")


class Reset(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a reset.

    :param scenario: a name, or a scenario document; the current one if left out.
    :param speed: simulated seconds per real second; as before if left out.
    """

    scenario: str | dict[str, Any] | None = None
    speed: float | None = None

    def __post_init__(self) -> None:
        _check_numbers(speed=self.speed)


class TimeChange(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a change of time.

    :param advance: simulated seconds to jump ahead.
    :param speed: simulated seconds per real second from now on.
    :param limits: whether the clock of the rate limit jumps too.
    """

    advance: float = 0
    speed: float | None = None
    limits: bool = False

    def __post_init__(self) -> None:
        _check_numbers(advance=self.advance, speed=self.speed)


class Release(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a release.

    :param id: number of the held request; all if left out.
    :param discard: end it without carrying out what was not carried out yet.
    """

    id: int | None = None
    discard: bool = False


class Trade(msgspec.Struct, forbid_unknown_fields=True):
    """Body of a trade.

    :param currency: what is sold.
    :param amount: how much; or
    :param fraction: which part of what the account holds.
    :param into: what it is sold into.
    """

    currency: str
    amount: Decimal | None = None
    fraction: Decimal | None = None
    into: str = "BTC"

    def __post_init__(self) -> None:
        if self.amount is None and self.fraction is None:
            raise ValueError("give amount or fraction")
        _check_numbers(amount=self.amount, fraction=self.fraction)


class Control:
    """The control requests; each docstring is its description in ``GET /simulator/``."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    async def index(self, request: Request) -> Any:
        """List the control API."""
        return {
            "name": "3Commas simulator",
            "version": __version__,
            "scenario": self._simulation.scenario.name,
            "scenarios": scenarios.names(),
            "control": {f"{method} {path}": getattr(Control, name).__doc__ for method, path, name in _ROUTES},
        }

    async def state(self, request: Request) -> Any:
        """Show scenario, clock, keys, accounts and limits as they are."""
        simulation = self._simulation
        return {
            "version": __version__,
            "scenario": simulation.scenario.name,
            "description": simulation.scenario.description,
            "mode": simulation.mode,
            "speed": simulation.clock.speed,
            "now": simulation.clock.now(),
            "journal_last": simulation.requests.last,
            "settings": simulation.settings,
            "rate_limit": {**msgspec.to_builtins(simulation.limiter.spec), "refused": simulation.limiter.refused},
            "keys": [_shown_key(key) for key in simulation.keys.all()],
            "accounts": [_shown_account(simulation, account) for account in simulation.accounts.values()],
        }

    async def journal(self, request: Request) -> Any:
        """Show the requests; filters: path, method, status, since, applied, sell, limit."""
        query = _convert(dict(request.query_params), RequestFilter, strict=False)
        return {
            "requests": self._simulation.requests.find(query),
            "last": self._simulation.requests.last,
            "dropped": self._simulation.requests.dropped,
        }

    async def clear_journal(self, request: Request) -> Any:
        """Forget the requests so far."""
        self._simulation.requests.clear()
        return {"last": self._simulation.requests.last}

    async def summary(self, request: Request) -> Any:
        """Count requests by endpoint and status, and sells by account."""
        return {**self._simulation.requests.summary(), "sells": self._sells_by_account()}

    async def sells(self, request: Request) -> Any:
        """Show the sells that were carried out; filter: account_id."""
        wanted = request.query_params.get("account_id")
        sells = self._simulation.sells
        return {
            "total": len(sells),
            "by_account": self._sells_by_account(),
            "sells": [_shown_sell(entry, sell) for entry, sell in sells if wanted in (None, str(sell.account_id))],
        }

    async def account(self, request: Request) -> Any:
        """Show an account as it truly is on the exchange."""
        return _shown_account(self._simulation, self._account(request))

    async def change_account(self, request: Request) -> Any:
        """Change holdings, entities or flags of an account, or open a new one."""
        account_id = int(request.path_params["account_id"])
        try:
            self._simulation.change_account(account_id, await _body(request, dict[str, Any]))
        except ValueError as err:
            raise ControlError(400, str(err)) from err
        return _shown_account(self._simulation, self._account(request))

    async def trade(self, request: Request) -> Any:
        """Sell some of one currency at once, as a bot would: currency, amount or fraction, into."""
        simulation, account = self._simulation, self._account(request)
        trade = await _body(request, Trade)
        if not (simulation.prices.knows(trade.into) and trade.currency in account.holdings):
            raise ControlError(400, f"{trade.currency} is not held, or {trade.into} has no price")
        amount = trade.amount
        if amount is None:
            amount = account.holdings[trade.currency].amount * (trade.fraction or 0)
        account.trade(trade.currency, amount, trade.into, simulation.clock.now())
        return _shown_account(simulation, account)

    async def signal(self, request: Request) -> Any:
        """Have a Signal Bot buy through a SmartTrade: after_seconds, open_seconds, currency, fraction, sells_back."""
        account = self._account(request)
        spec = await _body(request, SignalSpec)
        try:
            self._simulation.signal(account, spec)
        except ValueError as err:
            raise ControlError(400, str(err)) from err
        return _shown_account(self._simulation, account)

    async def add_faults(self, request: Request) -> Any:
        """Order a fault, or a list of them."""
        body = await _body(request, dict[str, Any] | list[dict[str, Any]])
        wanted = body if isinstance(body, list) else [body]
        faults = [_convert(one, Fault) for one in wanted]
        return {"faults": [self._simulation.faults.add(fault) for fault in faults]}

    async def faults(self, request: Request) -> Any:
        """List the faults, with how often each hit."""
        return {"faults": self._simulation.faults.all()}

    async def clear_faults(self, request: Request) -> Any:
        """Forget all faults; held requests stay held."""
        self._simulation.faults.clear()
        return {"faults": []}

    async def held(self, request: Request) -> Any:
        """List the requests that are kept waiting."""
        return {"held": [held.shown() for held in self._simulation.faults.held()]}

    async def release(self, request: Request) -> Any:
        """Release held requests: id (default all), discard."""
        release = await _body(request, Release)
        return {"released": self._simulation.faults.release(held_id=release.id, discard=release.discard)}

    async def time(self, request: Request) -> Any:
        """Jump ahead (advance, in simulated seconds), or change the speed."""
        change = await _body(request, TimeChange)
        simulation = self._simulation
        if change.speed is not None:
            simulation.clock.set_speed(change.speed)
        if change.limits:
            simulation.limiter.advance(change.advance)
        return {"now": simulation.clock.advance(change.advance), "speed": simulation.clock.speed}

    async def reset(self, request: Request) -> Any:
        """Start over: scenario, speed."""
        reset = await _body(request, Reset)
        simulation = self._simulation
        speed = simulation.clock.speed if reset.speed is None else reset.speed
        try:
            scenario = simulation.scenario if reset.scenario is None else scenarios.load(reset.scenario, files=False)
            self._simulation.reset(scenario, speed)
        except scenarios.ScenarioError as err:
            raise ControlError(400, str(err)) from err
        return {"scenario": scenario.name, "speed": speed}

    async def put_key(self, request: Request) -> Any:
        """Add an API key, or change some fields of one."""
        change = await _body(request, dict[str, Any])
        keys = self._simulation.keys
        known = keys.get(str(change.get("key")))
        spec = _convert({**(msgspec.to_builtins(known) if known else {}), **change}, KeySpec)
        try:
            keys.put(spec)
        except ValueError as err:
            raise ControlError(400, str(err)) from err
        return _shown_key(spec)

    async def rate_limit(self, request: Request) -> Any:
        """Change some rules of the rate limit; counters, pauses and bans start over."""
        simulation = self._simulation
        change = await _body(request, dict[str, Any])
        rules = _convert({**msgspec.to_builtins(simulation.limiter.spec), **change}, RateLimitSpec)
        simulation.limiter = RateLimiter(rules)
        return rules

    async def change_settings(self, request: Request) -> Any:
        """Change some settings of the scenario while it runs: those that the state shows under settings."""
        simulation = self._simulation
        change = await _body(request, dict[str, Any])
        simulation.change_settings(_convert({**msgspec.to_builtins(simulation.settings), **change}, Settings))
        return simulation.settings

    def _account(self, request: Request) -> ExchangeAccount:
        account = self._simulation.accounts.get(int(request.path_params["account_id"]))
        if account is None:
            raise ControlError(404, "there is no such account")
        return account

    def _sells_by_account(self) -> dict[str, int]:
        return Counter(str(sell.account_id) for _, sell in self._simulation.sells)


_ROUTES: list[tuple[str, str, str]] = [
    ("GET", "/simulator/", "index"),
    ("GET", "/simulator/state", "state"),
    ("GET", "/simulator/journal", "journal"),
    ("DELETE", "/simulator/journal", "clear_journal"),
    ("GET", "/simulator/summary", "summary"),
    ("GET", "/simulator/sells", "sells"),
    ("GET", "/simulator/accounts/{account_id:int}", "account"),
    ("PATCH", "/simulator/accounts/{account_id:int}", "change_account"),
    ("POST", "/simulator/accounts/{account_id:int}/trade", "trade"),
    ("POST", "/simulator/accounts/{account_id:int}/signal", "signal"),
    ("GET", "/simulator/faults", "faults"),
    ("POST", "/simulator/faults", "add_faults"),
    ("DELETE", "/simulator/faults", "clear_faults"),
    ("GET", "/simulator/held", "held"),
    ("POST", "/simulator/release", "release"),
    ("POST", "/simulator/time", "time"),
    ("POST", "/simulator/reset", "reset"),
    ("POST", "/simulator/keys", "put_key"),
    ("PATCH", "/simulator/rate-limit", "rate_limit"),
    ("PATCH", "/simulator/settings", "change_settings"),
]


def control_app(simulation: Simulation) -> Starlette:
    """Return the ASGI application of the control interface."""
    control = Control(simulation)
    return Starlette(routes=[Route(path, _endpoint(getattr(control, name)), methods=[m]) for m, path, name in _ROUTES])


def _endpoint(method: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
    @wraps(method)
    async def endpoint(request: Request) -> Response:
        try:
            document, status = await method(request), 200
        except ControlError as err:
            document, status = {"error": str(err)}, err.status
        return Response(encode(document), status, media_type="application/json")

    return endpoint


async def _body(request: Request, kind: Any) -> Any:
    raw = await request.body()
    try:
        document = json.loads(raw) if raw else {}
    except ValueError as err:
        raise ControlError(400, f"not a JSON document: {err}") from err
    return _convert(document, kind)


def _convert(document: Any, kind: Any, *, strict: bool = True) -> Any:
    try:
        return convert(document, kind, strict=strict)
    except ValueError as err:
        raise ControlError(400, str(err)) from err


def _shown_account(simulation: Simulation, account: ExchangeAccount) -> dict[str, Any]:
    """Show an account as it truly is, not as 3Commas sees it."""
    positions = account.positions(simulation.clock.now())
    return {
        "id": account.id,
        "name": account.spec.name,
        "market_code": account.spec.market_code,
        "holdings": {
            code: {"amount": text(held.amount), "on_orders": text(held.on_orders), "state": held.state}
            for code, held in positions.items()
        },
        **account.entities.active(),
        "is_locked": account.spec.is_locked,
        "fast_convert_available": account.spec.fast_convert_available,
        "api_keys_state": account.spec.api_keys_state,
        "autobalance_enabled": account.spec.autobalance_enabled,
        "forbidden": account.spec.forbidden,
        "sells": sum(sell.account_id == account.id for _, sell in simulation.sells),
    }


def _shown_sell(entry: LoggedRequest, sell: AppliedSell) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "request_id": entry.request_id,
        "time": entry.time,
        "sim_time": sell.at,
        "account_id": sell.account_id,
        "target": sell.target,
        "orders": {code: text(amount) for code, amount in sell.orders.items()},
        "left": {code: text(amount) for code, amount in sell.left.items()},
    }


def _shown_key(spec: KeySpec) -> dict[str, Any]:
    return {
        "key": spec.key if scenarios.is_known_key(spec) else "***",
        "kind": "hmac" if spec.secret else "rsa",
        "permissions": spec.permissions,
        "ip_allowed": spec.ip_allowed,
        "state": spec.state,
        "plan": spec.plan,
        "forbidden": spec.forbidden,
    }
