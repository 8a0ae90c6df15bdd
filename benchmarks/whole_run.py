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
from functools import partial
from pathlib import Path
from statistics import median

from measure import ROOT, clean_environment, column, figure, machine, table, take_turns

sys.path.insert(0, str(ROOT))

from airflow_provider_3commas.simulator import Simulator

OURS, NOTHING = "risk_off_liquidation", "does_nothing"
_SPEED = 60
_DAGS = {
    OURS: (ROOT / "example_dags" / "risk_off_liquidation.py").read_text().removesuffix("risk_off_liquidation()\n")
    # Every round sells the same account.
    + "dag = risk_off_liquidation()\n"
    + "dag.get_task('settled').poke_interval = 0.5\n"
    + "dag.get_task('liquidate').not_within = None\n",
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


def run(dag_id: str, environment: dict[str, str], simulator: Simulator) -> dict[str, float]:
    """Run a DAG once, on an account that has not been sold.

    :param dag_id: the DAG.
    :param environment: of the process.
    :param simulator: has the account.
    :return: ``cpu`` and ``wall`` in seconds, and how many ``requests`` and ``sells`` it sent.
    """
    simulator.reset("calm")
    before, start = _children(), time.monotonic()
    conf = json.dumps({"account_id": simulator.account_id, "dry_run": False})
    command = [sys.executable, "-W", "ignore", "-m", "airflow", "dags", "test", dag_id, "--conf", conf]
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.monotonic() - start
    if ended.returncode or "state=success" not in ended.stdout + ended.stderr:
        raise SystemExit(f"{dag_id} failed:\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}")
    return {
        "cpu": _children() - before,
        "wall": wall,
        "requests": len(simulator.journal()),
        "sells": len(simulator.sells()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=2, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    print("## A whole run\n")
    print(machine("apache-airflow"))
    with tempfile.TemporaryDirectory() as folder, Simulator("calm", speed=_SPEED) as simulator:
        environment = _airflow(Path(folder), simulator)
        runs = {name: partial(run, name, environment, simulator) for name in _DAGS}
        found = take_turns(runs, options.rounds, warm_up=False)
    table(
        "`airflow dags test`",
        ["DAG", "s of CPU, median (min-max)", "s of wall time", "requests", "sell-alls"],
        [
            (
                f"`{name}`",
                f"{figure(column(it, 'cpu')):.2f}",
                f"{figure(column(it, 'wall')):.1f}",
                f"{median(column(it, 'requests')):.0f}",
                f"{median(column(it, 'sells')):.0f}",
            )
            for name, it in found.items()
        ],
    )
    ours, nothing = (median(column(found[name], "cpu")) for name in (OURS, NOTHING))
    print(f"- CPU over the DAG that does nothing: {ours - nothing:.2f} s, {ours / nothing:.2f} x.")


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
