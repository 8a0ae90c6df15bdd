"""When an account is polled in the triggerer: interval, jitter, failures, ``Retry-After``, the budget."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from airflow_provider_3commas.api.errors import (
    OutcomeUnknown,
    PermissionDenied,
    RateLimitExceeded,
)
from airflow_provider_3commas.settlement.state import as_json, new_progress
from tests.fakes import ACCOUNT, SETTLED, START, UNSOLD, ScriptedClient, no_budget
from tests.triggers.helpers import deadline_in, elapsed, fire, make_trigger
from tests.virtual_time import gaps, run_in_virtual_time


def test_the_first_poll_comes_an_interval_later(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)
    run_in_virtual_time(clock, fire(make_trigger(poll_interval=60)))
    first, second = exchange.polls()
    assert 60 <= first <= 75
    assert 60 <= second - first <= 66


def test_accounts_are_not_polled_in_step(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)

    async def fleet() -> None:
        await asyncio.gather(*(fire(make_trigger(ACCOUNT + number)) for number in range(50)))

    run_in_virtual_time(clock, fleet())
    firsts = sorted(exchange.polls(ACCOUNT + number)[0] for number in range(50))
    assert max(gaps(firsts)) < 1
    assert len({round(first, 1) for first in firsts}) > 40


def test_the_interval_can_grow(clock, connected):
    exchange = ScriptedClient((0, UNSOLD))
    connected(exchange)
    run_in_virtual_time(clock, fire(make_trigger(poll_interval=10, exponential_backoff=True, max_wait=45)))
    intervals = [round(gap) for gap in gaps(exchange.polls())]
    assert intervals[0] < 12
    assert 38 < intervals[2] < 45
    assert max(intervals) < 50


@pytest.mark.parametrize(
    "error",
    [RateLimitExceeded("429", retry_after=300), PermissionDenied("403"), OutcomeUnknown("500")],
    ids=["429", "403", "500"],
)
def test_an_account_that_can_not_be_read_is_polled_at_most_once_an_interval(clock, connected, error):
    exchange = ScriptedClient((0, error))
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger(poll_interval=60)))
    assert fired["status"] in ("failed", "timeout")
    assert all(gap >= 60 for gap in gaps(exchange.polls()))


def test_failed_polls_are_tolerated(clock, connected):
    connected(ScriptedClient((0, OutcomeUnknown("502")), (590, SETTLED)))
    assert run_in_virtual_time(clock, fire(make_trigger()))["status"] == "settled"


def test_too_many_failed_polls_in_a_row_are_a_failure(clock, connected):
    exchange = ScriptedClient((0, OutcomeUnknown("answered 502", status_code=502)))
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "failed"
    assert "11 times in a row; the last time: answered 502" in fired["message"]
    assert fired["details"]["status_code"] == 502
    assert len(exchange.polls()) == 11


def test_retry_after_is_honoured_by_all_accounts_of_the_key(clock, connected):
    exchange = ScriptedClient((0, UNSOLD), (60, RateLimitExceeded("429", retry_after=500)), (560, SETTLED))
    connected(exchange)

    async def fleet() -> list[dict]:
        return await asyncio.gather(*(fire(make_trigger(ACCOUNT + number)) for number in range(10)))

    assert {fired["status"] for fired in run_in_virtual_time(clock, fleet())} == {"settled"}
    limited, *others = exchange.polls()
    assert min(others) >= limited + 500


def test_retry_after_is_cut_by_the_timeout(clock, connected):
    exchange = ScriptedClient((0, UNSOLD), (100, RateLimitExceeded("429", retry_after=3000)))
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger(deadline=deadline_in(400), timeout=400)))
    assert fired["status"] == "timeout"
    assert "2 ETH" in fired["message"]
    assert "The last reads failed (1): 429" in fired["message"]
    assert 400 <= elapsed() < 401
    assert len(exchange.polls()) == 2


def test_retry_after_that_the_sensor_met_is_honoured(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)
    limited = msgspec.structs.replace(new_progress(START), failures=1, not_before=START + 300)
    run_in_virtual_time(clock, fire(make_trigger(progress=as_json(limited))))
    assert exchange.polls()[0] >= 300


def test_a_poll_that_waits_for_the_budget_repeats_no_request(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)
    exchange.refusals["get_balances"] = [no_budget(25), no_budget(25)]
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "settled"
    first, second = exchange.refused_at
    assert second - first == pytest.approx(25, abs=0.1)
    assert exchange.counts()["load_balances"] == 2
    assert fired["facts"]["requests"] == len(exchange.requests)


def test_waiting_for_the_budget_is_cut_by_the_timeout(clock, connected):
    connected(ScriptedClient((0, no_budget(25))))
    assert run_in_virtual_time(clock, fire(make_trigger(deadline=deadline_in(100), timeout=100)))["status"] == "timeout"
    assert elapsed() < 111
