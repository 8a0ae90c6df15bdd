"""Runs whose account, connection and way to die come with the run's conf."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task
from killed_operator import KilledSellAllToBtcOperator

from airflow_provider_3commas.api import pauses
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator

# A server that asks for less than the documented five minutes is not believed, and these tests can't wait for so long.
pauses.RATE_LIMIT_PAUSE = 1.0

COMMON = {
    "task_id": "liquidate",
    "threecommas_conn_id": "{{ dag_run.conf['conn_id'] }}",
    "max_lateness": "{{ dag_run.conf.get('max_lateness', 3600) }}",
    "reconcile_for": timedelta(seconds=8),
    "retry_delay": timedelta(seconds=1),
}
#: For connections that wait longer for an answer.
PATIENT = {"retries": 2, "reconcile_for": timedelta(seconds=85)}


@task
def select_accounts(run_id: str) -> list[int]:
    """Return what the test has written down for this run."""
    return json.loads((Path(os.environ["TEST_SIGNALS"]) / f"{run_id}.accounts").read_text())


def conn_id_of(run_id: str) -> str:
    """Return which connection the test has written down for this run."""
    return (Path(os.environ["TEST_SIGNALS"]) / f"{run_id}.conn").read_text()


def one(dag_id: str, operator: Any, **parameters: Any) -> None:
    """Define a DAG that liquidates the account of its run's conf."""
    with DAG(dag_id, schedule=None, max_active_runs=64, user_defined_macros={"conn_id_of": conn_id_of}):
        operator(account_id="{{ dag_run.conf['account_id'] }}", **{**COMMON, **parameters})


def mapped(dag_id: str, operator: Any, **parameters: Any) -> None:
    """Define a DAG that liquidates a list of accounts."""
    with DAG(dag_id, schedule=None, max_active_runs=64):
        operator.partial(**COMMON, **parameters).expand(account_id=select_accounts())


one("kill_matrix", KilledSellAllToBtcOperator, retries=2)
one("patient_kill_matrix", KilledSellAllToBtcOperator, **PATIENT)
# No try is left after the first: its id stays the same, so that what is given up could still write.
one("kill_matrix_once", KilledSellAllToBtcOperator, retries=0)
one("kill_matrix_last", KilledSellAllToBtcOperator, retries=1)
mapped("mapped_kill_matrix_once", KilledSellAllToBtcOperator, retries=0)
mapped("mapped_kill_matrix_last", KilledSellAllToBtcOperator, retries=1)

one("liquidation", SellAllToBtcOperator, retries=2)
one("patient_liquidation", SellAllToBtcOperator, **PATIENT)
one("liquidation_once", SellAllToBtcOperator, retries=0)
one("liquidation_anyway", SellAllToBtcOperator, retries=0, not_within=None)
one("moved_liquidation", SellAllToBtcOperator, retries=0, threecommas_conn_id="{{ conn_id_of(run_id) }}")
mapped("mapped_liquidation", SellAllToBtcOperator, retries=0)
