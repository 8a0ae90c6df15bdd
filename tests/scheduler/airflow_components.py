"""Airflow's scheduler, DAG processor and API servers as processes of their own; no triggerer."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_airflow.errors import RestApiError
from local_airflow.ports import LOOPBACK, free_ports
from local_airflow.processes import AirflowCommand, LocalAirflow
from local_airflow.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
#: Seconds without a heartbeat after which the scheduler gives a try up.
HEARTBEAT_TIMEOUT = 12
TASK_ID = "liquidate"
FINISHED = frozenset({"success", "failed"})
#: How old the picture of all runs may be, in seconds: many tests wait at the same time.
_FRESH = 0.7


class AirflowComponents(LocalAirflow):
    """Start Airflow with the DAGs of these tests, and speak to its REST API.

    :param home: AIRFLOW_HOME, a folder that does not exist yet.
    :param environment: what the DAGs need: connections, for one.
    :param execution_api_environment: what is set for the tasks' API server alone.
    """

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        execution_api_environment: Mapping[str, str] | None = None,
    ) -> None:
        (home / "tmp").mkdir(parents=True)
        port, execution_port = free_ports(2)
        # Tests and tasks have API servers of their own: in one process a write of the REST API, which blocks its event
        # loop, and a write of a task, which needs that loop to end, wait for each other until SQLite gives up.
        commands = {
            "core-api": AirflowCommand(["api-server", "--apps", "core"]),
            "execution-api": AirflowCommand(
                ["api-server", "--apps", "execution", "--port", str(execution_port)], execution_api_environment or {}
            ),
            "dag-processor": AirflowCommand(["dag-processor"]),
            "scheduler": AirflowCommand(["scheduler", "--skip-serve-logs"]),
        }
        settings = {
            "API__SECRET_KEY": secrets.token_hex(32),
            "API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "CORE__DAGS_FOLDER": str(HERE / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{execution_port}/execution/",
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
            "CORE__PARALLELISM": "12",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
            "LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
        }
        super().__init__(
            home,
            commands,
            first={"migrate": AirflowCommand(["db", "migrate"])},
            settings=settings,
            environment={"PYTHONPATH": str(ROOT), "TMPDIR": str(home / "tmp"), **environment},
            port=port,
        )
        self._runs: dict[tuple[str, str], str] = {}
        self._runs_at = 0.0
        self._looking = threading.Lock()
        self._writing = threading.Lock()

    def wait_until_ready(self, dag_ids: set[str], seconds: float = 180) -> None:
        """Wait until everything runs and knows the DAGs."""
        components = ("metadatabase", "scheduler", "dag_processor")
        self.wait_for("Airflow", lambda: all(self.api.health().get(name) == "healthy" for name in components), seconds)
        self.api.log_in()
        self.wait_for("the DAGs", lambda: self._knows(dag_ids), 60)

    def _knows(self, dag_ids: set[str]) -> bool:
        errors = self.get("importErrors")["import_errors"]
        assert not errors, errors
        return dag_ids <= self.api.dag_ids()

    def get(self, path: str) -> Any:
        """Read from the REST API; SQLite may have been too busy to answer at once."""
        for _ in range(5):
            try:
                return self._request("GET", f"/api/v2/{path}")
            except RestApiError as error:
                if error.status != 500:
                    raise
                time.sleep(0.5)
        return self._request("GET", f"/api/v2/{path}")

    def send(self, method: str, path: str, body: Any) -> Any:
        """Write with the REST API, once; one at a time, because of SQLite."""
        with self._writing:
            return self._request(method, f"/api/v2/{path}", body)

    def command(self, *arguments: str) -> None:
        """Run an ``airflow`` command while nothing else writes, for what SQLite can't do otherwise."""
        with self._writing, self._standing_still():
            done = subprocess.run(
                [sys.executable, "-m", "airflow", *arguments],
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
        assert done.returncode == 0, f"airflow {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"

    @contextlib.contextmanager
    def _standing_still(self) -> Iterator[None]:
        """Stop what writes by itself, at a moment when it does not."""
        pids = [int((self.home / f"{name}.pid").read_text()) for name in ("scheduler", "dag-processor")]
        wait_for("a moment when nothing is written", lambda: self._stop_between_writes(pids), 30)
        try:
            yield
        finally:
            _signal(signal.SIGCONT, pids)

    def _stop_between_writes(self, pids: list[int]) -> bool:
        _signal(signal.SIGSTOP, pids)
        connection = sqlite3.connect(self.home / "airflow.db", timeout=0, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            _signal(signal.SIGCONT, pids)
            return False
        finally:
            connection.close()
        return True

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        try:
            return self.api.request(method, path, body)
        except OSError as error:
            self.check_running()
            raise ConnectionError(f"{method} {path}: {error}") from None

    def trigger(self, dag_id: str, run_id: str, conf: dict[str, Any]) -> None:
        """Start a run by hand."""
        self.send("POST", f"dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": conf})

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return a run's state, or nothing if there is no such run."""
        with self._looking:
            if time.monotonic() - self._runs_at > _FRESH:
                runs = self.database("SELECT dag_id, run_id, state FROM dag_run")
                self._runs = {(dag, run): state for dag, run, state in runs}
                self._runs_at = time.monotonic()
            return self._runs.get((dag_id, run_id), "")

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float, explain: Callable[[], str] | None = None) -> str:
        """Wait for the end of a run and return its state."""

        def ended() -> str:
            state = self.run_state(dag_id, run_id)
            return state if state in FINISHED else ""

        state: str = self.wait_for(f"the end of {dag_id} {run_id}", ended, seconds, explain)
        return state

    def forget_run_states(self) -> None:
        """Have the next look see what was changed a moment ago."""
        with self._looking:
            self._runs_at = 0.0

    def tries(self, dag_id: str, run_id: str, map_index: int = -1) -> list[dict[str, Any]]:
        """Return the tries, the first one first."""
        mapped = "" if map_index < 0 else f"/{map_index}"
        tries = self.get(f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{TASK_ID}{mapped}/tries")["task_instances"]
        return sorted(tries, key=lambda one: one["try_number"])

    def xcom(self, dag_id: str, run_id: str, key: str, map_index: int = -1) -> Any:
        """Return an XCom's value, or nothing if there is none."""
        path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/{TASK_ID}/xcomEntries"
        entries = self.get(f"{path}?map_index={map_index}")["xcom_entries"]
        if key not in {entry["key"] for entry in entries}:
            return None
        return self.get(f"{path}/{key}?deserialize=true&map_index={map_index}")["value"]

    def count_give_ups(self, run_id: str) -> int:
        """Count how often the scheduler found that a run's task had ended without saying so, or had gone quiet."""
        run = re.escape(run_id)
        found = re.compile(rf"without a heartbeat.*'Run Id': '{run}'| {run} \[.* finished with state")
        return len(found.findall((self.home / "scheduler.log").read_text("utf-8", "replace")))

    def task_log(self, dag_id: str, run_id: str, try_number: int | None = None, map_index: int = -1) -> str:
        """Return what a try, or all of them, wrote into the task log, as far as it is there."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={TASK_ID}"
        folder = folder if map_index < 0 else folder / f"map_index={map_index}"
        name = "attempt=*.log" if try_number is None else f"attempt={try_number}.log"
        texts = []
        for path in sorted(folder.glob(name)):
            lines = [_log_line(line) for line in path.read_text("utf-8", "replace").splitlines()]
            texts.append("\n".join([f"--- {path.name}", *lines]))
        return "\n".join(texts)


def _signal(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, number)


def _log_line(line: str) -> str:
    try:
        entry = json.loads(line)
        text = f"{entry['timestamp']} {entry['level']} {entry['event']}"
        errors = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
    except (ValueError, KeyError, TypeError):
        return line
    return "\n  caused by ".join([text, *errors])
