"""The one place that knows which Airflow has what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import NEVER_EXPIRE, RetryDecision, RetryPolicy

    HAS_TASK_STATE_STORE = True
else:
    try:
        from airflow.sdk import NEVER_EXPIRE, RetryDecision, RetryPolicy

        HAS_TASK_STATE_STORE = True
    except ImportError:  # before Airflow 3.3
        NEVER_EXPIRE = RetryDecision = RetryPolicy = None
        HAS_TASK_STATE_STORE = False

__all__ = ["HAS_TASK_STATE_STORE", "NEVER_EXPIRE", "RetryDecision", "RetryPolicy"]
