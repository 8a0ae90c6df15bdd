"""The gates at which this provider's requests wait for the request budget; all of them send Airflow metrics."""

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
    """Return a gate for a trigger, or for a sensor that leaves its worker: it raises how long to wait."""
    return RaisingGate(budget, Priority.POLL, observer=BudgetMetrics())


class BudgetMetrics:
    """Airflow metrics of a gate, sent to StatsD, Datadog or OpenTelemetry as configured.

    Names begin with ``threecommas.budget.``. For each priority, ``sell`` and ``poll``: ``remaining.PRIORITY`` (gauge),
    requests left at this moment; ``waited.PRIORITY`` (timer), how long a request had to wait; ``waits.PRIORITY``
    (counter), how often one had to. ``pauses`` (counter) and ``pause`` (timer): what 3Commas asked the whole key for.
    """

    def admitted(self, priority: Priority, waited: float, remaining: int) -> None:
        """Record the remaining budget and the wait of a request that may be sent."""
        from airflow.providers.common.compat.sdk import Stats

        Stats.gauge(f"threecommas.budget.remaining.{priority}", remaining)
        Stats.timing(f"threecommas.budget.waited.{priority}", timedelta(seconds=waited))

    def waiting(self, priority: Priority, seconds: float, reason: Reason | None) -> None:
        """Count a request that has to wait."""
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr(f"threecommas.budget.waits.{priority}")

    def paused(self, seconds: float) -> None:
        """Record a pause of the whole key."""
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr("threecommas.budget.pauses")
        Stats.timing("threecommas.budget.pause", timedelta(seconds=seconds))
