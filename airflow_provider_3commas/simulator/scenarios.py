"""Scenarios: what exists at the start, how the market behaves, who may call and how often.

A scenario is a JSON document. The named ones lie in ``scenario_files/`` beside this module and
are the best description of the format: copy one, change it, and pass the file to ``--scenario``.
``"extends": "calm"`` takes everything from another scenario; objects are merged, lists replaced.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from airflow_provider_3commas.simulator.account_specs import AccountSpec, FleetSpec, as_position
from airflow_provider_3commas.simulator.amounts import ZERO, coin
from airflow_provider_3commas.simulator.chance import LatencySpec  # noqa: TC001 - msgspec reads it
from airflow_provider_3commas.simulator.faults import Fault  # noqa: TC001 - msgspec reads it
from airflow_provider_3commas.simulator.records import (
    SUBSCRIPTION_REQUIRED,
    Access,
    Count,
    Positive,
    Seconds,
    Strict,
    convert,
)

Permission = Literal[
    "ACCOUNTS_READ",
    "ACCOUNTS_WRITE",
    "BOTS_READ",
    "BOTS_WRITE",
    "SMART_TRADES_READ",
    "SMART_TRADES_WRITE",
]
# Kraken writes ADA.F, ETH.S or, bonded for 28 days, DOT28.S; Binance LDBTC.
_EARNING_CODE = re.compile(r"(?P<kraken>[A-Z]+)\d*\.[A-Z]|LD(?P<binance>[A-Z0-9]+)")
UserMode = Literal["real", "paper"]

_FOLDER = Path(__file__).parent / "scenario_files"


class ScenarioError(ValueError):
    """A scenario that can't be used; the message says where and why."""


class KeySpec(Strict):
    """An API key of the simulated 3Commas.

    :param key: the key.
    :param secret: its HMAC secret, for a system-generated key.
    :param public_key: its RSA public key in PEM, for a self-generated key.
    :param permissions: what it may do.
    :param ip_allowed: whether the caller's address is allowed.
    :param state: ``active`` or ``expired``.
    :param plan: subscription plan; none means the scenario's rate limit and no restriction.
    :param denial: which of the two known errors a missing permission gives.
    :param forbidden: classes of calls, ``reads`` and ``writes``, that answer 403 because of its state.
    :param forbidden_text: what such a 403 gives as the reason; null for none.
    """

    key: str
    secret: str | None = None
    public_key: str | None = None
    permissions: list[Permission] = msgspec.field(
        default_factory=lambda: [
            "ACCOUNTS_READ",
            "ACCOUNTS_WRITE",
            "BOTS_READ",
            "BOTS_WRITE",
            "SMART_TRADES_READ",
            "SMART_TRADES_WRITE",
        ]
    )
    ip_allowed: bool = True
    state: Literal["active", "expired"] = "active"
    plan: Literal["free", "starter", "pro", "expert"] | None = None
    denial: Literal["access_denied", "Forbidden"] = "access_denied"
    forbidden: list[Access] = msgspec.field(default_factory=list)
    forbidden_text: str | None = SUBSCRIPTION_REQUIRED


class EndpointLimitSpec(Strict):
    """A limit of their own of some calls, which then do not count in the common one.

    :param calls: method and path of each, with ``{id}`` for a number in it; they share one count.
    :param requests: how many of them a window allows.
    :param window_seconds: length of a window.
    :param pause_seconds: the mitigation period that one too many starts.
    """

    calls: list[str]
    requests: Positive
    window_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60
    pause_seconds: Seconds = 60


def _documented_limits() -> list[EndpointLimitSpec]:
    return [
        EndpointLimitSpec(calls=["GET /ver1/deals"], requests=120),
        EndpointLimitSpec(calls=["GET /ver1/deals/{id}/show"], requests=120),
        EndpointLimitSpec(
            calls=["GET /v2/smart_trades", "GET /ver1/smart_trades"], requests=40, window_seconds=10, pause_seconds=10
        ),
    ]


class RateLimitSpec(Strict):
    """How often one may call, in real time: ``--speed`` does not touch it.

    :param enabled: whether anything is counted.
    :param requests: how many requests a window allows.
    :param window: ``fixed`` windows start on the clock's minute, ``sliding`` ones look back.
    :param window_seconds: length of a window.
    :param scope: count per ``key``, or everything from one ``ip`` address together.
    :param pause_seconds: the mitigation period that one request too many starts; 0 for none.
    :param endpoints: calls that have a limit of their own; by default those that are documented to.
    :param ban_after: how many requests in that period go unpunished before the address is banned.
    :param ban_seconds: length of the first ban; each further one is twice as long.
    :param ban_max_seconds: length of the longest ban.
    :param retry_after: how, if at all, a 429 or 418 says when to come back.
    :param body: ``json`` or plain ``text``.
    """

    enabled: bool = True
    requests: Positive = 100
    window: Literal["fixed", "sliding"] = "fixed"
    window_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60
    scope: Literal["key", "ip"] = "key"
    pause_seconds: Seconds = 300
    endpoints: list[EndpointLimitSpec] = msgspec.field(default_factory=_documented_limits)
    ban_after: Count = 10
    ban_seconds: Seconds = 120
    ban_max_seconds: Seconds = 259_200
    retry_after: Literal["none", "seconds", "http-date"] = "seconds"
    body: Literal["json", "text"] = "json"


