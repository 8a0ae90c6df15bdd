"""Measure what deferred waits cost a triggerer: ``python benchmarks/deferred_waits.py [--rounds 2]``.

Our trigger and ``HttpSensor``'s wait for what does not happen, each in a fresh process, all begun at the same moment. A
poll of ours reads an account: two signed requests (3Commas refreshes the balances, then says what they are)
and a decision about five coins; a poll of ``HttpSensor``'s is one request without a signature, answered by a 404.
Logging is off for both, which in a triggerer goes elsewhere, and so is our budget. The coroutine that measures the lag
of the event loop runs in both, a hundred times a second, and counts as theirs. Memory is what the process grew by, once
a few waits had started its threads, opened their connections and loaded what is loaded once. The lone wait begins with
none of that, and its connections are all that there are.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from measure import ROOT, bar, figure, machine, table

sys.path.insert(0, str(ROOT))

from stub import StubApi, canned_replies, certificates
from waiting import OURS, PEER, WARM_UP_WAITS, Case, Seen, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from measure import Figure

#: Requests that a poll takes.
POLL = 2


class Entry(NamedTuple):
    """Hold one line of the tables.

    :param title: what is measured.
    :param case: how.
    :param tls: whether over HTTPS, as 3Commas is.
    """

    title: str
    case: Case
    tls: bool = False


# A lone wait needs twelve seconds for a hundred polls; the two contenders run side by side, being idle nearly always.
ALONE = [Entry("1 wait, every 0.1 s", Case(who, 1, 1, 0.1, 0.2, 12, warm_up=False)) for who in (OURS, PEER)]
HUNDRED = [Entry("100 waits, every 0.5 s", Case(who, 100, 100, 0.5, 0.5, 2.5)) for who in (OURS, PEER)]
HUNDRED_TLS = [entry._replace(title=f"{entry.title}, HTTPS", tls=True) for entry in HUNDRED]
THOUSAND = [Entry("1,000 waits, every 5 s", Case(who, 1000, 1000, 5, 5, 5)) for who in (OURS, PEER)]
# From the second poll on, as the first one also has something to say to each wait's log; and with nothing measured
# beside it, which would take as much CPU as these ten polls do.
SHARED = Entry("1,000 waits over 10 accounts, every 5 s", Case(OURS, 1000, 10, 5, 10, 5, watched=False))


class Bench:
    """Run the entries, and remember what each round has shown."""

    def __init__(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        replies = canned_replies()
        self._bundle = certificates(folder)
        self._plain = {who: stack.enter_context(StubApi(replies)) for who in (OURS, PEER)}
        self._tls = stack.enter_context(StubApi(replies, tls=folder))
        self._seen: dict[Entry, list[Seen]] = {}

    def run(self, entry: Entry) -> None:
        """Run an entry once more.

        :param entry: the entry.
        """
        stub = self._tls if entry.tls else self._plain[entry.case.contender]
        seen = observe(entry.case, stub, self._bundle if entry.tls else None)
        if seen.ended:
            raise SystemExit(f"{seen.ended} waits were over too early: {entry}")
        self._seen.setdefault(entry, []).append(seen)

    def figure(self, entry: Entry, measure: Callable[[Case, Seen], float]) -> Figure:
        """Sum up what the rounds have shown.

        :param entry: the entry.
        :param measure: the number to take of each round.
        :return: median, lowest and highest.
        """
        return figure([measure(entry.case, seen) for seen in self._seen[entry]])


def polls(case: Case, seen: Seen) -> float:
    """Return how many polls were seen."""
    return seen.requests / (POLL if case.contender == OURS else 1)


def cpu_per_poll(case: Case, seen: Seen) -> float:
    """Return microseconds of CPU for a poll."""
    return seen.cpu / polls(case, seen) * 1e6


def cpu_per_request(_: Case, seen: Seen) -> float:
    """Return microseconds of CPU for a request."""
    return seen.cpu / seen.requests * 1e6


def cpu_per_wait(case: Case, seen: Seen) -> float:
    """Return microseconds of CPU for a wait and an interval."""
    return seen.cpu / case.waits / (case.seconds / case.interval) * 1e6


def requests_per_account(case: Case, seen: Seen) -> float:
    """Return how many requests an account got in an interval."""
    return seen.requests / case.accounts / (case.seconds / case.interval)


def connections_per_poll(case: Case, seen: Seen) -> float:
    """Return how many connections were opened for a poll, since the waits began."""
    return seen.connections / polls(case, seen)


def memory_per_wait(case: Case, seen: Seen) -> float:
    """Return the KB by which a wait let the process grow; those of the warm-up have left their memory to as many."""
    return seen.growth / (case.waits - WARM_UP_WAITS) / 1024


def lag(_: Case, seen: Seen) -> float:
    """Return the 99th percentile of the event loop's lag in ms."""
    return seen.lag * 1000


