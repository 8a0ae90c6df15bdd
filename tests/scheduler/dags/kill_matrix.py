"""Runs whose account, connection and way to die come with the run's conf."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG, task
from killing import KilledSellAllToBtcOperator

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator

COMMON = {
    "task_id": "liquidate",
    "account_id": "{{ dag_run.conf['account_id'] }}",
    "threecommas_conn_id": "{{ dag_run.conf['conn_id'] }}",
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}

with DAG("kill_matrix", schedule=None, max_active_runs=64):
    KilledSellAllToBtcOperator(**COMMON, reconcile_for=timedelta(seconds=8))

# For connections that wait longer for an answer.
with DAG("patient_kill_matrix", schedule=None, max_active_runs=64):
    KilledSellAllToBtcOperator(**COMMON, reconcile_for=timedelta(seconds=85))

with DAG("liquidation", schedule=None, max_active_runs=64):
    SellAllToBtcOperator(**COMMON, reconcile_for=timedelta(seconds=8))

with DAG("patient_liquidation", schedule=None, max_active_runs=64):
    SellAllToBtcOperator(**COMMON, reconcile_for=timedelta(seconds=85))

# No try is left after the first: its id stays the same, so that what is given up could still write.
with DAG("kill_matrix_once", schedule=None, max_active_runs=64):
    KilledSellAllToBtcOperator(**{**COMMON, "retries": 0}, reconcile_for=timedelta(seconds=8))

with DAG("liquidation_once", schedule=None, max_active_runs=64):
    SellAllToBtcOperator(**{**COMMON, "retries": 0}, reconcile_for=timedelta(seconds=8))

with DAG("kill_matrix_last", schedule=None, max_active_runs=64):
    KilledSellAllToBtcOperator(**{**COMMON, "retries": 1}, reconcile_for=timedelta(seconds=8))

with DAG("mapped_liquidation", schedule=None, max_active_runs=64):

    @task
    def select_accounts(run_id: str) -> list[int]:
        """Return what the test has written down for this run."""
        return json.loads((Path(os.environ["KILLING_FOLDER"]) / f"{run_id}.accounts").read_text())

    mapped = {**COMMON, "retries": 0}
    del mapped["account_id"]
    SellAllToBtcOperator.partial(**mapped, reconcile_for=timedelta(seconds=8)).expand(account_id=select_accounts())
