"""When the account is polled, in all three modes: failures, ``Retry-After``, the budget, the interval."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
)

from airflow_provider_3commas.api.errors import (
    BalancesStalled,
    OutcomeUnknown,
    RateLimitExceeded,
    SettlementFailed,
)
from tests.fakes import SETTLED, UNSOLD, no_budget
from tests.virtual_time import gaps


def test_failed_reads_are_tolerated(harness, exchange):
    exchange((0, OutcomeUnknown("502")), (590, SETTLED))
    assert harness.run()["reads"] == 2


def test_too_many_failed_reads_in_a_row_are_a_failure(harness, exchange):
    requests = exchange((0, OutcomeUnknown("answered 502", status_code=502))).counts
    with pytest.raises(SettlementFailed, match=r"4 times in a row; the last time: answered 502") as failure:
        harness.run(max_failures=3)
    assert failure.value.status_code == 502
    assert requests() == {"load_balances": 4}


def test_retry_after_is_honoured(harness, exchange):
    polls = exchange((0, RateLimitExceeded("429", retry_after=300)), (300, SETTLED)).polls
    harness.run()
    assert polls()[1] >= 300


def test_retry_after_is_cut_by_the_timeout(harness, exchange):
    polls = exchange((0, UNSOLD), (50, RateLimitExceeded("429", retry_after=3000))).polls
    with pytest.raises(AirflowSensorTimeout, match="2 ETH"):
        harness.run(timeout=400)
    assert 400 <= harness.elapsed() < 402
    assert polls()[1] < 80


def test_no_budget_is_no_failure_and_no_reason_to_stay(harness, exchange):
    polls = exchange((0, no_budget(20)), (15, SETTLED)).polls
    result = harness.run(max_failures=0)
    assert result["reads"] == 2
    assert polls()[1] >= 20
    if harness.mode == "reschedule":
        assert harness.reschedules == 2
        assert not harness.sleeps


def test_budget_is_waited_for_once_a_poll_has_begun(harness, exchange):
    client = exchange((0, SETTLED))
    client.refusals["get_balances"] = [no_budget(20)]
    harness.run(max_failures=0)
    assert client.counts()["load_balances"] == 2
    assert harness.sleeps[:1] == [20]


def test_waiting_for_budget_is_cut_by_the_timeout(harness, exchange):
    exchange((0, no_budget(500)))
    with pytest.raises(AirflowSensorTimeout, match="no request budget"):
        harness.run(timeout=100)
    assert 100 <= harness.elapsed() <= 111


def test_an_account_is_polled_at_most_once_an_interval(harness, exchange):
    polls = exchange((0, OutcomeUnknown("500"))).polls
    with pytest.raises(SettlementFailed):
        harness.run()
    assert all(gap >= 60 - 1e-3 for gap in gaps(polls()))


def test_the_interval_can_grow(harness, exchange):
    polls = exchange((0, UNSOLD)).polls
    with pytest.raises(BalancesStalled):
        harness.run(poke_interval=10, exponential_backoff=True, max_wait=timedelta(seconds=100))
    assert len(polls()) < 13
