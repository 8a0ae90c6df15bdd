"""What does a signed read cost the client, over a kept-alive connection? ``python benchmarks/signed_reads.py``.

CPU time of the whole process per read of an account, decoding included, against a server of canned replies.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import contenders
from measure import ROOT, bar, cpu, figure, machine, table, take_turns
from stub import StubApi, canned_replies, certificates

sys.path.insert(0, str(ROOT))

OURS, BARE, HOOK = "this provider", "bare `requests.Session`", "`HttpHook.run`"
WITH_BUDGET = "this provider, counted in the budget (SQLite)"
# three-commas and HttpHook connect anew for each request, so they get fewer of them.
_REPEAT = {"`three-commas`": 5, HOOK: 40}


def measure(url: str, rounds: int, folder: Path) -> dict[str, list[float]]:
    """Let all contenders read from the same server.

    :param url: the server.
    :param rounds: how many rounds.
    :param folder: where the budget is kept.
    :return: microseconds of CPU a read, by contender, a number a round.
    """
    senders = {name: build(url, "read") for name, build in contenders.CONTENDERS.items()}
    senders[WITH_BUDGET] = contenders.threecommas(url, "read", gate=_gate(folder, url))
    answers = {name: send() for name, send in senders.items()}
    for name, account in answers.items():
        if int(account["id"]) != contenders.ACCOUNT_ID:
            raise SystemExit(f"{name} has not read the account: {account}")
    return take_turns({name: cpu(send, _REPEAT.get(name, 100)) for name, send in senders.items()}, rounds)


def show(transport: str, spent: dict[str, list[float]]) -> None:
    """Print what was measured over one transport.

    :param transport: its name.
    :param spent: what ``measure`` returned.
    """
    medians = {name: statistics.median(values) for name, values in spent.items()}
    rows = [(name, f"{figure(values):.0f}", f"{medians[name] / medians[BARE]:.2f}") for name, values in spent.items()]
    table(f"A signed read over {transport}", ["contender", "µs of CPU, median (min-max)", f"x of {BARE}"], rows)
    bar(f"{transport}: beside {BARE}", medians[OURS] / medians[BARE], 1.10)
    bar(f"{transport}: beside `py3cw`", medians[OURS] / medians["`py3cw`"], 1.0)
    bar(f"{transport}: beside {HOOK}", medians[OURS] / medians[HOOK], 0.7)
    if transport == "TLS":
        bar("TLS: beside `three-commas`", medians[OURS] / medians["`three-commas`"], 0.05)
    bar(f"{transport}: with the budget, beside {BARE}", medians[WITH_BUDGET] / medians[BARE], 2.0)


def main() -> None:
    """Measure over HTTP and over TLS."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15, help="rounds that count (default: %(default)s)")
    options = parser.parse_args()
    print("## CPU per signed read\n")
    print(machine("requests", "py3cw", "three-commas", "apache-airflow-providers-http"))
    replies = canned_replies()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["REQUESTS_CA_BUNDLE"] = str(certificates(folder))
        for transport, tls in (("HTTP", None), ("TLS", folder)):
            with StubApi(replies, tls=tls) as api:
                show(transport, measure(api.url, options.rounds, folder))


def _gate(folder: Path, url: str) -> Any:
    from airflow_provider_3commas.budget import Priority, RequestBudget, SleepingGate
    from airflow_provider_3commas.hooks.gates import BudgetMetrics

    budget = RequestBudget(contenders.API_KEY, url, requests_per_minute=10_000, path=folder / "budget.sqlite")
    return SleepingGate(budget, Priority.POLL, observer=BudgetMetrics())


if __name__ == "__main__":
    main()
