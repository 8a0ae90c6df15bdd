"""What `make ui` changes about the example DAGs; Airflow loads this from its home's ``config`` folder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# This file is copied when Airflow starts.
_STARTED = datetime.fromtimestamp(Path(__file__).stat().st_mtime, UTC)


def dag_policy(dag: Any) -> None:
    """Let schedules begin now: the run of last Friday would be too late to sell, and say so by failing.

    :param dag: a DAG.
    """
    for one in (dag, *dag.tasks):
        one.start_date = _STARTED


def task_policy(task: Any) -> None:
    """Look at a simulated market more often than at a real one.

    :param task: a task.
    """
    if task.task_type == "BalancesSettledSensor":
        task.poke_interval = 3
        # On SQLite, Airflow sometimes loses track of a task that resumes quickly.
        task.retries, task.retry_delay = 3, timedelta(seconds=1)
