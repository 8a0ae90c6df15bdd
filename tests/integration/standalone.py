"""A whole Airflow of a test's own, as ``airflow standalone`` starts it: scheduler, triggerer, API server, the lot."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

# The shell leads a session of its own, and ends everything in it when its input ends: when the test closes that, and
# also when the test run is killed. SIGTERM to ``airflow standalone`` alone would leave its children running.
_LEADER = '"$0" -m airflow standalone & cat >/dev/null; kill -KILL 0'


class Standalone:
    """Start Airflow in an empty folder; it ends with the ``with`` block.

    :param home: AIRFLOW_HOME; the DAGs are in ``home / "dags"``.
    :param environment: connections and settings.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        port, worker_logs, trigger_logs = _free_ports(3)
        settings = {
            "CORE__DAGS_FOLDER": str(home / "dags"),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__PARALLELISM": "4",
            "CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
            "API__HOST": "127.0.0.1",
            "API__PORT": str(port),
            "API__BASE_URL": f"http://127.0.0.1:{port}",
            "API__WORKERS": "1",
            # Writers wait for each other instead of failing.
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=30",
            "LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
            "LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        }
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")},
            # It starts its components by the name of the command.
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
            "AIRFLOW_HOME": str(home),
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            **environment,
        }
        with (home / "standalone.log").open("wb") as log:
            self._leader = subprocess.Popen(
                ["/bin/sh", "-c", _LEADER, sys.executable],
                env=self._environment,
                cwd=home,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._leader.stdin:
            self._leader.stdin.close()
        self._leader.wait()

    def wait_for_dags(self, dag_ids: set[str], seconds: float = 240) -> None:
        """Wait until the DAGs are known."""
        self._wait_for("the DAGs", seconds, lambda: dag_ids <= {row[0] for row in self.rows("select dag_id from dag")})

    def trigger(self, dag_id: str, run_id: str, conf: str = "{}") -> None:
        """Trigger a DAG run from the command line."""
        subprocess.run(
            [sys.executable, "-m", "airflow", "dags", "trigger", dag_id, "--run-id", run_id, "--conf", conf],
            env=self._environment,
            cwd=self.home,
            capture_output=True,
            check=True,
        )

    def wait_for_run(self, dag_id: str, run_id: str = "%", seconds: float = 300) -> str:
        """Wait until the runs of that name are over, and return the state of the first."""

        def states() -> list[str]:
            found = self.rows("select state from dag_run where dag_id = ? and run_id like ?", dag_id, run_id)
            return [str(row[0]) for row in found]

        self._wait_for(f"{dag_id} {run_id}", seconds, lambda: bool(states()) and set(states()) <= {"success", "failed"})
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

    def log(self) -> str:
        """Return what Airflow has printed."""
        return (self.home / "standalone.log").read_text(errors="replace")

    def _wait_for(self, what: str, seconds: float, look: Any) -> None:
        end = time.monotonic() + seconds
        while not look():
            if self._leader.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"waited in vain for {what}\n{self.log()[-6000:]}")
            time.sleep(0.25)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
