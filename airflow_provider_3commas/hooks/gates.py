"""The gates at which this provider's requests wait for the budget, all of which report to Airflow's metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from airflow_provider_3commas.budget import Priority, RaisingGate, SleepingGate

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_provider_3commas.api.transport import RequestGate
    from airflow_provider_3commas.budget import Reason, RequestBudget

GateFactory: TypeAlias = "Callable[[RequestBudget], RequestGate]"


def sleeping_gate(budget: RequestBudget, priority: Priority = Priority.POLL, **options: Any) -> SleepingGate:
    """Return a gate for a process of its own: it sleeps. ``options`` are those of ``SleepingGate``."""
    return SleepingGate(budget, priority, observer=BudgetMetrics(), **options)


def raising_gate(budget: RequestBudget) -> RaisingGate:
    """Return a gate for a trigger, or for a sensor that leaves its worker: it says how long to wait."""
    return RaisingGate(budget, Priority.POLL, observer=BudgetMetrics())


class BudgetMetrics:
    """Report what happens at a gate to Airflow's metrics: StatsD, Datadog or OpenTelemetry, as it is configured.

    Names begin with ``threecommas.budget.``. For each priority, ``sell`` and ``poll``: ``remaining.PRIORITY`` (gauge),
    requests left at this moment; ``waited.PRIORITY`` (timer), how long a request had to wait; ``waits.PRIORITY``
    (counter), how often one had to. ``pauses`` (counter) and ``pause`` (timer): what 3Commas asked the whole key for.
    """

    def admitted(self, priority: Priority, waited: float, remaining: int) -> None:
        """Report that a request may be sent."""
        from airflow.providers.common.compat.sdk import Stats

        Stats.gauge(f"threecommas.budget.remaining.{priority}", remaining)
        Stats.timing(f"threecommas.budget.waited.{priority}", timedelta(seconds=waited))

    def waiting(self, priority: Priority, seconds: float, reason: Reason | None) -> None:
        """Report that a request has to wait."""
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr(f"threecommas.budget.waits.{priority}")

    def paused(self, seconds: float) -> None:
        """Report that the whole key pauses."""
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr("threecommas.budget.pauses")
        Stats.timing("threecommas.budget.pause", timedelta(seconds=seconds))
