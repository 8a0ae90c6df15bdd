"""Count what is sent while the server refuses: ``python benchmarks/polling_under_errors.py``.

Our trigger, with its request budget in memory, and ``HttpSensor``'s, each in a fresh process, ask a server that answers
everything with 429 (and a ``Retry-After`` that is shorter than 3Commas' documented pause, which ours does not believe),
403 or 500. A 403 ends our wait: no waiting cures it.
"""

from __future__ import annotations

import sys

from measure import ROOT, bar, machine, table

sys.path.insert(0, str(ROOT))

from stub import StubApi
from waiting import OURS, PEER, Case, observe

from airflow_provider_3commas.api.pauses import RATE_LIMIT_PAUSE

#: Seconds between two polls, and what the 429 asks for.
INTERVAL, RETRY_AFTER = 1, 2
#: How long is counted. Ours first polls after an interval, so the interval before counts for neither.
SECONDS = 4
STATUSES = (429, 403, 500)
WAITS = (1, 10)


def count(status: int, contender: str, waits: int) -> tuple[int, int]:
    """Run one case.

    :param status: what the server answers.
    :param contender: who asks.
    :param waits: how many waits, each for an account of its own.
    :return: requests, and waits that had ended.
    """
    case = Case(contender, waits, waits, INTERVAL, INTERVAL, SECONDS, budget=True, warm_up=False, watched=False)
    with StubApi(status=status, retry_after=RETRY_AFTER if status == 429 else None) as stub:
        seen = observe(case, stub)
    return seen.requests, seen.ended


def main() -> None:
    """Count all cases and print them."""
    print("## Polls of a server that refuses\n")
    print(machine("apache-airflow-core", "apache-airflow-providers-http", "aiohttp", "requests"))
    rows, verdicts = [], []
    for status in STATUSES:
        pause = RATE_LIMIT_PAUSE if status == 429 else INTERVAL
        answer = f"{status}, Retry-After: {RETRY_AFTER}" if status == 429 else str(status)
        for waits in WAITS:
            for contender in (OURS, PEER):
                requests, ended = count(status, contender, waits)
                each = requests / waits / max(SECONDS / pause, 1)
                rows.append([answer, waits, contender, f"{requests / SECONDS:.1f}", f"{each:.2f}", ended])
                if contender == OURS:
                    verdicts.append((f"{answer}: {waits} wait(s), requests per wait and pause of {pause:.0f} s", each))
    head = ["answer", "waits", "whose", "requests/s", "requests per wait and pause", "waits ended"]
    title = (
        f"Polls of a server that refuses, interval {INTERVAL} s; the pause is the interval, or {RATE_LIMIT_PAUSE:.0f} s"
    )
    table(title, head, rows)
    for what, each in verdicts:
        bar(what, each, 1, "")


if __name__ == "__main__":
    main()
