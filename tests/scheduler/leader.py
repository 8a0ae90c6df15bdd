"""Run Airflow's components as one session of processes, and end all of it at anything that comes from standard input.

Started with ``start_new_session``. The input's end comes when whoever started this is gone, however that came about,
so nothing is left running after a test run that was interrupted or killed. Task processes have process groups
of their own, and outlive their supervisors in these tests, but they stay in the session.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from local_airflow.session_leader import end_session, ignore_interrupts, told_to_end


def components(core_port: str, execution_port: str) -> dict[str, list[str]]:
    """Return the arguments of each component's command.

    Tests and tasks have API servers of their own: in one process a write of the REST API, which blocks its event loop,
    and a write of a task, which needs that loop to end, wait for each other until SQLite gives up.
    """
    server = ["api-server", "--workers", "1", "--apps"]
    return {
        "core-api": [*server, "core", "--port", core_port],
        "execution-api": [*server, "execution", "--port", execution_port],
        "dag-processor": ["dag-processor"],
        "scheduler": ["scheduler", "--skip-serve-logs"],
    }


def main(home: Path, core_port: str, execution_port: str) -> int:
    ignore_interrupts()
    try:
        if _start(home, "migrate", ["db", "migrate"]).wait():
            return 1
        commands = components(core_port, execution_port)
        running = [_start(home, name, arguments) for name, arguments in commands.items()]
        while not told_to_end(seconds=0.5):
            if any(component.poll() is not None for component in running):
                return 1
        return 0
    finally:
        end_session()


def _start(home: Path, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    # A setting of one component alone comes with the component's name before it: EXECUTION_API_AIRFLOW__...
    mine = f"{name.upper().replace('-', '_')}_"
    settings = {
        key.removeprefix(mine): value for key, value in os.environ.items() if key.startswith(f"{mine}AIRFLOW__")
    }
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **settings},
        )
    (home / f"{name}.pid").write_text(str(process.pid))
    return process


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:4]))
