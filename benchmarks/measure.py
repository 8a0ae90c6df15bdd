"""What the scripts share: rounds in which contenders take turns, processes of their own, and Markdown tables."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
T = TypeVar("T")


class Figure(NamedTuple):
    """Hold what the rounds have shown of one contender.

    :param median: the median of the rounds.
    :param low: the lowest.
    :param high: the highest.
    """

    median: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        return f"{self.median:{spec}} ({self.low:{spec}}-{self.high:{spec}})"


def figure(values: Sequence[float]) -> Figure:
    """Sum the rounds up.

    :param values: one number a round.
    :return: median, lowest and highest.
    """
    return Figure(statistics.median(values), min(values), max(values))


def take_turns(contenders: Mapping[str, Callable[[], T]], rounds: int, *, warm_up: bool = True) -> dict[str, list[T]]:
    """Let every contender run once a round, each round beginning with another, so that all meet the same weather.

    :param contenders: by name, what runs once and returns what it has seen.
    :param rounds: how many rounds count.
    :param warm_up: whether a first round is thrown away.
    :return: by name, what each round has shown.
    """
    found: dict[str, list[T]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(-1 if warm_up else 0, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            value = contenders[name]()
            if number >= 0:
                found[name].append(value)
    return found


def column(results: Iterable[Mapping[str, float]], name: str) -> list[float]:
    """Take one number out of what each round has shown.

    :param results: a mapping a round.
    :param name: the number's name.
    :return: one number a round.
    """
    return [result[name] for result in results]


def cpu(action: Callable[[], Any], repeat: int) -> Callable[[], float]:
    """Return a contender that measures the CPU time of an action.

    :param action: what to do.
    :param repeat: how often a round.
    :return: a function that returns the microseconds of CPU that this process spent, per action.
    """

    def measure() -> float:
        start = time.process_time_ns()
        for _ in range(repeat):
            action()
        return (time.process_time_ns() - start) / repeat / 1000

    return measure


def in_fresh_process(
    code: str, *arguments: str, environment: Mapping[str, str] | None = None, first: str = ""
) -> dict[str, Any]:
    """Run code in an interpreter of its own, with byte code cached, as it is where Airflow runs.

    :param code: prints one JSON object as its last line.
    :param arguments: its ``sys.argv[1:]``.
    :param environment: set on top of this process's.
    :param first: code to put in front of it.
    :return: the JSON object.
    """
    command = [sys.executable, "-W", "ignore", "-c", first + "\n" + code, *arguments]
    ended = subprocess.run(
        command, env=clean_environment(environment), capture_output=True, text=True, cwd=ROOT, check=False
    )
    if ended.returncode:
        raise SystemExit(f"a contender failed:\n{ended.stdout}{ended.stderr}")
    result: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return result


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment for a child in which nothing of the caller's slows Python down or speeds it up.

    :param extra: what to add.
    :return: the environment.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "AIRFLOW"))}
    return {**ours, "PYTHONPATH": str(ROOT), **(extra or {})}


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table under a heading.

    :param title: the question.
    :param head: column titles.
    :param rows: cells; all but the first are aligned to the right.
    """
    print(f"\n### {title}\n")
    print(f"| {' | '.join(head)} |")
    print(f"|---|{'---:|' * (len(head) - 1)}")
    for row in rows:
        print(f"| {' | '.join(str(cell) for cell in row)} |", flush=True)
    print()


def bar(what: str, measured: float, limit: float, unit: str = "x") -> None:
    """Print whether a bar is met.

    :param what: what was compared.
    :param measured: what was seen.
    :param limit: what it may be at most.
    :param unit: of both.
    """
    verdict = "met" if measured <= limit else "NOT MET"
    print(f"- {what}: {measured:.3g} {unit}, bar {limit:g} {unit}: **{verdict}**", flush=True)


def machine(*packages: str) -> str:
    """Describe what this ran on.

    :param packages: distributions whose versions matter.
    :return: one line.
    """
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    system = f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}"
    return f"{system}; {versions}" if versions else system
