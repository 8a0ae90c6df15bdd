"""What stands in for Airflow and 3Commas in more than one folder of tests."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.balance_rows import BalanceRow
from airflow_provider_3commas.budget import Reason, Reservation, WaitForBudget

if TYPE_CHECKING:
    from datetime import datetime

ACCOUNT = 32402783
#: When virtual time begins.
START = 1_790_000_000.0


def row(currency: str, position: str | None, btc_value: str | None = None, **fields: str | None) -> BalanceRow:
    """Return a row as exchanges have them; ``btc_value`` of BTC is its position."""
    if btc_value is None and currency == "BTC":
        btc_value = position
    values = {"on_orders": "0", **fields, "position": position, "btc_value": btc_value}
    return BalanceRow(
        currency_code=currency, **{name: None if value is None else Decimal(value) for name, value in values.items()}
    )


def no_budget(seconds: float) -> WaitForBudget:
    """Return what a gate raises that does not wait for the budget itself."""
    return WaitForBudget(Reservation(wait=seconds, reason=Reason.BUDGET, ticket=None))


class TaskStateStore:
    """Airflow's task state store: what goes in has to be JSON. Fails or kills where a test says so."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes: list[Any] = []
        self.before_set = self.after_set = lambda value: None

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        self.before_set(value)
        self.values[key] = json.dumps(value, allow_nan=False)
        self.writes.append(value)
        self.after_set(value)


@dataclass
class TaskInstance:
    """Airflow's task instance, as a sensor uses it."""

    try_number: int = 1
    dag_id: str = "risk_off"
    run_id: str = "manual__1"
    first_reschedule: datetime | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = json.loads(json.dumps(value))

    def xcom_pull(self, key: str) -> Any:
        return self.xcoms.get(key)

    def get_first_reschedule_date(self, context: Any) -> datetime | None:
        return self.first_reschedule


@dataclass
class View:
    """What an account shows."""

    rows: list[BalanceRow]
    total: str | None = None
    entities: dict[str, int] = field(default_factory=lambda: {"active_bots_count": 0})
    account: dict[str, Any] = field(default_factory=dict)


UNSOLD = View([row("BTC", "1"), row("ETH", "2", "0.09")])
SETTLED = View([row("BTC", "1.09"), row("DOGE", "21.7", "0.00003")])


class ScriptedClient:
    """The API client: answers by a script of (seconds from the start, view or error)."""

    def __init__(self, *script: tuple[float, View | Exception]) -> None:
        self.script = script
        self.requests: list[tuple[float, str, int]] = []
        #: What to raise first, by request; the times are kept apart from those of the requests.
        self.refusals: dict[str, list[Exception]] = {}
        self.refused_at: list[float] = []
        self.closed = 0

    def close(self) -> None:
        self.closed += 1

    def load_balances(self, account_id: int) -> dict[str, Any]:
        view = self._answer("load_balances", account_id)
        total = view.total or str(sum((item.btc_value or Decimal(0) for item in view.rows), Decimal(0)))
        return {"id": account_id, "btc_amount": total, "usd_amount": "65000.00", **view.account}

    def get_balances(self, account_id: int) -> list[BalanceRow]:
        return self._answer("get_balances", account_id).rows

    def get_active_entities(self, account_id: int) -> dict[str, int]:
        return self._answer("get_active_entities", account_id).entities

    def _answer(self, name: str, account_id: int) -> View:
        now = time.time() - START
        if self.refusals.get(name):
            self.refused_at.append(now)
            raise self.refusals[name].pop(0)
        self.requests.append((now, name, account_id))
        answer = [item for since, item in self.script if since <= now + 1e-3][-1]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def polls(self, account_id: int | None = None) -> list[float]:
        """Return when the account was polled: seconds from the start."""
        return [at for at, name, who in self.requests if name == "load_balances" and account_id in (None, who)]

    def counts(self) -> Counter[str]:
        return Counter(name for _, name, _ in self.requests)
