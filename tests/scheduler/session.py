"""A real Airflow of a test session's own: API server, scheduler with LocalExecutor, DAG processor, SQLite."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import psutil

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


def wait_for(what: str, look: Callable[[], Any], seconds: float, explain: Callable[[], str] = str) -> Any:
    """Look until there is something to see."""
    end = time.monotonic() + seconds
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}\n{explain()}")
        time.sleep(0.1)


class AirflowSession:
    """Start Airflow in a folder, and speak to its REST API.

    :param home: AIRFLOW_HOME, an empty folder.
    :param environment: what the DAGs need: connections, for one.
    """

    def __init__(self, home: Path, environment: Mapping[str, str]) -> None:
        self.home = home
        port, execution_port = _free_ports(2)
        self.url = f"http://127.0.0.1:{port}"
        self._execution_url = f"http://127.0.0.1:{execution_port}/execution/"
        self._opener = build_opener(ProxyHandler({}))
        self._token = ""
        self._runs: dict[tuple[str, str], str] = {}
        self._runs_at = 0.0
        self._looking = threading.Lock()
        self._writing = threading.Lock()
        (home / "tmp").mkdir(parents=True)
        self._environment = {**_clean_environment(), **self._settings(), **environment}
        with (home / "leader.log").open("wb") as log:
            self._leader = subprocess.Popen(
                [sys.executable, str(HERE / "leader.py"), str(home), str(port), str(execution_port)],
                cwd=home,
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )

    def _settings(self) -> dict[str, str]:
        database = self.home / "airflow.db"
        settings = {
            "API__BASE_URL": self.url,
            "API__HOST": "127.0.0.1",
            "API__SECRET_KEY": secrets.token_hex(32),
            "API_AUTH__JWT_SECRET": secrets.token_hex(64),
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__DAGS_FOLDER": str(HERE / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": self._execution_url,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
            "CORE__PARALLELISM": "12",
            "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            # Writers wait for each other instead of failing.
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}?timeout=30",
            "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(self.home / "bundles"),
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT),
            "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
            "WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
        }
        return {
            "AIRFLOW_HOME": str(self.home),
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.home / "tmp"),
            "NO_PROXY": "*",
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }

    def wait_until_ready(self, dag_ids: set[str], seconds: float = 180) -> None:
        """Wait until everything runs and knows the DAGs."""
        wait_for("Airflow", lambda: self.alive() and self._healthy(), seconds, self.component_logs)
        wait_for("the DAGs", lambda: self.alive() and self._knows(dag_ids), 60, self.component_logs)

    def alive(self) -> bool:
        """Tell that Airflow runs, or fail."""
        if self._leader.poll() is not None:
            raise AssertionError(f"Airflow has ended\n{self.component_logs()}")
        return True

    def _healthy(self) -> bool:
        try:
            health = self._request("GET", "/api/v2/monitor/health")
        except (OSError, AssertionError):
            return False
        self._token = self._request("GET", "/auth/token")["access_token"]
        return all(health[name]["status"] == "healthy" for name in ("metadatabase", "scheduler", "dag_processor"))

    def _knows(self, dag_ids: set[str]) -> bool:
        errors = self.get("importErrors")["import_errors"]
        assert not errors, errors
        return dag_ids <= {dag["dag_id"] for dag in self.get("dags?limit=100")["dags"]}

    def processes(self) -> list[psutil.Process]:
        """Return what is left of everything that was started, orphans of any kind included."""
        return [process for process in psutil.process_iter() if _session_of(process) == self._leader.pid]

    def stop(self) -> None:
        """End everything that was started, whatever state it is in; more than once does no harm."""
        if self._leader.stdin is not None and not self._leader.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                # The end of the pipe alone may be late: another test may have forked a process that holds it too.
                self._leader.stdin.write(b"end")
                self._leader.stdin.close()
        self._leader.wait()

    def get(self, path: str) -> Any:
        """Read from the REST API; SQLite may have been too busy to answer at once."""
        for _ in range(5):
            try:
                return self._request("GET", f"/api/v2/{path}")
            except AssertionError as error:
                if " 500 " not in str(error):
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
                env=self._environment,
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
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        try:
            with self._opener.open(Request(self.url + path, data, headers, method=method), timeout=60) as reply:
                text = reply.read()
                return json.loads(text) if text else None
        except HTTPError as error:
            with error:
                text = error.read().decode("utf-8", "replace")
            raise AssertionError(f"{method} {path}: {error.code} {text}") from None
        except OSError as error:
            self.alive()
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

    def wait_for_run(self, dag_id: str, run_id: str, seconds: float, explain: Callable[[], str] = str) -> str:
        """Wait for the end of a run and return its state."""

        def ended() -> str:
            state = self.run_state(dag_id, run_id)
            return state if state in FINISHED else ""

        state: str = wait_for(f"the end of {dag_id} {run_id}", ended, seconds, explain)
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

    def given_up(self, run_id: str) -> int:
        """Count how often the scheduler found that a run's task had ended without saying so, or had gone quiet."""
        run = re.escape(run_id)
        found = re.compile(rf"without a heartbeat.*'Run Id': '{run}'| {run} \[.* finished with state")
        return len(found.findall((self.home / "scheduler.log").read_text("utf-8", "replace")))

    def database(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        """Read from the metadata database what the REST API does not show, or not in one piece."""
        connection = sqlite3.connect(f"file:{self.home / 'airflow.db'}?mode=ro", uri=True, timeout=30)
        try:
            return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

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

    def component_logs(self, lines: int = 30) -> str:
        """Return the ends of the logs of Airflow's own processes."""
        return "\n".join(
            "\n".join([f"--- {path.name}", *path.read_text("utf-8", "replace").splitlines()[-lines:]])
            for path in sorted(self.home.glob("*.log"))
        )


def _signal(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, number)


def _session_of(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.Error, OSError):
        return None


def _log_line(line: str) -> str:
    try:
        entry = json.loads(line)
        text = f"{entry['timestamp']} {entry['level']} {entry['event']}"
        errors = [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
    except (ValueError, KeyError, TypeError):
        return line
    return "\n  caused by ".join([text, *errors])


def _clean_environment() -> dict[str, str]:
    """Leave out what another Airflow, or another project, has been told."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON", "KILLING"))}


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]
