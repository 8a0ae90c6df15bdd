"""What a liquidation is given: the sale that is asked for, and what it works with."""

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
    """Keep the journal: Airflow's task state store does."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""

    def set(self, key: str, value: Any) -> None:
        """Write a value down for good, or raise."""


@dataclass(frozen=True)
class Sale:
    """Say what a task is to do; the parameters are described at ``SellAllToBtcOperator``."""

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
    """Hold what a try of a liquidation works with.

    :param client: the connection's client.
    :param store: keeps the journal; ``None`` before Airflow 3.3.
    :param claims: keeps who liquidates the account, for all tasks.
    :param task_state: asks Airflow for the state of this task instance.
    :param log: where to write to.
    :param push_xcom: hands a value on to other tasks, under a key.
    """

    client: ThreeCommasClient
    store: Store | None
    claims: Claims
    task_state: Callable[[], str]
    log: Any
    push_xcom: Callable[[str, Any], None]
