"""The one place that knows which Airflow has what."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import RetryDecision, RetryPolicy
else:
    try:
        from airflow.sdk import RetryDecision, RetryPolicy
    except ImportError:  # before Airflow 3.3
        RetryDecision = RetryPolicy = None

__all__ = ["RetryDecision", "RetryPolicy"]
