"""Run a command as a session of processes, and end all of it when standard input ends.

Started with ``start_new_session``. The input's end comes when whoever started this is gone, however that came about, so
nothing is left running after Ctrl-C, nor after SIGKILL. Signals to ``airflow standalone`` would leave its children
running, and tasks have process groups of their own; but all of them stay in the session.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import time

import psutil


def main(temporary: str, *command: str) -> int:
    """Run the command until it ends or standard input does.

    :param temporary: a folder that goes with standard input, but stays if the command ends by itself; empty for none.
    :param command: the command.
    :return: the command's exit status, or 0 if it was ended.
    """
    ignore_interrupts()
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    while running.poll() is None:
        if told_to_end(seconds=0.5):
            end_session()
            if temporary:
                shutil.rmtree(temporary)
            return 0
    end_session()
    return running.returncode


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
    sys.exit(main(*sys.argv[1:]))
