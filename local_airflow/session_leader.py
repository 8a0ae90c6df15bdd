"""Run commands as one session of processes; end all of it when a command ends, or at anything from standard input.

Started with ``start_new_session``. The input's end comes when whoever started this is gone, however that came about,
so nothing is left running after Ctrl-C, nor after SIGKILL. Signals to Airflow's components would leave children of
theirs running, and tasks have process groups of their own; but all of them stay in the session.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil


def main(home: Path, plan: dict[str, Any]) -> int:
    """Run the commands until one of them ends, or until told to end.

    :param home: the folder for each command's output and process id: ``NAME.log``, ``NAME.pid``.
    :param plan: ``first``, the commands that have to succeed one after the other; ``commands``, those that run together
        afterwards; both by name, each with ``arguments`` and ``environment``. ``temporary``: whether the folder goes
        when this is told to end; it stays if a command has ended by itself.
    :return: exit status: 0 if told to end, otherwise that of the command which has ended.
    """
    ignore_interrupts()
    try:
        status = run(home, plan["first"], plan["commands"])
    finally:
        end_session()
    if status is None and plan["temporary"]:
        shutil.rmtree(home)
    return status or 0


def run(home: Path, first: dict[str, Any], commands: dict[str, Any]) -> int | None:
    """Run the commands.

    :param home: as for ``main``.
    :param first: as in the plan.
    :param commands: as in the plan.
    :return: the exit status of the command that has ended, or nothing if told to end.
    """
    for name, command in first.items():
        status = wait_for_the_first([start(home, name, command)])
        if status != 0:
            return status
    return wait_for_the_first([start(home, name, command) for name, command in commands.items()])


def start(home: Path, name: str, command: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a command.

    :param home: as for ``main``.
    :param name: its name.
    :param command: its ``arguments``, and its ``environment`` beside the common one.
    :return: its process.
    """
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command["arguments"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **command["environment"]},
        )
    (home / f"{name}.pid").write_text(str(process.pid))
    return process


def wait_for_the_first(running: list[subprocess.Popen[bytes]]) -> int | None:
    """Wait until one of the commands ends, or until told to end.

    :param running: their processes.
    :return: the exit status of the one that has ended, or nothing if told to end.
    """
    while True:
        for command in running:
            status = command.poll()
            if status is not None:
                return status
        if told_to_end(seconds=0.2):
            return None


def ignore_interrupts() -> None:
    """Go on after SIGINT and SIGTERM."""
    # With handlers: what is ignored would be ignored by every process below as well.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)


def told_to_end(seconds: float) -> bool:
    """Wait for the end of standard input, or for anything that comes from there.

    :param seconds: for how long.
    :return: whether it has come.
    """
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready)


def end_session() -> None:
    """Kill every other process of this session; return when they are gone."""
    while others := [pid for pid in psutil.pids() if pid != os.getpid() and _in_session(pid)]:
        for pid in others:
            _kill(pid)
        time.sleep(0.1)


def _kill(pid: int) -> None:
    try:
        # Stopped processes end by this too. What is left of those whose parent does not ask is a zombie.
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has ended by itself in this moment


def _in_session(pid: int) -> bool:
    try:
        return os.getsid(pid) == os.getsid(0) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, ProcessLookupError, PermissionError):
        return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), json.loads(sys.argv[2])))
