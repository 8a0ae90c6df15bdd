"""What does one signed sell over TLS cost in a fresh process? ``python benchmarks/dev/first_sell.py``.

This is the operator's case: every task runs in a process of its own, which has Airflow's SDK loaded and nothing of an
HTTP client yet. CPU time from before the contender's first import until the reply is decoded.
"""

from __future__ import annotations

import argparse
import ssl
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

import certifi

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import contenders
from measure import bar, column, cpu, figure, in_fresh_process, machine, table, take_turns
from stub import StubApi, canned_replies, certificates

OURS, BARE = "this provider", "bare `requests.Session`"
_CODE = f"""
import json, sys, time
sys.path.insert(0, {str(Path(contenders.__file__).parent)!r})
import airflow.sdk
from airflow.sdk import BaseOperator, BaseSensorOperator, dag, task
import contenders
start = time.process_time()
send = contenders.CONTENDERS[sys.argv[1]](sys.argv[2], "sell")
built = time.process_time()
account = send()
end = time.process_time()
if int(account["id"]) != contenders.ACCOUNT_ID:
    raise SystemExit(f"not the account: {{account}}")
print(json.dumps({{"total": (end - start) * 1000, "import": (built - start) * 1000}}))
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    print("## The first sell of a process\n")
    print(machine("requests", "py3cw", "three-commas", "apache-airflow-providers-http"))
    replies = canned_replies()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"REQUESTS_CA_BUNDLE": str(certificates(Path(folder)))}
        with StubApi(replies, tls=Path(folder)) as api:
            found = take_turns(
                {
                    name: partial(in_fresh_process, _CODE, name, api.url, environment=environment)
                    for name in contenders.CONTENDERS
                },
                options.rounds,
            )
            sells = api.counts()["requests"]
    expected = (options.rounds + 1) * len(contenders.CONTENDERS)
    spent = {name: column(results, "total") for name, results in found.items()}
    base = median(spent[BARE])
    table(
        "One signed sell over TLS",
        ["contender", "ms of CPU, median (min-max)", "of it, importing and building the client", "x"],
        [
            (name, f"{figure(it):.1f}", f"{median(column(found[name], 'import')):.1f}", f"{median(it) / base:.2f}")
            for name, it in spent.items()
        ],
    )
    bundle = cpu(lambda: ssl.create_default_context(cafile=certifi.where()), 5)
    print(f"- Of each: reading the CA bundle (certifi's): {median(bundle() for _ in range(9)) / 1000:.1f} ms.")
    bar(f"beside {BARE}", median(spent[OURS]) / base, 1.1)
    bar("requests a sell", sells / expected, 1.0, "requests")


if __name__ == "__main__":
    main()
