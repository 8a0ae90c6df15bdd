"""Deferred waits in a process of their own, ours and ``HttpSensor``'s: what ``deferred_waits`` and others measure."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from contenders import ACCOUNT_ID
from measure import ROOT, clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stub import StubApi

#: The two contenders.
OURS, PEER = "ours", "HttpSensor"
#: Seconds between two looks of the coroutine that watches the event loop.
TICK = 0.01

_CONN_ID = "benchmark"
_WARM_UP_INTERVAL, _WARM_UP, _NEVER = 0.1, 0.6, 86400.0
#: Waits of the warm-up: as many as it takes to start every thread.
WARM_UP_WAITS = 8


class Case(NamedTuple):
    """Say what a process does.

    :param contender: whose triggers.
    :param waits: how many at once.
    :param accounts: over how many accounts; the peer asks as many paths.
    :param interval: seconds between polls.
    :param skip: seconds from the start of the waits to the start of the measurement.
    :param seconds: how long is measured.
    :param budget: whether our requests are counted (in memory), as they are by default.
    :param warm_up: whether a few waits run before the others, so that what is loaded once counts for none of them.
    :param watched: whether the lag of the event loop is measured, which takes CPU of its own.
    """

    contender: str
    waits: int
    accounts: int
    interval: float
    skip: float
    seconds: float
    budget: bool = False
    warm_up: bool = True
    watched: bool = True


class Seen(NamedTuple):
    """Hold what a case has shown.

    :param cpu: seconds of CPU of the whole process while it was measured.
    :param requests: what the server saw meanwhile.
    :param connections: how many the server saw since the waits began; those of a warm-up may serve on.
    :param growth: bytes of memory that the process grew by, from the warm-up's end to the measurement's.
    :param lag: 99th percentile of the seconds by which the event loop was late while it was measured.
    :param ended: waits that were over at the end.
    :param threads: threads at the end.
    """

    cpu: float
    requests: int
    connections: int
    growth: int
    lag: float
    ended: int
    threads: int


def observe(case: Case, stub: StubApi, bundle: Path | None = None) -> Seen:
    """Run a case in a fresh process.

    :param case: what to run.
    :param stub: what answers.
    :param bundle: the certificates to trust, if the stub speaks HTTPS.
    :return: what was seen.
    """
    with _worker(case, stub.url, bundle) as worker:
        _await(worker, "waiting")
        stub.counts()
        _await(worker, "begin")
        before = stub.counts()
        _await(worker, "end")
        during = stub.counts()
        seen = json.loads(_line(worker))
    connections = before["connections"] + during["connections"]
    return Seen(requests=during["requests"], connections=connections, **seen)


@contextmanager
def _worker(case: Case, url: str, bundle: Path | None) -> Iterator[subprocess.Popen[str]]:
    trust = {"REQUESTS_CA_BUNDLE": str(bundle), "SSL_CERT_FILE": str(bundle)} if bundle else {}
    connection = {f"AIRFLOW_CONN_{_CONN_ID.upper()}": _connection(case, url)}
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile("w+") as errors:
        worker = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, json.dumps(case)],
            env=clean_environment({"AIRFLOW_HOME": home, **connection, **trust}),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            yield worker
        except _Ended:
            errors.seek(0)
            raise SystemExit(f"a contender failed: {case}\n{errors.read()}") from None
        finally:
            worker.kill()
            worker.wait()


class _Ended(Exception):
    """The process is over too early."""


def _line(worker: subprocess.Popen[str]) -> str:
    line = worker.stdout.readline() if worker.stdout is not None else ""
    if not line:
        raise _Ended
    return line


def _await(worker: subprocess.Popen[str], cue: str) -> None:
    while _line(worker) != cue + "\n":
        pass


def _connection(case: Case, url: str) -> str:
    if case.contender == PEER:
        return json.dumps({"conn_type": "http", "host": url})
    extra = {"requests_per_minute": 10_000, "budget_url": "memory://"}
    secrets = {"login": "key-of-the-benchmark", "password": "secret-of-the-benchmark"}
    return json.dumps({"conn_type": "threecommas", "host": url, **secrets, "extra": extra})


def _trigger(case: Case, number: int, interval: float) -> Any:
    """Return the trigger of one wait; the peer's path is one that the stub doesn't know, so that it keeps asking."""
    account_id = ACCOUNT_ID + number % case.accounts
    if case.contender == PEER:
        from airflow.providers.http.triggers.http import HttpSensorTrigger

        path = f"public/api/ver1/accounts/{account_id}/unknown"
        return HttpSensorTrigger(path, _CONN_ID, poke_interval=interval)
    from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger

    return BalancesSettledTrigger(account_id, _CONN_ID, poll_interval=interval)


def _quiet(case: Case) -> None:
    """Switch logging off, which a triggerer sends elsewhere, and the budget if the case has none."""
    import structlog

    # Airflow sets logging up when it is imported.
    _trigger(case, 0, case.interval)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    if case.contender == OURS and not case.budget:
        from airflow_provider_3commas.hooks import gates

        gates.raising_gate = lambda _budget: None  # type: ignore[assignment, return-value]


async def _wait(trigger: Any) -> None:
    async for _ in trigger.run():
        return


async def _run(case: Case, cue: Any) -> dict[str, Any]:
    import psutil

    process, keeper = psutil.Process(), []
    if case.warm_up:
        few = case._replace(accounts=WARM_UP_WAITS)
        # Keeps threads and connections of ours until the end, and asks for nothing.
        keeper = _begin(few, 1, _NEVER)
        await _end(_begin(few, WARM_UP_WAITS, _WARM_UP_INTERVAL), after=_WARM_UP)
    gc.collect()
    memory = process.memory_info().rss
    cue("waiting")
    waits = _begin(case, case.waits, case.interval)
    await asyncio.sleep(case.skip)
    cue("begin")
    cpu = time.process_time()
    lags = await _lags(case.seconds, TICK if case.watched else case.seconds)
    cpu = time.process_time() - cpu
    cue("end")
    seen = {
        "cpu": cpu,
        "growth": process.memory_info().rss - memory,
        "lag": sorted(lags)[math.ceil(len(lags) * 0.99) - 1],
        "ended": sum(wait.done() for wait in waits),
        "threads": threading.active_count(),
    }
    await _end([*waits, *keeper])
    return seen


def _begin(case: Case, number: int, interval: float) -> list[asyncio.Task[None]]:
    return [asyncio.create_task(_wait(_trigger(case, index, interval))) for index in range(number)]


async def _end(waits: list[asyncio.Task[None]], after: float = 0.0) -> None:
    await asyncio.sleep(after)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


async def _lags(seconds: float, tick: float) -> list[float]:
    """Return the seconds by which each of so many short sleeps was too long."""
    loop, found = asyncio.get_running_loop(), []
    start = moment = loop.time()
    while moment - start < seconds:
        await asyncio.sleep(tick)
        found.append(loop.time() - moment - tick)
        moment = loop.time()
    return found


def _main() -> None:
    # Whatever the contenders print goes elsewhere.
    with os.fdopen(os.dup(1), "w") as cues:
        os.dup2(2, 1)

        def cue(text: str) -> None:
            print(text, file=cues, flush=True)

        case = Case(*json.loads(sys.argv[1]))
        _quiet(case)
        cue(json.dumps(asyncio.run(_run(case, cue))))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    _main()
