"""A whole Airflow in a folder of its own, as ``airflow standalone`` starts it: scheduler, triggerer, API server, all.

It listens on loopback only, sends nothing anywhere, and ends with the process that started it.
"""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
LOOPBACK = "127.0.0.1"
# `airflow standalone` starts its components by this name. Their log servers would listen on every interface; on one
# machine nobody needs them, because the API server finds the files.
_COMPONENTS = """\
#!/bin/sh
case "$1" in scheduler|triggerer) set -- "$@" --skip-serve-logs;; esac
exec {python} -m airflow "$@"
"""


class StandaloneError(RuntimeError):
    """Airflow has ended, or is not where it should be in time."""


class Standalone:
    """Start Airflow in an empty folder; it ends with the ``with`` block.

    :param home: AIRFLOW_HOME; the DAGs are in ``home / "dags"`` if the environment does not say otherwise.
    :param environment: connections and settings.
    :param port: the port of the UI and API; any that is free if left out.
    :param temporary: whether the folder is removed at the end.
    """

    def __init__(
        self, home: Path, environment: Mapping[str, str], *, port: int | None = None, temporary: bool = False
    ) -> None:
        self.home = home
        self.url = f"http://{LOOPBACK}:{port or free_port()}"
        self.log_file = home / "standalone.log"
        self.environment = {
            **clean_environment(),
            **self._settings(),
            **environment,
        }
        components = home / "bin" / "airflow"
        components.parent.mkdir()
        components.write_text(_COMPONENTS.format(python=shlex.quote(sys.executable)))
        components.chmod(0o755)
        with self.log_file.open("wb") as log:
            self._leader = subprocess.Popen(
                [
                    sys.executable, str(HERE / "session_leader.py"), str(home) if temporary else "",
                    sys.executable, "-m", "airflow", "standalone",
                ],
                env=self.environment,
                # Not in the folder, which may have to go.
                cwd=home.parent,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip

    def _settings(self) -> dict[str, str]:
        settings = {
            "CORE__DAGS_FOLDER": str(self.home / "dags"),
            "CORE__LOAD_EXAMPLES": "False",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__PARALLELISM": "4",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "API__HOST": LOOPBACK,
            "API__PORT": self.url.rpartition(":")[2],
            "API__BASE_URL": self.url,
            "API__WORKERS": "1",
            # Writers wait for each other instead of failing.
            "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home}/airflow.db?timeout=30",
            "DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": str(self.home / "bundles"),
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "USAGE_DATA_COLLECTION__ENABLED": "False",
        }
        return {
            "AIRFLOW_HOME": str(self.home),
            "PATH": os.pathsep.join([str(self.home / "bin"), os.environ.get("PATH", os.defpath)]),
            "NO_COLOR": "1",
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def session(self) -> int:
        """Return the id of the session to which all its processes belong.

        :return: the id.
        """
        return self._leader.pid

    def stop(self) -> None:
        """End all its processes; more than once does no harm."""
        if self._leader.stdin:
            self._leader.stdin.close()
        self._leader.wait()

    def wait_for(self, what: str, look: Callable[[], object], seconds: float = 240) -> None:
        """Look until there is something to see.

        :param what: what is looked for, for the message.
        :param look: returns something true at the end.
        :param seconds: for how long at most.
        :raises StandaloneError: Airflow has ended, or the time is over.
        """
        end = time.monotonic() + seconds
        while not look():
            if self._leader.poll() is not None:
                raise StandaloneError(f"Airflow has ended while waiting for {what}.\n{self.log()[-6000:]}")
            if time.monotonic() > end:
                raise StandaloneError(f"Waited {seconds:g} s in vain for {what}.\n{self.log()[-6000:]}")
            time.sleep(0.25)

    def log(self) -> str:
        """Return what Airflow has printed.

        :return: the text; nothing if the folder is gone.
        """
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""


def clean_environment() -> dict[str, str]:
    """Return the environment without what is meant for another Airflow, and without a proxy for loopback.

    :return: names and values.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
    return {**inherited, "NO_PROXY": f"{LOOPBACK},localhost", "no_proxy": f"{LOOPBACK},localhost"}


def free_port() -> int:
    """Find a port on which nothing listens.

    :return: the port.
    """
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        port: int = one.getsockname()[1]
        return port


def is_free(port: int) -> bool:
    """Tell whether one could listen on a port.

    :param port: the port.
    :return: whether nothing listens there, and it is not reserved.
    """
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
