"""How long Airflow waits before another try."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, cast

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryDecision, RetryPolicy


class RetryAfterPolicy:
    """Delay the next try for as long as 3Commas asked; all else, also whether there is one, stays with the task.

    A delay is only ever made longer, never shorter. Airflow asks a policy for nothing but ``evaluate``; its base class
    is left out because importing it would cost every parse of every DAG file several milliseconds.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return the delay of an error that carries ``retry_after``, if it is longer than the task's; see Airflow's."""
        from airflow.sdk import RetryDecision

        seconds = getattr(exception, "retry_after", None)
        delay = getattr(context["task"], "retry_delay", None) if context else None
        if not seconds or (delay is not None and delay >= timedelta(seconds=seconds)):
            return RetryDecision.default()
        return RetryDecision.retry(delay=timedelta(seconds=seconds), reason=f"3Commas asked to wait {seconds:.0f} s")


def default_retry_policy() -> RetryPolicy | None:
    """Return the retry policy of this provider's tasks that don't set one; ``None`` before Airflow 3.3."""
    return cast("RetryPolicy", RetryAfterPolicy()) if hasattr(BaseOperator, "retry_policy") else None
