"""What the liquidations and the waits have in common; imported at every parse of a DAG file, so it imports nothing."""

from __future__ import annotations

from typing import Any


class BaseTask:
    """Mixin for Airflow's operators: fail loudly, also in a teardown, and retry no earlier than 3Commas allows."""

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

    def _use_default_retry_policy(self) -> None:
        # Not a class attribute: Airflow's base class sets that back to None.
        if getattr(self, "retry_policy", None) is None:
            from airflow_provider_3commas.retry_policy import default_retry_policy

            self.retry_policy = default_retry_policy()


def silent_teardown(task: Any) -> str | None:
    """Return why a task's failure would go unnoticed, however it was made a teardown; ``None`` if it would not."""
    if not task.is_teardown or task.on_failure_fail_dagrun:
        return None
    return (
        "This task is a teardown whose failure does not fail the DAG run: a liquidation that failed would go "
        "unnoticed. Nothing was sent. Use as_teardown(on_failure_fail_dagrun=True), or an ordinary task."
    )


def needs_check(value: Any, default: Any) -> bool:
    """Return whether a parameter has to be checked when the DAG is parsed: defaults and templates do not."""
    if isinstance(value, str) and "{{" in value:
        return False
    # With the type: to a reader, True is not 1.
    return type(value) is not type(default) or value != default
