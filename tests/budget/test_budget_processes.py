"""Many processes, one key: against a simulator that enforces the limit, over SQLite and over Redis."""

from __future__ import annotations

import copy
import functools
import shutil
import signal
import subprocess
import sys
import time
import uuid
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_3commas.budget import Priority, RequestBudget
from airflow_provider_3commas.budget.ledger import Ledger, Reserve, Waiter
from airflow_provider_3commas.budget.limits import LONGEST_PAUSE, Limits
from airflow_provider_3commas.budget.redis_store import RedisStore
from airflow_provider_3commas.simulator import Simulator
from tests.budget.budgets import python_environment
from tests.budget.redis_servers import redis_server, start_redis
from tests.fakes import START

pytestmark = pytest.mark.slow

WINDOW = 3.0
LIMIT = 40
PROCESSES = 16

#: Ask for budget, send, and go on, until told to end or refused; a line for every error.
WORKER = """
import sys, time
from pathlib import Path
from airflow_provider_3commas.api import Credentials, ThreeCommasClient, ThreeCommasError
from airflow_provider_3commas.budget import BudgetTimeout, Priority, RequestBudget, SleepingGate

base_url, api_key, secret, limit, window, url, path, priority, seconds = sys.argv[1:]
budget = RequestBudget(api_key, base_url, requests_per_minute=limit, url=url or None, path=Path(path),
                       window_seconds=float(window))
budget.status()
print("ready", flush=True)
sys.stdin.readline()
end = time.monotonic() + float(seconds)
gate = SleepingGate(budget, Priority(priority), time_left=lambda: end - time.monotonic())
client = ThreeCommasClient(Credentials(api_key, secret), base_url=base_url, gate=gate)
while time.monotonic() < end:
    try:
        client.validate()
    except BudgetTimeout:
        break
    except ThreeCommasError as error:
        print(type(error).__name__, flush=True)
print("trouble" if budget.status().store_error else "fine", flush=True)
"""


@pytest.fixture(scope="module")
def simulator():
    with Simulator("calm") as simulator:
        yield simulator


@pytest.fixture(params=["sqlite", "redis"])
def store(request, tmp_path):
    """Return the budget_url, and the default path of every process: two AIRFLOW_HOMEs share nothing but Redis."""
    if request.param == "sqlite":
        return "", [str(tmp_path / "budget.sqlite")]
    url = request.getfixturevalue("redis_url")
    return url, [str(tmp_path / "home-1" / "budget.sqlite"), str(tmp_path / "home-2" / "budget.sqlite")]


