"""DAGs whose runs were meant for another time."""

from __future__ import annotations

import os
from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator

NOW = datetime.fromisoformat(os.environ["TEST_NOW"])
# The last tick of each has passed long before: neither has a run that is due now.
DAILY = NOW - timedelta(hours=6)
WEEKLY = NOW - timedelta(days=3)
# The last tick of this one has passed a moment ago.
RECENT = NOW - timedelta(minutes=2)

with DAG(
    "backfilled",
    schedule=f"30 {DAILY.hour} * * *",
    start_date=NOW - timedelta(days=30),
    catchup=False,
    is_paused_upon_creation=True,
):
    SellAllToBtcOperator(
        task_id="liquidate",
        account_id=os.environ["TEST_PAST_ACCOUNT"],
        retries=2,
        retry_delay=timedelta(seconds=1),
    )

with DAG(
    "unpaused_late",
    schedule=f"{WEEKLY.minute} {WEEKLY.hour} * * {WEEKLY.isoweekday() % 7}",
    start_date=NOW - timedelta(days=30),
    catchup=False,
    is_paused_upon_creation=True,
):
    SellAllToBtcOperator(
        task_id="liquidate",
        account_id=os.environ["TEST_PAST_ACCOUNT"],
        retries=2,
        retry_delay=timedelta(seconds=1),
    )

with DAG("paused", schedule=None, is_paused_upon_creation=True):
    SellAllToBtcOperator(
        task_id="liquidate", account_id=os.environ["TEST_PAST_ACCOUNT"], max_lateness=timedelta(seconds=5)
    )

with DAG(
    "every_minute",
    schedule="* * * * *",
    start_date=NOW - timedelta(minutes=5),
    catchup=True,
    max_active_runs=16,
    is_paused_upon_creation=True,
):
    SellAllToBtcOperator(
        task_id="liquidate",
        account_id=os.environ["TEST_TICKS_ACCOUNT"],
        threecommas_conn_id=os.environ["TEST_TICKS_CONN"],
        reconcile_for=timedelta(seconds=8),
    )

with DAG(
    "made_anew",
    schedule=f"{RECENT.minute} {RECENT.hour} * * *",
    start_date=NOW - timedelta(days=30),
    catchup=False,
    is_paused_upon_creation=True,
):
    SellAllToBtcOperator(
        task_id="liquidate",
        account_id=os.environ["TEST_ANEW_ACCOUNT"],
        threecommas_conn_id="case_made_anew",
        reconcile_for=timedelta(seconds=8),
    )
