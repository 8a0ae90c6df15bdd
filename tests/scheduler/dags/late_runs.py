"""DAGs whose runs were meant for another time."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator

NOW = datetime.fromisoformat(os.environ["TEST_NOW"])
# The last tick of each has passed long before: neither has a run that is due now.
DAILY = NOW - timedelta(hours=6)
WEEKLY = NOW - timedelta(days=3)
# The last tick of this one has passed a moment ago.
RECENT = NOW - timedelta(minutes=2)
MONTH = timedelta(days=30)
PAST = os.environ["TEST_PAST_ACCOUNT"]


def made(dag_id: str, schedule: str, start: timedelta, **options: Any) -> DAG:
    """Return a DAG that is paused, and so has missed its runs."""
    return DAG(dag_id, schedule=schedule, start_date=NOW - start, is_paused_upon_creation=True, **options)


with made("backfilled", f"30 {DAILY.hour} * * *", MONTH, catchup=False):
    SellAllToBtcOperator(task_id="liquidate", account_id=PAST, retries=2, retry_delay=timedelta(seconds=1))

with made("unpaused_late", f"{WEEKLY.minute} {WEEKLY.hour} * * {WEEKLY.isoweekday() % 7}", MONTH, catchup=False):
    SellAllToBtcOperator(task_id="liquidate", account_id=PAST, retries=2, retry_delay=timedelta(seconds=1))

with DAG("paused", schedule=None, is_paused_upon_creation=True):
    SellAllToBtcOperator(task_id="liquidate", account_id=PAST, max_lateness=timedelta(seconds=5))

with made("every_minute", "* * * * *", timedelta(minutes=5), catchup=True, max_active_runs=16):
    SellAllToBtcOperator(
        task_id="liquidate",
        account_id=os.environ["TEST_TICKS_ACCOUNT"],
        threecommas_conn_id=os.environ["TEST_TICKS_CONN"],
        reconcile_for=timedelta(seconds=8),
    )

with made("made_anew", f"{RECENT.minute} {RECENT.hour} * * *", MONTH, catchup=False):
    SellAllToBtcOperator(
        task_id="liquidate",
        account_id=os.environ["TEST_ANEW_ACCOUNT"],
        threecommas_conn_id="case_made_anew",
        reconcile_for=timedelta(seconds=8),
    )
