"""The request budget as Airflow metrics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_3commas.budget import Priority, Reason


class BudgetMetrics:
    """Report what happens at a gate to Airflow's metrics: StatsD, Datadog or OpenTelemetry, as it is configured.

    Names begin with ``threecommas.budget.``. For each priority, ``sell`` and ``poll``: ``remaining.PRIORITY`` (gauge),
    requests left at this moment; ``waited.PRIORITY`` (timer), how long a request had to wait; ``waits.PRIORITY``
    (counter), how often one had to. ``pauses`` (counter) and ``pause`` (timer): what 3Commas asked the whole key for.
    """

    def admitted(self, priority: Priority, waited: float, remaining: int) -> None:
        """Report that a request may be sent.

        :param priority: what it is for.
        :param waited: seconds that it waited.
        :param remaining: requests left to this priority.
        """
        from airflow.providers.common.compat.sdk import Stats

        Stats.gauge(f"threecommas.budget.remaining.{priority}", remaining)
        Stats.timing(f"threecommas.budget.waited.{priority}", timedelta(seconds=waited))

    def waiting(self, priority: Priority, seconds: float, reason: Reason | None) -> None:
        """Report that a request has to wait.

        :param priority: what it is for.
        :param seconds: how long, as far as is known.
        :param reason: why.
        """
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr(f"threecommas.budget.waits.{priority}")

    def paused(self, seconds: float) -> None:
        """Report that the whole key pauses.

        :param seconds: how long.
        """
        from airflow.providers.common.compat.sdk import Stats

        Stats.incr("threecommas.budget.pauses")
        Stats.timing("threecommas.budget.pause", timedelta(seconds=seconds))
