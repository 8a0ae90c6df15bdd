"""Airflow as child processes in a folder of their own.

It listens on loopback only, sends nothing anywhere, and ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from local_airflow.errors import LocalAirflowError
from local_airflow.ports import LOOPBACK, free_port
from local_airflow.rest_api import RestApi
from local_airflow.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SESSION_LEADER = Path(__file__).parent / "session_leader.py"


@dataclass(frozen=True)
class AirflowCommand:
    """An ``airflow`` command that runs as a process of its own.

    :param arguments: its arguments.
    :param environment: what is set for it alone.
    """

    arguments: list[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def plan(self) -> dict[str, Any]:
        """Return what the session leader is told of it.

        :return: the command line and the environment.
        """
        return {**asdict(self), "arguments": [sys.executable, "-m", "airflow", *self.arguments]}


class LocalAirflow:
    """Start Airflow's processes; all of them end with the ``with`` block, or when one of the commands ends.

    :param home: AIRFLOW_HOME; the DAGs are in ``home / "dags"`` if the settings do not say otherwise.
    :param commands: what runs together, by name; each writes to ``home / "NAME.log"``.
    :param first: what has to have succeeded before that.
    :param settings: Airflow's settings, by ``SECTION__KEY``.
    :param environment: connections, and anything else for the environment; it comes last.
    :param port: the port of the UI and API; any that is free if left out.
    :param temporary: whether the folder is removed at the end.
    """

    def __init__(
        self,
        home: Path,
        commands: Mapping[str, AirflowCommand],
        *,
        first: Mapping[str, AirflowCommand] | None = None,
        settings: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        temporary: bool = False,
    ) -> None:
        self.home = home
        port = port or free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        self.api = RestApi(self.url)
        all_settings = {**self._common_settings(port), **(settings or {})}
        self.environment = {
            **clean_environment(),
            "AIRFLOW_HOME": str(home),
            **{f"AIRFLOW__{name}": value for name, value in all_settings.items()},
            **(environment or {}),
        }
        plan = {
            "first": {name: command.plan() for name, command in (first or {}).items()},
            "commands": {name: command.plan() for name, command in commands.items()},
            "temporary": temporary,
        }
        with (home / "leader.log").open("wb") as log:
            self._leader = subprocess.Popen(
                [sys.executable, str(_SESSION_LEADER), str(home), json.dumps(plan)],
                env=self.environment,
                cwd=home,
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _common_settings(self, port: int) -> dict[str, str]:
        return {
            "API__BASE_URL": self.url,
            "API__HOST": LOOPBACK,
            "API__PORT": str(port),
            "API__WORKERS": "1",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__DAGS_FOLDER": str(self.home / "dags"),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__LOAD_EXAMPLES": "False",
            # Writers wait for each other instead of failing.
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=30",
            "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(self.home / "bundles"),
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all its processes, whatever state they are in; more than once does no harm."""
        if self._leader.stdin and not self._leader.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                # The end of the pipe alone may be late: something else may have forked a process that holds it too.
                self._leader.stdin.write(b"end")
            self._leader.stdin.close()
        self._leader.wait()

    def check_running(self) -> None:
        """Do nothing while Airflow runs.

        :raises LocalAirflowError: it has ended.
        """
        if self._leader.poll() is not None:
            raise LocalAirflowError(f"Airflow has ended.\n{self.logs()}")

    def processes(self) -> list[psutil.Process]:
        """List what is left of everything that was started, orphans of any kind included.

        :return: the processes.
        """
        return [process for process in psutil.process_iter() if _session_of(process) == self._leader.pid]

    def wait_for(
        self, what: str, look: Callable[[], Any], seconds: float = 240, explain: Callable[[], str] | None = None
    ) -> Any:
        """Look until there is something to see.

        :param what: what is looked for, for the message.
        :param look: returns something true at the end.
        :param seconds: for how long at most.
        :param explain: says what is known if the time is over; Airflow's logs if left out.
        :return: what was seen.
        :raises LocalAirflowError: Airflow has ended, or the time is over.
        """

        def look_while_running() -> Any:
            self.check_running()
            return look()

        return wait_for(what, look_while_running, seconds, explain or self.logs)

    def logs(self, lines: int = 60) -> str:
        """Read the ends of what Airflow's own processes have printed.

        :param lines: how many lines of each.
        :return: the texts; nothing if the folder is gone.
        """
        return "\n".join(
            "\n".join([f"--- {path.name}", *path.read_text("utf-8", "replace").splitlines()[-lines:]])
            for path in sorted(self.home.glob("*.log"))
        )

    def database(self, query: str, *parameters: str) -> list[tuple[Any, ...]]:
        """Read from the metadata database what the REST API does not show, or not in one piece.

        :param query: SQL.
        :param parameters: its parameters.
        :return: the rows.
        """
        address = f"file:{self.home / 'airflow.db'}?mode=ro"
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
            return connection.execute(query, parameters).fetchall()


def clean_environment() -> dict[str, str]:
    """Copy the environment without what is meant for another Airflow or Python, and without a proxy for loopback.

    :return: names and values.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTHON"))}
    return {**inherited, "NO_PROXY": f"{LOOPBACK},localhost", "no_proxy": f"{LOOPBACK},localhost"}


def _session_of(process: psutil.Process) -> int | None:
    try:
        return None if process.status() == psutil.STATUS_ZOMBIE else os.getsid(process.pid)
    except (psutil.Error, OSError):
        return None