def print_costs(bench: Bench, entries: Sequence[Entry]) -> None:
    """Print what the waits cost.

    :param bench: has run them.
    :param entries: the lines.
    """
    head = ["waits", "whose", "polls", "CPU µs/poll", "CPU µs/request", "KB/wait", "connections/poll", "p99 lag ms"]
    table(
        "What deferred waits cost: median (min-max) of the rounds",
        head,
        [
            [
                entry.title,
                entry.case.contender,
                f"{bench.figure(entry, polls).median:.0f}",
                format(bench.figure(entry, cpu_per_poll), ".0f"),
                format(bench.figure(entry, cpu_per_request), ".0f"),
                # A page of memory is more than one wait takes.
                format(bench.figure(entry, memory_per_wait), ".1f") if entry.case.waits > 1 else "",
                format(bench.figure(entry, connections_per_poll), ".3f"),
                format(bench.figure(entry, lag), ".1f"),
            ]
            for entry in entries
        ],
    )
    for ours, peer in zip(entries[::2], entries[1::2], strict=True):
        ratio = bench.figure(ours, cpu_per_poll).median / bench.figure(peer, cpu_per_poll).median
        bar(f"{ours.title}: CPU of a poll (two requests and a decision), over {PEER}'s", ratio, 1)
        ratio = bench.figure(ours, cpu_per_request).median / bench.figure(peer, cpu_per_request).median
        print(f"  - CPU of a request, over {PEER}'s: {ratio:.3g} x")
        if ours.case.waits > 1:
            bar(f"{ours.title}: memory a wait", bench.figure(ours, memory_per_wait).median, 10, "KB")
        bar(f"{ours.title}: connections opened per poll", bench.figure(ours, connections_per_poll).median, 0.01, "")
        bar(f"{ours.title}: 99th percentile of the loop's lag", bench.figure(ours, lag).median, 20, "ms")


def print_sharing(bench: Bench, ours: Entry, peer: Entry) -> None:
    """Print what is shared by waits on the same account.

    :param bench: has run them.
    :param ours: waits on few accounts.
    :param peer: the peer shares nothing, so that it is all the same to it on how many accounts it waits.
    """
    table(
        "1,000 waits over 10 accounts",
        ["whose", "requests per account and interval", "polls per account and interval", "CPU µs/wait and interval"],
        [
            [
                OURS,
                format(bench.figure(ours, requests_per_account), ".2f"),
                f"{bench.figure(ours, requests_per_account).median / POLL:.2f}",
                format(bench.figure(ours, cpu_per_wait), ".0f"),
            ],
            [
                PEER,
                f"{bench.figure(peer, requests_per_account).median * peer.case.accounts / ours.case.accounts:.0f}",
                "",
                format(bench.figure(peer, cpu_per_wait), ".0f"),
            ],
        ],
    )
    requests = bench.figure(ours, requests_per_account).median
    bar("requests per account and interval (a poll is two: refresh, then rows)", requests, 1, "")
    bar("polls per account and interval", requests / POLL, 1, "")
    ratio = bench.figure(ours, cpu_per_wait).median / bench.figure(peer, cpu_per_wait).median
    bar(f"CPU per wait and interval, over {PEER}'s", ratio, 1 / 20)


def main() -> None:
    """Run all entries, each round beginning with another, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=2, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    print("## Deferred waits\n")
    print(machine("apache-airflow-core", "apache-airflow-providers-http", "aiohttp", "requests"))
    in_turn = [*HUNDRED, *HUNDRED_TLS, *THOUSAND, SHARED]
    with ExitStack() as stack:
        bench = Bench(stack)
        for number in range(rounds):
            with ThreadPoolExecutor(len(ALONE)) as pool:
                list(pool.map(bench.run, ALONE))
            first = number % len(in_turn)
            for entry in in_turn[first:] + in_turn[:first]:
                bench.run(entry)
        print_costs(bench, [*ALONE, *HUNDRED, *HUNDRED_TLS, *THOUSAND])
        print_sharing(bench, SHARED, THOUSAND[1])


if __name__ == "__main__":
    main()