class Crowd:
    """Processes that hammer one key."""

    def __init__(self, simulator: Simulator, store, seconds: float, *, sellers: int = 0) -> None:
        url, paths = store
        self.processes = [
            subprocess.Popen(
                [
                    *(sys.executable, "-c", WORKER, simulator.url, simulator.api_key, simulator.secret),
                    *(str(LIMIT), str(WINDOW), url, paths[index % len(paths)]),
                    *("sell" if index < sellers else "poll", str(seconds)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=python_environment(),
            )
            for index in range(PROCESSES)
        ]
        for process in self.processes:
            assert process.stdout.readline() == "ready\n"

    def run(self) -> list[str]:
        for process in self.processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        return [word for process in self.processes for word in process.communicate(timeout=60)[0].split()]


def arrivals(simulator: Simulator) -> list[float]:
    return [entry["time"] for entry in simulator.journal()]


def busiest(times: list[float], window: float) -> int:
    return max(index + 1 - bisect_left(times, at - window) for index, at in enumerate(times))


@pytest.mark.parametrize(("window", "sellers"), [("fixed", 0), ("sliding", 0), ("sliding", 4)])
def test_sixteen_processes_get_no_429_and_waste_little(simulator, store, window, sellers):
    simulator.reset("calm")
    simulator.rate_limit(requests=LIMIT, window=window, window_seconds=WINDOW)
    answers = Crowd(simulator, store, 3 * WINDOW + 0.5, sellers=sellers).run()
    times = arrivals(simulator)
    in_three_windows = bisect_left(times, times[0] + 3 * WINDOW)
    assert answers == ["fine"] * PROCESSES
    assert simulator.state()["rate_limit"]["refused"] == {"429": 0, "418": 0}
    assert busiest(times, WINDOW) <= LIMIT
    assert in_three_windows >= 0.85 * 3 * LIMIT
    if not sellers:
        ports = [entry["client_port"] for entry in simulator.journal()]
        counts = [ports.count(port) for port in set(ports)]
        assert len(counts) == PROCESSES
        assert min(counts) >= 0.5 * len(times) / PROCESSES


@pytest.mark.parametrize(
    ("status", "headers"), [(429, {"Retry-After": "3"}), (429, {}), (418, {}), (418, {"Retry-After": "1"})]
)
def test_one_refusal_stops_every_process(simulator, store, status, headers):
    simulator.reset("calm")
    simulator.rate_limit(enabled=False)
    simulator.fault("status", status=status, headers=headers, skip=20, times=1, body={"error": "slow down"})
    answers = Crowd(simulator, store, 2.5).run()
    entries = simulator.journal()
    refused = next(index for index, entry in enumerate(entries) if entry["status"] == status)
    assert len(entries) - refused - 1 < PROCESSES
    assert answers.count("fine") == PROCESSES
    assert sorted({word for word in answers if word != "fine"}) == [
        "RateLimitExceeded" if status == 429 else "IpBanned"
    ]


def test_the_plans_429_stops_nobody(simulator, store):
    simulator.reset("calm")
    simulator.rate_limit(enabled=False)
    sentence = "The request type 'read' is not available with your current subscription plan"
    simulator.fault("status", status=429, headers={}, skip=10, times=1, body={"error": sentence})
    answers = Crowd(simulator, store, WINDOW).run()
    assert sorted(answers) == ["PlanLimitReached"] + ["fine"] * PROCESSES
    assert len(arrivals(simulator)) > 30


def test_a_killed_process_leaves_the_store_in_order(simulator, store):
    simulator.reset("calm")
    simulator.rate_limit(requests=LIMIT, window="sliding", window_seconds=WINDOW)
    crowd = Crowd(simulator, store, 3 * WINDOW)
    for process in crowd.processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    time.sleep(WINDOW / 2)
    for process in crowd.processes[:8]:
        process.send_signal(signal.SIGKILL)
    answers = [process.communicate(timeout=60)[0].split() for process in crowd.processes]
    assert answers[8:] == [["fine"]] * 8
    assert simulator.state()["rate_limit"]["refused"] == {"429": 0, "418": 0}
    assert len(arrivals(simulator)) >= 2 * LIMIT


def test_redis_killed_in_the_middle_is_told_once_and_loses_no_sell(tmp_path, caplog, monkeypatch):
    with redis_server(tmp_path) as (server, url):
        budget = RequestBudget("key", "https://api.3commas.io", requests_per_minute=5, url=url)
        assert [budget.reserve(Priority.SELL).granted for _ in range(3)] == [True] * 3
        server.kill()
        server.wait()
        # The three before count, too.
        assert [budget.reserve(Priority.SELL).granted for _ in range(3)] == [True, True, False]
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1
        assert "redis://127.0.0.1" in warnings[0]
        assert "a-pass-word" not in caplog.text

        again = start_redis(shutil.which("redis-server"), int(url.rpartition(":")[2].split("/")[0]), tmp_path)
        try:
            monkeypatch.setattr(budget, "_retry_at", 0.0)
            # Redis came back empty: what was counted meanwhile is written to it.
            assert budget.status().used == 5
            assert budget.status().store_error is None
            other = RequestBudget("key", "https://api.3commas.io", requests_per_minute=5, url=url)
            assert not other.reserve(Priority.SELL).granted
        finally:
            budget.close()
            other.close()
            again.kill()
            again.wait()


def test_redis_gone_at_the_start_and_a_wrong_password_are_told_without_the_password(tmp_path, caplog):
    with redis_server(tmp_path) as (server, url):
        wrong = RequestBudget("key", "https://api.3commas.io", url=url.replace("a-pass-word", "other%20word"))
        assert wrong.reserve(Priority.SELL).granted
        assert "username-password pair" in wrong.status().store_error
        wrong.close()
        server.kill()
        server.wait()
        budget = RequestBudget("key", "https://api.3commas.io", url=url)
        assert budget.reserve(Priority.SELL).granted
        assert "refused" in budget.status().store_error
    assert not any(word in caplog.text for word in ("a-pass-word", "other%20word", "other word"))


def test_the_key_is_not_in_redis_and_what_is_there_expires(redis_url):
    import redis

    budget = RequestBudget("the-api-key", "https://api.3commas.io", url=redis_url)
    budget.reserve(Priority.SELL)
    with redis.Redis.from_url(redis_url) as client:
        keys = client.keys("*")
        assert len(keys) == 1
        assert b"the-api-key" not in keys[0] + client.get(keys[0])
        assert client.pttl(keys[0]) > 0
    budget.close()


#: From long before to long after, and what a ledger may hold of them: nobody here would have written most.
TIMES = st.integers(-3 * LONGEST_PAUSE, 3 * LONGEST_PAUSE).map(lambda off: round(START * 1000) + off)
COUNTS = st.integers(0, 30)
LEDGERS = st.builds(
    Ledger,
    seen=st.just(0) | TIMES,
    granted=st.lists(TIMES | st.integers(-90, 5).map(lambda off: round((START + off) * 1000)), max_size=130),
    waiters=st.lists(st.builds(Waiter, COUNTS, st.booleans(), TIMES), max_size=30),
    places=COUNTS,
    paused_until=st.just(0) | TIMES,
    banned_until=st.just(0) | TIMES,
    bans=COUNTS,
    last_sell=st.just(0) | TIMES,
    paced=st.just(0) | TIMES,
)


@settings(max_examples=80, deadline=None)
@given(
    limit=st.sampled_from([5, 50, 120]),
    ledger=st.just(Ledger()) | LEDGERS,
    steps=st.lists(
        st.tuples(
            st.one_of(st.integers(0, 300), st.integers(-5_000, 70_000)),
            st.sampled_from(["sell", "poll", "poll", "pause", "withdraw"]),
            st.booleans(),
        ),
        min_size=20,
        max_size=250,
    ),
)
def test_redis_answers_as_the_rules_say_whatever_it_holds(module_redis_url, limit, ledger, steps):
    clock = [START]
    store = RedisStore(module_redis_url, uuid.uuid4().hex, lambda: clock[0])
    limits, tickets = Limits.of(limit), []
    ledger = copy.deepcopy(ledger)
    store.update(functools.partial(_become, other=ledger))
    for pause, what, returns in steps:
        clock[0] += pause / 1000
        now = int(clock[0] * 1000)
        ticket = tickets.pop(0) if returns and tickets else None
        if what == "pause":
            change = functools.partial(_pause, seconds=pause / 1000)
        elif what == "withdraw":
            change = functools.partial(_withdraw, ticket=ticket)
        else:
            change = Reserve(limits, Priority(what), ticket)
        expected, (answer, theirs, at) = change(ledger, now), store.update(change)
        assert (answer, at) == (expected, now)
        assert theirs == ledger
        if getattr(answer, "ticket", None):
            tickets.append(answer.ticket)
    store.close()


def _become(ledger: Ledger, _now: int, *, other: Ledger) -> None:
    for name in Ledger.__struct_fields__:
        setattr(ledger, name, getattr(other, name))


def _pause(ledger: Ledger, now: int, *, seconds: float) -> float:
    return ledger.pause(seconds, now, ban=False)


def _withdraw(ledger: Ledger, _now: int, *, ticket: int | None) -> None:
    ledger.withdraw(ticket)


def test_redis_begins_anew_with_what_it_cannot_read(redis_url):
    import redis

    budget = RequestBudget("key", "https://api.3commas.io", url=redis_url)
    with redis.Redis.from_url(redis_url) as client:
        for rubbish in (b"[", b"7", b'"text"'):
            client.set(budget._store._key, rubbish)
            assert budget.reserve(Priority.SELL).granted
            assert budget.status().used == 1
    budget.close()


def test_many_threads_that_change_redis_at_once_count_every_request(redis_url):
    from concurrent.futures import ThreadPoolExecutor

    budgets = [RequestBudget("key", "https://api.3commas.io", url=redis_url) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        granted = pool.map(lambda budget: sum(budget.reserve(Priority.SELL).granted for _ in range(20)), budgets)
        assert sum(granted) == budgets[0].limits.sell_cap
    for budget in budgets:
        budget.close()
