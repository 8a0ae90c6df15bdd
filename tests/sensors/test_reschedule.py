"""Reschedule mode: the worker is left between the polls, and what they have shown is kept in a store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
)

from airflow_provider_3commas.api.errors import (
    BalancesStalled,
)
from tests.fakes import ACCOUNT, SETTLED, START, UNSOLD

pytestmark = pytest.mark.parametrize("mode", ["reschedule"], indirect=True)


def test_the_worker_is_left_between_polls(harness, exchange):
    exchange((0, SETTLED))
    assert harness.run()["reads"] == 2
    assert harness.reschedules == 1
    assert not harness.sleeps


def test_a_retry_starts_anew_but_keeps_the_deadline(harness, exchange):
    exchange((0, UNSOLD))
    with pytest.raises(BalancesStalled):
        harness.run(timeout=700)
    harness.ti.try_number = 2
    with pytest.raises(AirflowSensorTimeout):
        harness.run(timeout=700)
    assert 700 <= harness.elapsed() < 702


def test_progress_that_can_not_be_read_is_forgotten(harness, exchange):
    exchange((0, SETTLED))
    for broken in ("text", {"try": 1}, {"try": 1, "account_id": ACCOUNT, "progress": {"reads": "many"}}):
        harness.store.set("settlement_progress", broken)
        assert harness.run()["reads"] == 2


def test_progress_of_an_older_version_is_read_and_its_requests_are_unknown(harness, exchange):
    exchange((0, SETTLED))
    before = {"started_at": START - 60, "reads": 1, "stable": 1, "target_amount": "1.09", "unchanged_since": START}
    harness.ti.first_reschedule = datetime.fromtimestamp(START - 60, UTC)
    harness.store.set("settlement_progress", {"try": 1, "account_id": ACCOUNT, "progress": before})
    assert harness.run()["reads"] == 2
    assert harness.ti.xcoms["settlement_facts"]["requests"] is None


def test_the_number_of_forgotten_requests_is_unknown(harness, exchange):
    exchange((0, UNSOLD), (100, SETTLED))
    harness.store = None
    harness.run()
    assert harness.ti.xcoms["settlement_facts"]["requests"] is None


def test_without_a_store_the_reads_are_made_in_a_row(harness, exchange):
    exchange((0, UNSOLD), (100, SETTLED))
    harness.store = None
    result = harness.run(stable_reads=3)
    assert result["reads"] == 3
    assert harness.sleeps == [10, 10]
    assert harness.reschedules == 2


def test_without_a_store_the_time_to_be_stable_is_waited_for_in_the_worker(harness, exchange):
    polls = exchange((0, UNSOLD), (100, SETTLED)).polls
    harness.store = None
    harness.run(stable_for=300)
    assert harness.sleeps == [10, 60, 60, 60, 60, 60]
    assert polls()[-1] - polls()[2] == pytest.approx(310)
    assert harness.reschedules == 2


def test_the_time_to_be_stable_is_kept_between_polls(harness, exchange):
    exchange((0, SETTLED))
    assert harness.run(stable_for=timedelta(minutes=5))["waited_seconds"] == 300
    assert (harness.reschedules, harness.sleeps) == (5, [])


def test_without_a_store_the_timeout_still_names_what_is_left(harness, exchange):
    exchange((0, UNSOLD))
    harness.store = None
    with pytest.raises(AirflowSensorTimeout, match="2 ETH"):
        harness.run(timeout=1000)
