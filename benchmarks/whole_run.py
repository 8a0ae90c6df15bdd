"""What does a whole run of ``risk_off_liquidation`` cost? ``python benchmarks/whole_run.py``.

``airflow dags test`` of the example DAG against the simulator, beside a DAG of the same shape whose tasks do nothing.
The market is made fast (a sell fills within a second) and looked at every half second, or the wall time would be that
of waiting for it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from measure import ROOT, clean_environment, figure, machine, table, take_turns

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(ROOT))

from airflow_provider_3commas.simulator import Simulator

OURS, NOTHING = "risk_off_liquidation", "does_nothing"
_SPEED = 60
_DAGS = {
    OURS: (ROOT / "example_dags" / "risk_off_liquidation.py").read_text().removesuffix("risk_off_liquidation()\n")
    + "risk_off_liquidation().get_task('settled').poke_interval = 0.5\n",
    NOTHING: """
import pendulum
from airflow.sdk import BaseOperator, Param, dag, task
class Nothing(BaseOperator):
    def execute(self, context):
        return None
@dag(schedule="0 21 * * 5", start_date=pendulum.datetime(2025, 1, 1, tz="UTC"), catchup=False,
     params={"account_id": Param(32402783, type="integer"), "dry_run": Param(False, type="boolean")})
def does_nothing():
    @task
    def report():
        return None
    Nothing(task_id="liquidate") >> Nothing(task_id="settled") >> report()
dag = does_nothing()
""",
}


def runner(dag_id: str, environment: dict[str, str], wall: list[float]) -> Callable[[], float]:
    """Return what runs a DAG once.

    :param dag_id: the DAG.
    :param environment: of the process.
    :param wall: takes the seconds that each run took.
    :return: a function that returns the seconds of CPU of one run.
    """

    def run() -> float:
        before, start = _children(), time.monotonic()
        command = [sys.executable, "-W", "ignore", "-m", "airflow", "dags", "test", dag_id]
        ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        wall.append(time.monotonic() - start)
        if ended.returncode or "state=success" not in ended.stdout + ended.stderr:
            raise SystemExit(f"{dag_id} failed:\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}")
        return _children() - before

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=2, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    print("## A whole run\n")
    print(machine("apache-airflow"))
    wall: dict[str, list[float]] = {name: [] for name in _DAGS}
    with tempfile.TemporaryDirectory() as folder, Simulator("calm", speed=_SPEED) as simulator:
        environment = _airflow(Path(folder), simulator)

        # A fresh account for each run: what is sold is sold.
        def reset_and(run: Callable[[], float]) -> Callable[[], float]:
            def start() -> float:
                simulator.reset("calm")
                return run()

            return start

        runs = {name: reset_and(runner(name, environment, wall[name])) for name in _DAGS}
        spent = take_turns(runs, options.rounds, warm_up=False)
        simulator.reset("calm")
        runner(OURS, environment, [])()
        requests, sells = len(simulator.journal()), len(simulator.sells())
    table(
        "`airflow dags test`",
        ["DAG", "s of CPU, median (min-max)", "s of wall time"],
        [(f"`{name}`", f"{figure(it):.2f}", f"{figure(wall[name]):.1f}") for name, it in spent.items()],
    )
    over = median(spent[OURS]) - median(spent[NOTHING])
    ratio = median(spent[OURS]) / median(spent[NOTHING])
    print(f"- CPU over the DAG that does nothing: {over:.2f} s, {ratio:.2f} x. Requests: {requests}, sells: {sells}.")


def _airflow(home: Path, simulator: Simulator) -> dict[str, str]:
    dags = home / "dags"
    dags.mkdir()
    for name, text in _DAGS.items():
        (dags / f"{name}.py").write_text(text)
    connection = {
        "conn_type": "threecommas",
        "login": simulator.api_key,
        "password": simulator.secret,
        "host": simulator.url,
        "extra": {"requests_per_minute": 10_000},
    }
    environment = clean_environment(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW_CONN_THREECOMMAS_DEFAULT": json.dumps(connection),
            "NO_PROXY": "127.0.0.1",
        }
    )
    for command in (["db", "migrate"], ["dags", "reserialize"]):
        subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "airflow", *command],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
    return environment


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
