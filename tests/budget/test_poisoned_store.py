"""A store that somebody else writes to never stops a sell for longer than the longest pause, nor breaks it."""

from __future__ import annotations

import json
import sqlite3
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_3commas.api import IpBanned, RateLimitExceeded
from airflow_provider_3commas.budget import RequestBudget
from airflow_provider_3commas.budget.limits import LONGEST_PAUSE, MAX_STORED_BYTES, PAUSE_SLACK
from tests.budget.budgets import POLL, REAL, SELL, Clock, warnings
from tests.budget.claiming import START_MS, TASK_A, WITHIN
from tests.fakes import ACCOUNT

#: The longest pause, and what may come after it: a window that is full, and a queue whose callers never come back.
LONGEST_WAIT = (LONGEST_PAUSE + PAUSE_SLACK) / 1000 + 120
CENTURY = 100 * 365 * 86_400_000

TIMES = st.one_of(
    st.integers(START_MS - 120_000, START_MS + 120_000),
    st.sampled_from([0, 1, -1, START_MS + CENTURY, -CENTURY, 2**31, 2**53, 2**63, 2**64, 10**13, 10**40]),
)
ODD = st.one_of(
    TIMES,
    st.sampled_from([1e308, -1e308, float("nan"), float("inf"), 1.5, None, True, "1", "", [], {}, [[]]]),
)
WAITERS = st.tuples(st.one_of(st.integers(0, 9), TIMES), st.booleans(), TIMES).map(list)
FIELDS = ["seen", "places", "paused_until", "banned_until", "bans", "last_sell", "paced"]


def ledgers(values: st.SearchStrategy[Any], waiters: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    lists = {"granted": st.lists(values, max_size=150), "waiters": st.lists(waiters, max_size=20)}
    return st.fixed_dictionaries({}, optional={**dict.fromkeys(FIELDS, values), **lists})


LEDGERS = ledgers(TIMES, WAITERS) | ledgers(ODD, st.one_of(WAITERS, ODD)) | ODD
QUEUE = [[number, True, START_MS + CENTURY] for number in range(500)]


class Poisoned:
    """A budget over a store, and a way to write into it from outside."""

    def __init__(self, name: str, request: pytest.FixtureRequest) -> None:
        self._directory = request.getfixturevalue("tmp_path")
        self._redis_url = request.getfixturevalue("module_redis_url") if name == "redis" else None

    def __call__(self, text: bytes) -> RequestBudget:
        """Return a budget whose store holds this text, and nothing else."""
        options = {"url": self._redis_url} if self._redis_url else {"path": self._directory / f"{uuid.uuid4()}.sqlite"}
        self.clock = Clock()
        budget = RequestBudget(uuid.uuid4().hex, REAL, clock=self.clock, **options)
        budget.status()
        self.write(budget, text)
        return budget

    def write(self, budget: RequestBudget, text: bytes) -> None:
        store = budget._store
        if self._redis_url:
            import redis

            with redis.Redis.from_url(self._redis_url) as client:
                client.set(store._key, text)
        else:
            with sqlite3.connect(store._path) as connection:
                connection.execute("REPLACE INTO budget VALUES (?, ?)", [budget.identity, text])
            connection.close()

    def wait(self, budget: RequestBudget, priority) -> float:
        """Ask until a request is admitted; return the seconds that it took."""
        answer, start = budget.reserve(priority), self.clock.now
        while not answer.granted:
            assert 0 < answer.wait <= LONGEST_WAIT
            self.clock.now += answer.wait
            assert self.clock.now - start <= LONGEST_WAIT
            answer = budget.reserve(priority, answer.ticket)
        return self.clock.now - start


@pytest.fixture(params=["sqlite", "redis"])
def poisoned(request):
    return Poisoned(request.param, request)


@pytest.mark.parametrize("priority", [SELL, POLL])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ledger=LEDGERS)
@example(ledger={"paused_until": START_MS + CENTURY})
@example(ledger={"paused_until": 1e308})
@example(ledger={"paced": START_MS + CENTURY, "granted": [START_MS] * 20})
@example(ledger={"waiters": QUEUE, "granted": [START_MS + CENTURY] * 200})
@example(ledger={"seen": START_MS + CENTURY, "paused_until": START_MS + 2 * CENTURY})
@example(ledger={"last_sell": START_MS + CENTURY, "granted": [START_MS] * 60})
@example(ledger={"granted": {"a": START_MS}, "waiters": {"1": [1, True, START_MS]}})
def test_whatever_a_store_holds_a_request_is_admitted_in_time(poisoned, caplog, priority, ledger):
    budget = poisoned(json.dumps(ledger).encode())
    poisoned.wait(budget, priority)
    status = budget.status()
    assert (0 <= status.used <= 150, status.store_error) == (True, None)
    assert warnings(caplog) == []
    budget.close()


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [START_MS + CENTURY, -CENTURY, 10**13, 1e308, "soon"])
def test_a_pause_that_is_reported_to_a_poisoned_store_is_no_longer_than_the_longest(poisoned, field, value):
    budget = poisoned(json.dumps({field: value}).encode())
    for error in (RateLimitExceeded("", retry_after=30), IpBanned("", retry_after=30)):
        assert 31 <= budget.report(error) <= (LONGEST_PAUSE + PAUSE_SLACK) / 1000
    assert budget.reserve(SELL).wait >= 31
    budget.close()


