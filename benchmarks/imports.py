"""What does importing operators and sensors cost, on top of ``airflow.sdk``? ``python benchmarks/imports.py``.

Each contender is imported in an interpreter of its own, with its byte code cached, as every worker and parser does.
"""

from __future__ import annotations

import argparse
from functools import partial
from statistics import median
from typing import Any

from measure import bar, column, figure, in_fresh_process, machine, table, take_turns

PACKAGES = {
    "this provider": ("airflow_provider_3commas.operators.sell_all", "airflow_provider_3commas.sensors.balances"),
    "`http`": ("airflow.providers.http.operators.http", "airflow.providers.http.sensors.http"),
    "`dbt-cloud`": ("airflow.providers.dbt.cloud.operators.dbt", "airflow.providers.dbt.cloud.sensors.dbt"),
}
OURS, PEER = "this provider", "`http`"
_CODE = """
import importlib, json, sys, time
import psutil
import airflow.sdk
from airflow.sdk import BaseOperator, BaseSensorOperator, dag, task
process = psutil.Process()
memory, modules, start = process.memory_info().rss, len(sys.modules), time.process_time()
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps({
    "ms": (time.process_time() - start) * 1000,
    "modules": len(sys.modules) - modules,
    "mb": (process.memory_info().rss - memory) / 1e6,
}))
"""


def measure(rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Import every package in turn.

    :param rounds: how many rounds count; one before them writes the byte code.
    :return: by package, what each round has shown.
    """
    return take_turns({name: partial(in_fresh_process, _CODE, *modules) for name, modules in PACKAGES.items()}, rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    print("## Import\n")
    print(machine("apache-airflow", "apache-airflow-providers-http", "apache-airflow-providers-dbt-cloud"))
    found = measure(options.rounds)
    seen = {name: {what: column(results, what) for what in ("ms", "modules", "mb")} for name, results in found.items()}
    table(
        "Importing operators and sensors, on top of `airflow.sdk`",
        ["package", "ms of CPU, median (min-max)", "modules", "MB, median (min-max)"],
        [
            (name, f"{figure(it['ms']):.1f}", f"{median(it['modules']):.0f}", f"{figure(it['mb']):.1f}")
            for name, it in seen.items()
        ],
    )
    for what, unit in (("ms", "time"), ("modules", "modules"), ("mb", "memory")):
        bar(f"{unit} beside {PEER}", median(seen[OURS][what]) / median(seen[PEER][what]), 0.1)


if __name__ == "__main__":
    main()