class FillSpec(Strict):
    """How the orders of a sell fill, in simulated time.

    :param first_seconds: when the first order starts to fill.
    :param last_seconds: when the last order is done.
    :param steps: in how many parts each order fills.
    :param fraction: which part of each order, from 0 to 1, fills at all; the rest is given back at the end.
    :param fee: the exchange's fee, as a fraction.
    :param min_order_btc: worth in BTC of the smallest order that the exchange takes; less is dust.
    :param stop_seconds: how long stopping bots, deals and orders takes.
    """

    first_seconds: Seconds = 1
    last_seconds: Seconds = 4
    steps: Positive = 1
    fraction: Decimal = Decimal(1)
    fee: Decimal = Decimal("0.001")
    min_order_btc: Decimal = Decimal("0.0001")
    stop_seconds: Seconds = 1

    def __post_init__(self) -> None:
        if self.last_seconds < self.first_seconds:
            raise ValueError("last_seconds is before first_seconds")
        # Decimal refuses to compare a NaN, with an error of its own.
        if not (self.fraction.is_finite() and 0 <= self.fraction <= 1):
            raise ValueError("fraction is not between 0 and 1")
        if not (self.fee.is_finite() and 0 <= self.fee < 1):
            raise ValueError("fee is not between 0 and 1")
        if not (self.min_order_btc.is_finite() and self.min_order_btc >= 0):
            raise ValueError("min_order_btc is not a number of zero or more")


class ViewSpec(Strict):
    """How 3Commas' view of the balances follows the exchange, in simulated time.

    With no lag and no glitches the view is always right.

    :param lag_seconds: from the request for a refresh to its landing.
    :param auto_refresh_seconds: 3Commas refreshes by itself this often; 0 for never.
    :param glitches: how many refreshes after a sell show empty and partial rows in between.
    :param empty_seconds: how long such a refresh shows no rows at all.
    :param partial_seconds: how long it then shows only some of them.
    """

    lag_seconds: Seconds = 0
    auto_refresh_seconds: Seconds = 0
    glitches: Count = 0
    empty_seconds: Seconds = 0
    partial_seconds: Seconds = 0

    @property
    def live(self) -> bool:
        """Whether the view never differs from the exchange."""
        return not (self.lag_seconds or self.glitches)


class PriceSpec(Strict):
    """The market.

    :param usd: price of each currency in US dollars; coins that earn (``ADA.F``, ``LDBTC``) cost what the coin does.
    :param jitter: the largest change of a price, up or down, as a fraction of it.
    :param jitter_seconds: how often prices change, in simulated time.
    """

    usd: dict[str, Decimal]
    jitter: Decimal = ZERO
    jitter_seconds: Annotated[float, msgspec.Meta(gt=0)] = 10

    def __post_init__(self) -> None:
        for code, value in self.usd.items():
            if not value.is_finite() or value <= 0:
                raise ValueError(f"the price of {code} is not a positive number")
        if "BTC" not in self.usd:
            raise ValueError("there is no price for BTC")
        if not (self.jitter.is_finite() and 0 <= self.jitter < 1):
            raise ValueError("jitter is not between 0 and 1")

    def coin_of(self, code: str) -> str | None:
        """Return the currency whose price a code has: itself, the coin of an earning code, or none."""
        if code in self.usd:
            return code
        earning = _EARNING_CODE.fullmatch(code)
        coin_code = (earning["kraken"] or earning["binance"]) if earning else None
        return coin_code if coin_code in self.usd else None


class Settings(Strict):
    """What of a scenario can be switched while it runs; the fields are described there."""

    ignores_forced_mode: bool = False
    ignores_scope: bool = False
    ping_and_time: bool = True
    latency: LatencySpec | None = None


