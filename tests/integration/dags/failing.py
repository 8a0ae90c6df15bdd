"""Liquidations that can't be sent, each for another reason."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator

with DAG("failing", schedule=None):
    for name in ("refused", "blank", "pem", "unencrypted", "budget"):
        SellAllToBtcOperator(
            task_id=name, threecommas_conn_id=f"threecommas_{name}", account_id=12, preflight=False, retries=0
        )
