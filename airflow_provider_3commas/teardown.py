"""A failed teardown does not fail the DAG run, unless it is told to: a failed liquidation would go unnoticed."""

from __future__ import annotations

from typing import Any


class LoudTeardown:
    """Let a task be a teardown only if its failure fails the DAG run."""

    def as_teardown(self, *, setups: Any = None, on_failure_fail_dagrun: bool | None = None) -> Any:
        """Make this task a teardown; see Airflow's own.

        :param setups: tasks that set up what this one tears down.
        :param on_failure_fail_dagrun: has to be ``True``.
        :return: this task.
        :raises ValueError: it is not.
        """
        if on_failure_fail_dagrun is not True:
            raise ValueError(
                "A liquidation that failed in a teardown would end the DAG run in success. Use "
                "as_teardown(on_failure_fail_dagrun=True), or an ordinary task."
            )
        return super().as_teardown(  # type: ignore[misc]  # of Airflow's operators
            setups=setups, on_failure_fail_dagrun=on_failure_fail_dagrun
        )


def silent_teardown(task: Any) -> str | None:
    """Say that a task's failure would go unnoticed, however it was made a teardown.

    :param task: the task.
    :return: the sentences; ``None`` if it would not.
    """
    if not task.is_teardown or task.on_failure_fail_dagrun:
        return None
    return (
        "This task is a teardown whose failure does not fail the DAG run: a liquidation that failed would go "
        "unnoticed. Nothing was sent. Use as_teardown(on_failure_fail_dagrun=True), or an ordinary task."
    )
