"""Run Airflow's components as one session of processes, and end all of it at anything that comes from standard input.

Started with ``start_new_session``. The input's end comes when whoever started this is gone, however that came about,
so nothing is left running after a test run that was interrupted or killed. Task processes have process groups
of their own, and outlive their supervisors in these tests, but they stay in the session.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil


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
    # Handlers, because what is ignored would be ignored by every process below as well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    try:
        if _start(home, "migrate", ["db", "migrate"]).wait():
            return 1
        commands = components(core_port, execution_port)
        running = [_start(home, name, arguments) for name, arguments in commands.items()]
        while not _told_to_end(seconds=0.5):
            if any(component.poll() is not None for component in running):
                return 1
        return 0
    finally:
        _end_session()


def _start(home: Path, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    (home / f"{name}.pid").write_text(str(process.pid))
    return process


def _told_to_end(seconds: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready)


def _end_session() -> None:
    while others := [pid for pid in psutil.pids() if pid != os.getpid() and _in_session(pid)]:
        for pid in others:
            # Stopped processes end by this too. What is left of those whose parent does not ask is a zombie.
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def _in_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == os.getsid(0) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:4]))
