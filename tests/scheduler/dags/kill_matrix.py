"""Runs whose account, connection and way to die come with the run's conf."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG
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
