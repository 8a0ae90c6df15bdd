"""The runs of the example DAGs that several test files look at."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local_airflow.example_airflow import CONNECTION

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator import Simulator
    from local_airflow.example_airflow import ExampleAirflow

LIQUIDATION, FLEET, REPORT = "risk_off_liquidation", "risk_off_fleet", "risk_off_report"
ACCOUNT = 32500001


class ExampleRuns:
    """Keep the ids of the runs that tests have triggered through the form; start those which none has."""

    def __init__(self, airflow: ExampleAirflow, simulator: Simulator) -> None:
        self._airflow, self._simulator = airflow, simulator
        self.ids: dict[str, str] = {}
        self.account_before: dict[str, Any] = {}

    def get(self, dag_id: str) -> str:
        """Return the id of a DAG's finished run."""
        if dag_id not in self.ids:
            self.prepare(dag_id)
            self.ids[dag_id] = self._run(dag_id)
        return self.ids[dag_id]

    def prepare(self, dag_id: str) -> None:
        """Do what has to be done before a DAG is triggered."""
        if dag_id == LIQUIDATION:
            self.account_before = self._simulator.account(ACCOUNT)
        elif LIQUIDATION in self.ids:
            # One of the fleet's accounts has just been sold; for ten minutes another task would be refused.
            with closing(sqlite3.connect(self._airflow.home / "threecommas_budget.sqlite")) as sales, sales:
                assert sales.execute("DELETE FROM texts").rowcount

    def _run(self, dag_id: str) -> str:
        request = self._airflow.api.request
        connections = request("GET", "/api/v2/connections")["connections"]
        if CONNECTION not in {connection["connection_id"] for connection in connections}:
            self._airflow.create_connection()
        conf = {"dry_run": False, **({"account_id": ACCOUNT} if dag_id == LIQUIDATION else {})}
        runs = f"/api/v2/dags/{dag_id}/dagRuns"
        run_id: str = request("POST", runs, {"logical_date": None, "conf": conf})["dag_run_id"]
        one = f"{runs}/{quote(run_id, safe='')}"
        self._airflow.wait_for(run_id, lambda: request("GET", one)["state"] in ("success", "failed"))
        return run_id
