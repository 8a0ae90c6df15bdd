"""What the simulated API and the control interface share: a scenario come to life."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from airflow_provider_3commas.simulator.account_specs import AccountSpec, Position, as_position
from airflow_provider_3commas.simulator.auth import KeyRing
from airflow_provider_3commas.simulator.balance_view import BalanceView
from airflow_provider_3commas.simulator.chance import Latency
from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
from airflow_provider_3commas.simulator.faults import Faults
from airflow_provider_3commas.simulator.market_clock import MarketClock
from airflow_provider_3commas.simulator.prices import Prices
from airflow_provider_3commas.simulator.rate_limit import RateLimiter
from airflow_provider_3commas.simulator.records import convert
from airflow_provider_3commas.simulator.request_log import RequestLog
from airflow_provider_3commas.simulator.scenarios import Scenario, ScenarioError
from airflow_provider_3commas.simulator.trading_entities import ENTITY_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_provider_3commas.simulator.account_specs import SignalSpec
    from airflow_provider_3commas.simulator.balance_view import Seen
    from airflow_provider_3commas.simulator.exchange_account import AppliedSell, SellTarget
    from airflow_provider_3commas.simulator.request_log import LoggedRequest
    from airflow_provider_3commas.simulator.scenarios import Settings, UserMode

_FLAGS = {*AccountSpec.__struct_fields__} - {"id", "market_code", "holdings", *ENTITY_NAMES}


class Simulation:
    """A scenario with its clock running, the requests so far, and the faults to come."""

    def __init__(self, scenario: Scenario, speed: float) -> None:
        self.requests = RequestLog()
        self.faults = Faults()
        self.reset(scenario, speed)

    def reset(self, scenario: Scenario, speed: float) -> None:
        """Start over; requests that are held are ended without being carried out."""
        try:
            self.keys = KeyRing(scenario.keys)
        except ValueError as err:
            raise ScenarioError(f"{scenario.name}: keys: {err}") from err
        self.requests.clear()
        self.faults.release(discard=True)
        self.faults.start(scenario.seed)
        for fault in scenario.faults:
            self.faults.add(replace(fault))
        self.scenario = scenario
        self.change_settings(scenario.settings())
        self.clock = MarketClock(speed)
        self.mode: UserMode = scenario.mode
        self.limiter = RateLimiter(scenario.rate_limit)
        self.prices = Prices(scenario.prices, scenario.seed)
        self.accounts: dict[int, ExchangeAccount] = {}
        self.views: dict[int, BalanceView] = {}
        self.sells: list[tuple[LoggedRequest, AppliedSell]] = []
        for spec in scenario.all_accounts():
            self._open(spec)

    def change_settings(self, settings: Settings) -> None:
        """Switch what can be switched while it runs; the delays start over."""
        self.settings = settings
        self.latency = Latency(settings.latency, self.scenario.seed) if settings.latency else None

    def _open(self, spec: AccountSpec) -> None:
        account = ExchangeAccount(spec, self.prices, self.scenario.fills)
        self.accounts[spec.id] = account
        self.views[spec.id] = BalanceView(account, self.scenario.view, self.clock.now())

    def in_mode(self, mode: UserMode) -> list[ExchangeAccount]:
        """Return the accounts of a mode."""
        return [account for account in self.accounts.values() if account.is_paper == (mode == "paper")]

    def seen(self, account: ExchangeAccount) -> Seen:
        """Return what 3Commas shows of an account now."""
        return self.views[account.id].read(self.clock.now())

    def sell_all(
        self, account: ExchangeAccount, target: SellTarget, entry: LoggedRequest, most_orders: int | None = None
    ) -> None:
        """Carry out a sell, up to a number of orders if one is given, and record it with the request that asked."""
        sell = account.sell_all(target, self.clock.now(), most_orders)
        if most_orders is None or sell.orders:
            entry.applied = True
            self.sells.append((entry, sell))
        self.views[account.id].sold()

    def change_account(self, account_id: int, change: dict[str, Any]) -> None:
        """Change fields of an account, or open a new one; holdings are merged, null removes one."""
        account = self.accounts.get(account_id)
        if account is None:
            spec = convert({**change, "id": account_id}, AccountSpec)
            self._check_priced([*spec.holdings, *([spec.signal.currency] if spec.signal else [])])
            self._open(spec)
            return
        account.settle(self.clock.now())
        rest = dict(change)
        holdings = convert(rest.pop("holdings", {}), dict[str, Decimal | Position | None])
        positions = {code: None if holding is None else as_position(holding) for code, holding in holdings.items()}
        counts = {name: rest.pop(name) for name in ENTITY_NAMES if name in rest}
        unknown = rest.keys() - _FLAGS
        if unknown:
            raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
        self._check_priced(holdings)
        spec = convert({**msgspec.to_builtins(account.spec), **rest, **counts}, AccountSpec)
        if spec.signal:
            self._check_priced([spec.signal.currency])
        account.spec = spec
        for currency, position in positions.items():
            account.set_holding(currency, position)
        for name, count in counts.items():
            account.entities.put(name, count, self.clock.now())

    def signal(self, account: ExchangeAccount, spec: SignalSpec) -> None:
        """Have a Signal Bot of an account buy; raise ValueError if there is no price for it."""
        self._check_priced([spec.currency])
        account.signal(spec, self.clock.now())
        account.settle(self.clock.now())

    def _check_priced(self, currencies: Iterable[str]) -> None:
        for currency in currencies:
            if not self.prices.knows(currency):
                raise ValueError(f"there is no price for {currency}")
