"""How long, and how many requests, before the sell leaves? ``python benchmarks/before_the_sell.py``.

From ``execute()`` to the first byte of the sell at a server on this machine, without TLS, so that the network has next
to no share in it. *First*: in a fresh process that has loaded Airflow's task runner and the DAG file, as that of every
task has; *again*: in the same process, with everything imported. The journal is kept in memory here: Airflow's own
store is asked over the network.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from measure import bar, figure, in_fresh_process, machine, table, take_turns
from stub import StubApi, canned_replies

OURS, WITH_READS = "`SellAllToBtcOperator(preflight=False)`", "`SellAllToBtcOperator()`"
PEERS = ("bare `requests.Session`", "`py3cw`", "`HttpHook.run`")
_CODE = f"""
import json, os, sys, time
from datetime import UTC, datetime
from types import SimpleNamespace
sys.path.insert(0, {str(Path(__file__).parent)!r})
import airflow.sdk.execution_time.supervisor, airflow.sdk.execution_time.task_runner
from airflow.sdk import BaseOperator, BaseSensorOperator, dag, task
import contenders
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor
name, url, counts = sys.argv[1:]
os.environ["AIRFLOW_CONN_THREECOMMAS_DEFAULT"] = json.dumps(
    {{"conn_type": "threecommas", "login": contenders.API_KEY, "password": contenders.SECRET, "host": url,
     "extra": {{"requests_per_minute": 10000}}}}
)

class Store(dict):
    def get(self, key, default=None):
        return super().get(key, default)
    def set(self, key, value, retention=None):
        self[key] = value

def execute():
    if name in contenders.CONTENDERS:
        return lambda: contenders.CONTENDERS[name](url, "sell")()
    operator = SellAllToBtcOperator(
        task_id="sell", account_id=contenders.ACCOUNT_ID, preflight="False" not in name, not_within=None
    )
    ti = SimpleNamespace(
        xcom_push=lambda key, value: None, try_number=1, dag_id="benchmark", run_id="manual", task_id="sell",
        map_index=-1, get_task_states=lambda **asked: {{"manual": {{"sell": "running"}}}},
    )
    run = SimpleNamespace(run_type="manual", run_after=datetime.now(UTC), clear_number=0)
    return lambda: operator.execute({{"ti": ti, "dag_run": run, "task_state_store": Store()}})

def until_it_arrives(action):
    start = time.monotonic()
    cpu = time.process_time()
    action()
    spent = time.process_time() - cpu
    from urllib.request import ProxyHandler, build_opener
    with build_opener(ProxyHandler({{}})).open(counts) as reply:
        seen = json.load(reply)
    return {{"ms": (seen["last"] - start) * 1000, "requests": seen["requests"], "cpu": spent * 1000}}

first = until_it_arrives(execute())
print(json.dumps({{"first": first, "again": until_it_arrives(execute())}}))
"""


def measure(rounds: int) -> dict[str, list[dict[str, Any]]]:
    """Let the operator and the peers sell in turn.

    :param rounds: how many rounds count.
    :return: by contender, what each round has shown.
    """
    with tempfile.TemporaryDirectory() as home, StubApi(canned_replies()) as api:
        environment = {"AIRFLOW_HOME": home}
        return take_turns(
            {
                name: partial(in_fresh_process, _CODE, name, api.url, api.counts_url, environment=environment)
                for name in (OURS, WITH_READS, *PEERS)
            },
            rounds,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    print("## Before the sell-all leaves\n")
    print(machine("apache-airflow", "requests", "py3cw", "apache-airflow-providers-http"))
    found = measure(options.rounds)

    def column(name: str, when: str, what: str) -> list[float]:
        return [float(result[when][what]) for result in found[name]]

    table(
        "From `execute()` (or the call) to the sell-all at the server",
        ["contender", "ms, first in a process", "ms, again", "requests before the sell-all"],
        [
            (
                name,
                f"{figure(column(name, 'first', 'ms')):.1f}",
                f"{figure(column(name, 'again', 'ms')):.1f}",
                f"{median(column(name, 'first', 'requests')) - 1:.0f}",
            )
            for name in found
        ],
    )
    for name, limit in ((OURS, 0), (WITH_READS, 3)):
        before = max(max(column(name, when, "requests")) for when in ("first", "again")) - 1
        bar(f"requests before the sell-all, {name}", before, limit, "requests")
    bar(f"{OURS}, first in a process", median(column(OURS, "first", "ms")), 20, "ms")
    bar(f"{OURS}, again", median(column(OURS, "again", "ms")), 20, "ms")


if __name__ == "__main__":
    main()
