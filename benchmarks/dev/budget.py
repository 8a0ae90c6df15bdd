"""Measure what one check of the request budget costs: ``python benchmarks/dev/budget.py``.

The budget is used up and every caller waits in the queue, so each check reads, decides on and writes a full ledger:
the most expensive kind. Prints a Markdown table of microseconds a check.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from airflow_provider_3commas.budget import Priority, RequestBudget

CHECKS = 500


def check(url: str, path: str, checks: int) -> list[float]:
    """Return the microseconds that each of so many checks took."""
    budget = RequestBudget("benchmark", "https://api.3commas.io", url=url or None, path=Path(path))
    ticket = None
    while (answer := budget.reserve(Priority.POLL, ticket)).granted:
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    spent = []
    for _ in range(checks):
        start = time.perf_counter_ns()
        answer = budget.reserve(Priority.POLL, answer.ticket)
        spent.append((time.perf_counter_ns() - start) / 1000)
    if trouble := budget.status().store_error:
        raise SystemExit(trouble)
    budget.close()
    return spent


def measure(processes: int, url: str, path: Path, checks: int) -> list[float]:
    """Run so many processes at a time and return what their checks took."""
    command = [sys.executable, __file__, "--worker", url, "--path", str(path), "--checks", str(checks)]
    crowd = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for process in crowd:
        if process.stdout is None or process.stdout.readline() != "ready\n":
            raise SystemExit("a worker did not start")
    for process in crowd:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
    spent = [float(word) for process in crowd for word in process.communicate()[0].split()]
    if any(process.returncode for process in crowd):
        raise SystemExit("a worker failed")
    return spent


def start_redis(stack: ExitStack, directory: str) -> str | None:
    """Start a Redis server of our own, if there is one to start, and return its address."""
    binary = shutil.which("redis-server")
    if binary is None:
        return None
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory],
        stdout=subprocess.DEVNULL,
    )
    stack.callback(process.wait)
    stack.callback(process.terminate)
    for _ in range(250):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return f"redis://127.0.0.1:{port}/0"
        time.sleep(0.02)
    return None


def row(name: str, processes: int, spent: list[float]) -> str:
    """Return a line of the table."""
    percentiles = statistics.quantiles(spent, n=100)
    cells = [name, str(processes), f"{statistics.median(spent):.0f}", f"{percentiles[98]:.0f}"]
    cells += [f"{min(spent):.0f}-{max(spent):.0f}", str(len(spent))]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Measure every store, uncontended and with 16 processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--checks", type=int, default=CHECKS, help="checks a process (default: %(default)s)")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--path", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        print(*check(options.worker, options.path, options.checks))
        return
    print("## One check of the request budget\n")
    print(f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {platform.system()} {platform.machine()}\n")
    print("| store | processes | median µs | 99th percentile µs | min-max µs | checks |")
    print("|---|---:|---:|---:|---:|---:|")
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        redis_url = start_redis(stack, directory)
        for name, url in (("this process", "memory://"), ("SQLite", ""), ("Redis", redis_url)):
            for processes in (1, 16) if name != "this process" else (1,):
                if url is None:
                    print(f"| {name} | {processes} | no redis-server on this machine | | | |")
                    continue
                path = Path(directory) / f"{processes}.sqlite"
                print(row(name, processes, measure(processes, url, path, options.checks)), flush=True)


if __name__ == "__main__":
    main()
