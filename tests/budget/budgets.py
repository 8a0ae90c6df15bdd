"""What the tests of the budget share."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import airflow_provider_3commas
from airflow_provider_3commas.budget import Priority
from tests.fakes import START

if TYPE_CHECKING:
    from airflow_provider_3commas.budget import RequestBudget

POLL, SELL = Priority.POLL, Priority.SELL
REAL = "https://api.3commas.io"


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = START
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps.append(seconds)
        self.now += seconds


def use_up(budget: RequestBudget, priority: Priority) -> int:
    granted = 0
    while (answer := budget.reserve(priority)).granted:
        granted += 1
    if answer.ticket is not None:
        budget.withdraw(answer.ticket)
    return granted


def warnings(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def python_environment() -> dict[str, str]:
    """Return an environment in which another Python finds this package."""
    return {**os.environ, "PYTHONPATH": str(Path(airflow_provider_3commas.__file__).parents[1])}


def run_python(*arguments: str) -> tuple[int, str, str]:
    """Run Python to its end; return status, stdout and stderr."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=python_environment(), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr
