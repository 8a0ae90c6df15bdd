"""What the cases do to a liquidation: kill it, freeze it, let it go on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import psutil

from local_airflow.waiting import wait_for

if TYPE_CHECKING:
    from tests.scheduler.cases import CaseRun


def kill_at_points(case_run: CaseRun) -> None:
    """Have tries killed at the points of the case's injections."""
    case_run.trigger(**case_run.case.parameters["injections"])
    finish(case_run)


def kill_in_flight(case_run: CaseRun) -> None:
    """Kill the first try while the simulator holds its sell."""
    parameters = case_run.case.parameters
    case_run.hold_sell(parameters["hold"])
    case_run.trigger()
    held = case_run.wait_for_held_sell()
    kill(case_run)
    case_run.simulator.release(held, discard=parameters["discard"])
    finish(case_run)


def started(case_run: CaseRun) -> dict[str, Any]:
    """Return what the first try has reported of its processes."""
    reported: dict[str, Any] = case_run.wait_for("the first try", lambda: case_run.reported_event("started"))
    return reported


def kill(case_run: CaseRun) -> None:
    """Kill the case's victim, the task's process or its supervisor, from outside."""
    processes = started(case_run)
    if case_run.case.parameters["victim"] == "task":
        send_signal(signal.SIGKILL, processes["pid"])
        return
    task = psutil.Process(processes["pid"])
    send_signal(signal.SIGKILL, processes["supervisor"])
    case_run.wait_for("the task to be an orphan", lambda: task.ppid() != processes["supervisor"], 10)


def finish(case_run: CaseRun) -> None:
    """Wait for the end of the run and of what is left of its tries."""
    case_run.wait_for_end()
    started(case_run)
    pids = [reported["pid"] for reported in case_run.reported_events() if reported["event"] == "started"]
    case_run.wait_for("the end of the tries' processes", lambda: all(is_gone(pid) for pid in pids), 60)


def freeze_at(case_run: CaseRun, point: str, number: int = 1, **others: str) -> list[int]:
    """Start the run, and stop a try's processes at a point."""
    case_run.trigger(**others, **{f"try{number}": f"wait at {point}"})
    case_run.wait_for("the point", lambda: case_run.reported_event("reached", number))
    started: dict[str, Any] = case_run.reported_event("started", number) or {}
    stopped = [started["pid"], started["supervisor"]]
    send_signal(signal.SIGSTOP, *stopped)
    return stopped


def resume(case_run: CaseRun, stopped: list[int]) -> None:
    """Let the frozen processes of a first try go on, and wait for their end."""
    case_run.resume_try()
    send_signal(signal.SIGCONT, *stopped)
    case_run.wait_for("the end of the resumed process", lambda: is_gone(stopped[0]), 90)
    case_run.record_duration()


def restart_bots_and_resume(case_run: CaseRun, stopped: list[int]) -> None:
    """Do what the owner does after a sale; a second one would stop the bots again."""
    case_run.simulator.change_account(case_run.account.id, bots=5)
    resume(case_run, stopped)


def unpause(case_run: CaseRun) -> None:
    """Unpause the case's DAG."""
    case_run.airflow.send("PATCH", f"dags/{case_run.dag_id}", {"is_paused": False})


def dag_runs(case_run: CaseRun) -> list[dict[str, Any]]:
    """Return all runs of the case's DAG."""
    found: list[dict[str, Any]] = case_run.airflow.get(f"dags/{case_run.dag_id}/dagRuns")["dag_runs"]
    return found


def send_signal(number: signal.Signals, *pids: int) -> None:
    """Send a signal to processes, and wait until those that it stops have stopped."""
    for pid in pids:
        os.kill(pid, number)
    if number == signal.SIGSTOP:
        for pid in pids:
            process = psutil.Process(pid)
            wait_for(f"process {pid} to stop", lambda it=process: it.status() == psutil.STATUS_STOPPED, 10)


def is_gone(pid: int) -> bool:
    """Tell whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def assert_sold_once(case_run: CaseRun, *, tries: int = 2) -> None:
    """Assert that the run has succeeded with one sell, after so many tries, and knows what the case says it knows."""
    parameters, liquidation, account = (
        case_run.case.parameters,
        case_run.xcom("liquidation"),
        case_run.xcom("return_value"),
    )
    assert case_run.state() == "success", case_run.explain()
    assert len(case_run.sells()) == 1, case_run.explain()
    assert len(case_run.posts()) == parameters["posts"], case_run.explain()
    assert liquidation["outcome"] == parameters["outcome"], case_run.explain()
    assert account["id"] == case_run.account.id, case_run.explain()
    assert len(case_run.tries()) == tries, case_run.explain()