class Scenario(Strict):
    """Everything that the simulator starts from.

    :param name: its name.
    :param description: what it shows.
    :param seed: decides how prices jitter, and what happens by chance.
    :param mode: which accounts a call without ``Forced-Mode`` means.
    :param ignores_forced_mode: whether calls with ``Forced-Mode`` mean those accounts too: the header is not
        documented, and it has been reported to be ignored.
    :param ignores_scope: whether lists of bots are whole, whatever ``scope`` or ``state`` they are asked for.
    :param ping_and_time: whether ``/ver1/ping`` and ``/ver1/time`` are answered: they are not documented any more.
    :param latency: how long answers take; no time if left out.
    :param faults: faults from the start on, as ``POST /simulator/faults`` takes them.
    :param keys: who may call.
    :param rate_limit: how often.
    :param prices: the market.
    :param fills: how orders fill.
    :param view: how 3Commas' view follows.
    :param accounts: the exchange accounts.
    :param fleet: many more accounts that are alike.
    """

    name: str
    prices: PriceSpec
    keys: list[KeySpec]
    description: str = ""
    seed: int = 1
    mode: UserMode = "real"
    ignores_forced_mode: bool = False
    ignores_scope: bool = False
    ping_and_time: bool = True
    latency: LatencySpec | None = None
    faults: list[Fault] = msgspec.field(default_factory=list)
    rate_limit: RateLimitSpec = msgspec.field(default_factory=RateLimitSpec)
    fills: FillSpec = msgspec.field(default_factory=FillSpec)
    view: ViewSpec = msgspec.field(default_factory=ViewSpec)
    accounts: list[AccountSpec] = msgspec.field(default_factory=list)
    fleet: FleetSpec | None = None

    def settings(self) -> Settings:
        """Return what can be switched, as it is at the start."""
        return Settings(**{name: getattr(self, name) for name in Settings.__struct_fields__})

    def all_accounts(self) -> list[AccountSpec]:
        """Return the accounts, those of the fleet included."""
        return self.accounts + (_fleet_accounts(self.fleet) if self.fleet else [])


def names() -> list[str]:
    """Return the names of the scenarios that come with the simulator."""
    return sorted(path.stem for path in _FOLDER.glob("*.json"))


def load(source: str | dict[str, Any], *, files: bool = True) -> Scenario:
    """Load a scenario by name, from a file or from a document; raise ScenarioError saying what is wrong in it.

    Without ``files``, for what comes over the network, none is read and nobody learns which there are.
    """
    label = source if isinstance(source, str) else "the scenario"
    document = _resolve(source, seen=(), files=files)
    try:
        scenario = convert(document, Scenario)
    except ValueError as err:
        raise ScenarioError(f"{label}: {err}") from err
    _check(scenario, label)
    return scenario


def is_known_key(key: KeySpec) -> bool:
    """Return whether a key comes with the simulator, and so is nobody's secret."""
    return (key.key, key.secret) in _known_keys()


@lru_cache(maxsize=1)
def _known_keys() -> frozenset[tuple[str, str | None]]:
    return frozenset((key.key, key.secret) for name in names() for key in load(name).keys)


def _resolve(source: str | dict[str, Any], seen: tuple[str, ...], *, files: bool) -> dict[str, Any]:
    """Return the document, merged into what it extends."""
    document = _read(source, files=files) if isinstance(source, str) else dict(source)
    base = document.pop("extends", None)
    if base is None:
        return document
    if not isinstance(base, str):
        raise ScenarioError(f"extends: expected a name or a file, got {base!r}")
    if base in seen:
        raise ScenarioError(f"extends: {' -> '.join([*seen, base])} goes round in a circle")
    return _merge(_resolve(base, (*seen, base), files=files), document)


def _read(source: str, *, files: bool) -> dict[str, Any]:
    if not files and source not in names():
        raise ScenarioError(
            f"{source!r:.200} is not a scenario: expected one of {', '.join(names())}, or a document that extends one; "
            "a file is for the option --scenario"
        )
    path = _FOLDER / f"{source}.json" if source in names() else Path(source)
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as err:
        raise ScenarioError(
            f"{source!r} is neither a scenario ({', '.join(names())}) nor a file that can be read: {err.strerror}"
        ) from err
    except ValueError as err:
        raise ScenarioError(f"{source}: not a JSON document: {err}") from err
    if not isinstance(document, dict):
        raise ScenarioError(f"{source}: expected a JSON object, got {type(document).__name__}")
    return document


def _merge(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in change.items():
        old = merged.get(name)
        merged[name] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _check(scenario: Scenario, label: str) -> None:
    """Check what concerns more than one field."""
    seen: set[int] = set()
    for account in scenario.all_accounts():
        if account.id in seen:
            raise ScenarioError(f"{label}: two accounts have the id {account.id}")
        seen.add(account.id)
        if account.signal and scenario.prices.coin_of(account.signal.currency) is None:
            raise ScenarioError(f"{label}: signal of account {account.id}: no price for {account.signal.currency}")
        for currency, holding in account.holdings.items():
            if scenario.prices.coin_of(currency) is None:
                raise ScenarioError(f"{label}: account {account.id} holds {currency}, which has no price in prices.usd")
            try:
                as_position(holding)
            except ValueError as err:
                raise ScenarioError(f"{label}: account {account.id} holds {currency}, but {err}") from err


def _fleet_accounts(fleet: FleetSpec) -> list[AccountSpec]:
    accounts = []
    for index in range(fleet.count):
        market_code = fleet.market_codes[index % len(fleet.market_codes)]
        # Different amounts, so that one account's answer can't pass for another's.
        factor = 1 + Decimal(index % 19) / 20
        accounts.append(
            AccountSpec(
                id=fleet.first_id + index,
                name=f"Fleet {index + 1:03d}",
                market_code=market_code,
                holdings={code: coin(amount * factor) for code, amount in fleet.holdings.items()},
                bots=fleet.bots,
                deals=fleet.deals,
            )
        )
    return accounts