def test_a_pause_that_is_written_by_others_holds_within_the_longest(poisoned):
    budget = poisoned(json.dumps({"paused_until": START_MS + 200_000}).encode())
    assert poisoned.wait(budget, SELL) == pytest.approx(200)
    poisoned.write(budget, json.dumps({"paused_until": START_MS + CENTURY}).encode())
    assert budget.status().paused_for == pytest.approx((LONGEST_PAUSE + PAUSE_SLACK) / 1000)
    budget.close()


def test_what_is_longer_than_anything_of_ours_is_begun_anew(poisoned):
    budget = poisoned(b'{"granted": [' + b" " * MAX_STORED_BYTES + b"]}")
    assert budget.reserve(SELL).granted
    assert budget.status().used == 1
    budget.close()


def test_a_key_of_another_type_counts_alone_with_one_warning(module_redis_url, caplog):
    import redis

    budget = RequestBudget(uuid.uuid4().hex, REAL, url=module_redis_url)
    with redis.Redis.from_url(module_redis_url) as client:
        client.lpush(budget._store._key, "1")
    assert budget.reserve(SELL).granted
    assert budget.reserve(SELL).granted
    assert len(warnings(caplog)) == 1
    budget.close()


class Hostile:
    """A store, or a server, that fails or answers as it likes."""

    def __init__(self, monkeypatch, budget: RequestBudget, answer: object) -> None:
        def act(*_args, **_options):
            if isinstance(answer, Exception):
                raise answer
            return answer

        if hasattr(budget._store, "_run"):
            monkeypatch.setattr(budget._store, "_run", act)
        else:
            monkeypatch.setattr(budget._store, "_connected", act)


@pytest.mark.parametrize(
    "answer",
    [AttributeError("x"), LookupError("x"), KeyError("reserve"), ValueError("embedded null byte"), MemoryError(),
     OverflowError("x"), TypeError("x"), RecursionError()],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_any_exception_of_a_store_counts_alone_with_one_warning(monkeypatch, tmp_path, caplog, kind, answer):
    url = {"sqlite": None, "redis": "redis://127.0.0.1:1"}[kind]
    budget = RequestBudget(uuid.uuid4().hex, REAL, url=url, path=tmp_path / "budget.sqlite")
    Hostile(monkeypatch, budget, answer)
    assert budget.reserve(SELL).granted
    assert budget.report(RateLimitExceeded("", retry_after=30)) == pytest.approx(31)
    assert ["not shared" in warning for warning in warnings(caplog)] == [True, False]
    assert type(answer).__name__ in warnings(caplog)[0]
    # Claims keep to what they do without a store: this process, and a warning of their own.
    budget.claims.claim(ACCOUNT, TASK_A, WITHIN)
    assert "can't be seen" in warnings(caplog)[-1]
    assert budget.claims.holder(ACCOUNT).task == TASK_A.task


@pytest.mark.parametrize(
    "answer",
    [
        None,
        7,
        [],
        [10**15, b"PAUSE", 1, 0, b"{}", START_MS],
        [-5, b"PAUSE", 1, 0, b"{}", START_MS],
        [b"1", b"PAUSE", 1, 0, b"{}", START_MS],
        [1, b"HUNGER", 1, 0, b"{}", START_MS],
        [0, None, 0, 5, b"{}", 10**30],
        [0, None, 0, 5, b"{}", -(10**30)],
        [0, None, 0, 5, b"{}", b"now"],
    ],
)
def test_a_server_that_answers_nonsense_counts_alone(monkeypatch, caplog, answer):
    budget = RequestBudget(uuid.uuid4().hex, REAL, url="redis://127.0.0.1:1")
    Hostile(monkeypatch, budget, answer)
    assert budget.reserve(SELL).granted
    assert len(warnings(caplog)) == 1
    assert abs(budget.now() - START_MS) < CENTURY
