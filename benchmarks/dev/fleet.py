"""Take a fleet of simulated accounts to BTC in a whole Airflow, and compare the time with what the limit allows.

``python benchmarks/dev/fleet.py [--accounts 200] [--limit 100]`` starts the simulator, which enforces the limit in
fixed clock minutes, and Airflow as ``airflow standalone`` does (scheduler, triggerer, API server; SQLite), runs the
example DAG ``risk_off_fleet`` and prints a Markdown table. With the defaults that takes about twenty minutes, because
3Commas allows no faster.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from airflow_provider_3commas.simulator import Simulator  # noqa: E402
from local_airflow.command_line import AirflowByCommandLine  # noqa: E402

RUN_ID = "fleet"


def main() -> None:
    """Run the fleet and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accounts", type=int, default=200, help="how many accounts (default 200)")
    parser.add_argument("--limit", type=int, default=100, help="requests a minute (default 100)")
    parser.add_argument("--window", choices=["fixed", "sliding"], default="fixed", help="how the server counts")
    arguments = parser.parse_args()
    scenario = {
        "extends": "fleet",
        "fleet": {"count": arguments.accounts},
        "rate_limit": {"requests": arguments.limit, "window": arguments.window},
    }
    with tempfile.TemporaryDirectory() as folder, Simulator(scenario) as simulator:
        started, ended, state = _run(Path(folder), simulator, arguments.limit, arguments.accounts)
        _print(simulator, arguments, ended - started, state)


def _run(home: Path, simulator: Simulator, limit: int, accounts: int) -> tuple[float, float, str]:
    (home / "dags").mkdir()
    shutil.copy(ROOT / "example_dags" / "risk_off_fleet.py", home / "dags")
    connection = {
        "conn_type": "threecommas",
        "login": simulator.api_key,
        "password": simulator.secret,
        "host": simulator.url,
        "extra": {"requests_per_minute": limit},
    }
    environment = {
        "AIRFLOW_CONN_THREECOMMAS_DEFAULT": json.dumps(connection),
        "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "1000",
    }
    with AirflowByCommandLine(home, environment=environment) as airflow:
        airflow.wait_for_dags({"risk_off_fleet"})
        started = time.time()
        airflow.trigger("risk_off_fleet", RUN_ID, json.dumps({"dry_run": False}))
        state = airflow.wait_for_run("risk_off_fleet", RUN_ID, seconds=120 + accounts * 60)
        return started, time.time(), state


def _print(simulator: Simulator, arguments: argparse.Namespace, seconds: float, state: str) -> None:
    requests = simulator.journal()
    sells = Counter(sell["account_id"] for sell in simulator.sells())
    refused = sum(request["status"] in (418, 429) for request in requests)
    span = requests[-1]["time"] - requests[0]["time"]
    sold = max(sell["time"] for sell in simulator.sells()) - requests[0]["time"]
    bound = len(requests) / arguments.limit * 60
    rows = {
        "state of the run": state,
        "accounts sold once / more than once": f"{sum(n == 1 for n in sells.values())} / "
        f"{sum(n > 1 for n in sells.values())} of {arguments.accounts}",
        "requests": len(requests),
        "requests an account": f"{len(requests) / arguments.accounts:.1f}",
        "refused (429, 418)": refused,
        "first request to last sell": f"{sold:.0f} s",
        "first request to last": f"{span:.0f} s",
        "trigger to end of the run": f"{seconds:.0f} s",
        f"lower bound (requests / {arguments.limit} a minute)": f"{bound:.0f} s",
        "ratio (first request to last, over the lower bound)": f"{span / bound:.2f}",
        "ratio (trigger to end, over the lower bound)": f"{seconds / bound:.2f}",
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
