"""A whole Airflow of a test's own, with a view of what it has in its database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from typing import Any

from local_airflow import standalone


class Standalone(standalone.Standalone):
    """Start Airflow in an empty folder; it ends with the ``with`` block."""

    def wait_for_dags(self, dag_ids: set[str], seconds: float = 240) -> None:
        """Wait until the DAGs are known."""
        self.wait_for("the DAGs", lambda: dag_ids <= {row[0] for row in self.rows("select dag_id from dag")}, seconds)

    def trigger(self, dag_id: str, run_id: str, conf: str = "{}") -> None:
        """Trigger a DAG run from the command line."""
        subprocess.run(
            [sys.executable, "-m", "airflow", "dags", "trigger", dag_id, "--run-id", run_id, "--conf", conf],
            env=self.environment,
            cwd=self.home,
            capture_output=True,
            check=True,
        )

    def wait_for_run(self, dag_id: str, run_id: str = "%", seconds: float = 300) -> str:
        """Wait until the runs of that name are over, and return the state of the first."""

        def states() -> list[str]:
            found = self.rows("select state from dag_run where dag_id = ? and run_id like ?", dag_id, run_id)
            return [str(row[0]) for row in found]

        over = {"success", "failed"}
        self.wait_for(f"{dag_id} {run_id}", lambda: bool(states()) and set(states()) <= over, seconds)
        return states()[0]

    def task_states(self, dag_id: str, run_id: str) -> dict[str, str]:
        """Return the states of a run's tasks."""
        query = "select task_id, state from task_instance where dag_id = ? and run_id = ?"
        return dict(self.rows(query, dag_id, run_id))

    def rows(self, query: str, *values: str) -> list[Any]:
        """Read from the metadata database; no rows while there is none."""
        if not (self.home / "airflow.db").exists():
            return []
        with closing(sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True, timeout=30)) as database:
            try:
                return database.execute(query, values).fetchall()
            except sqlite3.OperationalError:  # not migrated yet
                return []
