"""What the simulated API and the control interface share: a scenario come to life."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_3commas.simulator.amounts import text
from airflow_provider_3commas.simulator.auth import KeyRing
from airflow_provider_3commas.simulator.balance_view import BalanceView
from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount, Sale, SellTarget
from airflow_provider_3commas.simulator.faults import Faults
from airflow_provider_3commas.simulator.market_clock import MarketClock
from airflow_provider_3commas.simulator.prices import Prices
from airflow_provider_3commas.simulator.rate_limit import RateLimiter
from airflow_provider_3commas.simulator.request_log import RequestLog
from airflow_provider_3commas.simulator.scenarios import AccountSpec, HoldingSpec, Scenario, ScenarioError
from airflow_provider_3commas.simulator.trading_entities import TradingEntities

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.scenarios import UserMode

_BOT_KINDS = {"bots": "dca", "grid_bots": "grid", "signal_bots": "signal"}
_FLAGS = frozenset(
    {
        "name",
        "is_locked",
        "lock_reason",
        "fast_convert_available",
        "api_key_invalid",
        "api_keys_state",
        "fields",
    }
)


@dataclass(slots=True)
class AppliedSale:
    """A sell that was carried out, with the request that asked for it."""

    seq: int
    request_id: str
    time: float
    sale: Sale

    def shown(self) -> dict[str, Any]:
        """Return its entry in ``GET /simulator/sells``."""
        return {
            "seq": self.seq,
            "request_id": self.request_id,
            "time": self.time,
            "sim_time": self.sale.at,
            "account_id": self.sale.account_id,
            "target": self.sale.target,
            "orders": {code: text(amount) for code, amount in self.sale.orders.items()},
            "left": {code: text(amount) for code, amount in self.sale.left.items()},
        }


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
        self.faults.clear()
        self.scenario = scenario
        self.clock = MarketClock(speed)
        self.mode: UserMode = scenario.mode
        self.limiter = RateLimiter(scenario.rate_limit)
        self.prices = Prices(scenario.prices, scenario.seed)
        self.accounts: dict[int, ExchangeAccount] = {}
        self.views: dict[int, BalanceView] = {}
        self.sales: list[AppliedSale] = []
        for spec in scenario.all_accounts():
            self._open(spec)

    def _open(self, spec: AccountSpec) -> None:
        account = ExchangeAccount(spec, self.prices, self.scenario.fills)
        self.accounts[spec.id] = account
        self.views[spec.id] = BalanceView(account, self.scenario.view, self.clock.now())

    def in_mode(self, mode: UserMode) -> list[ExchangeAccount]:
        """Return the accounts of a mode."""
        return [account for account in self.accounts.values() if account.is_paper == (mode == "paper")]

    def sell_all(self, account: ExchangeAccount, target: SellTarget, seq: int, request_id: str, at: float) -> None:
        """Carry out a sell and record it."""
        sale = account.sell_all(target, self.clock.now())
        self.views[account.id].sold()
        self.sales.append(AppliedSale(seq, request_id, at, sale))

    def change_account(self, account_id: int, change: dict[str, Any]) -> None:
        """Change fields of an account, or open a new one; holdings are merged, null removes one."""
        account = self.accounts.get(account_id)
        if account is None:
            spec = msgspec.convert({**change, "id": account_id}, AccountSpec)
            self._check_priced(spec.holdings)
            self._open(spec)
            return
        account.settle(self.clock.now())
        rest = dict(change)
        holdings = msgspec.convert(rest.pop("holdings", {}), dict[str, Decimal | HoldingSpec | None])
        counts = {name: rest.pop(name) for name in (*_BOT_KINDS, *TradingEntities.COUNTED) if name in rest}
        unknown = rest.keys() - _FLAGS
        if unknown:
            raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
        self._check_priced(holdings)
        account.spec = msgspec.convert({**msgspec.to_builtins(account.spec), **rest, **counts}, AccountSpec)
        for currency, holding in holdings.items():
            account.set_holding(currency, holding)
        for name, count in counts.items():
            if name in _BOT_KINDS:
                account.entities.set_bots(_BOT_KINDS[name], count)
            else:
                account.entities.set_count(name, count)

    def _check_priced(self, holdings: dict[str, Any]) -> None:
        for currency in holdings:
            if not self.prices.knows(currency):
                raise ValueError(f"there is no price for {currency}")

    def shown_account(self, account: ExchangeAccount) -> dict[str, Any]:
        """Return an account as it truly is, for the control interface."""
        now = self.clock.now()
        positions = account.positions(now)
        entities = account.entities
        return {
            "id": account.id,
            "name": account.spec.name,
            "market_code": account.spec.market_code,
            "holdings": {
                code: {"amount": text(at.amount), "on_orders": text(at.on_orders), "state": at.state}
                for code, at in positions.items()
            },
            "bots": entities.running("dca"),
            "grid_bots": entities.running("grid"),
            "signal_bots": entities.running("signal"),
            **entities.counts,
            "is_locked": account.spec.is_locked,
            "fast_convert_available": account.spec.fast_convert_available,
            "api_keys_state": account.spec.api_keys_state,
            "sells": sum(sold.sale.account_id == account.id for sold in self.sales),
        }
