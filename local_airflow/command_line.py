"""A whole Airflow that is used by its command line, and looked into through its database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

from local_airflow.standalone import StandaloneAirflow


class AirflowByCommandLine(StandaloneAirflow):
    """Trigger with Airflow's command line, and look into its database."""

    def wait_for_dags(self, dag_ids: set[str]) -> None:
        """Wait until the DAGs are known."""

        def known() -> bool:
            try:
                return dag_ids <= {row[0] for row in self.database("select dag_id from dag")}
            except sqlite3.OperationalError:  # no database yet, or not migrated
                return False

        self.wait_for("the DAGs", known)

    def trigger(self, dag_id: str, run_id: str, conf: str = "{}") -> None:
        """Trigger a DAG run."""
        subprocess.run(
            [sys.executable, "-m", "airflow", "dags", "trigger", dag_id, "--run-id", run_id, "--conf", conf],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            check=True,
        )

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float = 300) -> str:
        """Wait until the runs of that name are over, and return the state of the first."""

        def states() -> list[str]:
            query = "select state from dag_run where dag_id = ? and run_id like ?"
            return [str(row[0]) for row in self.database(query, dag_id, run_id)]

        over = {"success", "failed"}
        self.wait_for(f"{dag_id} {run_id}", lambda: bool(states()) and set(states()) <= over, seconds=seconds)
        return states()[0]

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the states of a run's tasks."""
        query = "select task_id, state from task_instance where dag_id = ? and run_id = ?"
        return dict(self.database(query, dag_id, run_id))
