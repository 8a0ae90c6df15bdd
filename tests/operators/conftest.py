"""The simulator as 3Commas, a task that sells its account, and a clock that jumps where the task sleeps."""

from __future__ import annotations

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest

from airflow_provider_3commas.api import clock as clocks
from airflow_provider_3commas.budget import SleepingGate
from tests.operators.task_run import TaskRun, connect


@pytest.fixture
def simulator(simulate, monkeypatch, tmp_path):
    simulator = simulate("calm", speed=1)
    # Who has liquidated an account is remembered for all tasks of a test, and for no other test's.
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    connect(monkeypatch, simulator)
    # After a rate limit the whole key pauses for minutes, here as well; that is tested where the budget is.
    monkeypatch.setattr(SleepingGate, "admit", lambda gate: None)
    # Airflow has this if it has the store, which stands in for here.
    monkeypatch.setattr("airflow.sdk.NEVER_EXPIRE", timedelta.max, raising=False)
    return simulator


@pytest.fixture(autouse=True)
def clock(monkeypatch, request):
    """Let the task's sleeps pass at once, and the simulated market with them."""
    clock = SimpleNamespace(now=1000.0, slept=0.0, started=time.time())

    def sleep(seconds: float) -> None:
        clock.now += seconds
        clock.slept += seconds
        if "simulator" in request.fixturenames:
            request.getfixturevalue("simulator").advance(seconds)

    faked = SimpleNamespace(monotonic=lambda: clock.now, time=lambda: clock.started + clock.now - 1000.0, sleep=sleep)
    monkeypatch.setattr(clocks, "time", faked)
    return clock


@pytest.fixture
def run(simulator):
    return TaskRun(simulator)
