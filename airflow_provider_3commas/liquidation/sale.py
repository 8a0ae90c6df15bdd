"""What a liquidation is given: the sale that is asked for, and its environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.budget import Claims
    from airflow_provider_3commas.parameters import PreflightMode
    from airflow_provider_3commas.targets import TargetName


class Store(Protocol):
    """Where the journal is kept: Airflow's task state store."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""

    def set(self, key: str, value: Any) -> None:
        """Write a value for good, or raise."""


@dataclass(frozen=True)
class Sale:
    """What a task is to do; the parameters are described at ``SellAllToBtcOperator``."""

    account_id: int
    target: TargetName
    dry_run: bool
    preflight: PreflightMode
    account_name: str | None
    max_lateness: timedelta | None
    not_within: timedelta | None
    allow_backfill: bool
    reconcile_for: timedelta


@dataclass(frozen=True)
class Environment:
    """What a try of a liquidation works with."""

    client: ThreeCommasClient
    #: ``None`` before Airflow 3.3.
    store: Store | None
    claims: Claims
    #: Asks Airflow for the state of this task instance.
    task_state: Callable[[], str]
    log: Any
    push_xcom: Callable[[str, Any], None]
