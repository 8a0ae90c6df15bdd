"""What happens at the gates reaches Airflow's metrics, and every way to 3Commas goes through a gate."""

from __future__ import annotations

from datetime import timedelta
from unittest import mock

import pytest
from airflow.providers.common.compat import sdk

from airflow_provider_3commas.api.errors import RateLimitExceeded
from airflow_provider_3commas.budget import Priority, SleepingGate, shared_budget
from airflow_provider_3commas.hooks.connection import BUDGET_FILE
from airflow_provider_3commas.hooks.gates import BudgetMetrics
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator


@pytest.fixture
def stats():
    with mock.patch.object(sdk, "Stats", create=True) as stats:
        yield stats


@pytest.fixture
def budget():
    return shared_budget("a-key-of-this-test", "https://api.3commas.io", url="memory://")


def test_a_request_that_is_sent_reports_the_remaining_budget_and_its_wait(stats, budget):
    SleepingGate(budget, Priority.SELL, observer=BudgetMetrics()).admit()
    [gauge] = stats.gauge.call_args_list
    assert gauge.args[0] == "threecommas.budget.remaining.sell"
    assert 0 < gauge.args[1] < 100
    stats.timing.assert_called_once_with("threecommas.budget.waited.sell", timedelta(0))


def test_a_pause_is_counted_and_timed(stats, budget):
    gate = SleepingGate(budget, Priority.POLL, observer=BudgetMetrics())
    gate.report(RateLimitExceeded("slow down", retry_after=20))
    stats.incr.assert_called_once_with("threecommas.budget.pauses")
    [timing] = stats.timing.call_args_list
    assert timing.args[0] == "threecommas.budget.pause"
    assert timing.args[1] >= timedelta(seconds=20)


def test_a_wait_is_counted(stats):
    BudgetMetrics().waiting(Priority.POLL, 3.0, None)
    stats.incr.assert_called_once_with("threecommas.budget.waits.poll")


def test_every_request_of_a_hook_is_counted_in_airflows_home(simulate, airflow_home, monkeypatch):
    simulator = simulate(budget_url=None)
    hook = ThreeCommasHook()
    hook.validate()
    hook.list_accounts()
    budget = shared_budget(
        simulator.api_key, simulator.url, requests_per_minute=10_000, path=airflow_home / BUDGET_FILE
    )
    assert budget.status().used == 2
    assert simulator.api_key.encode() not in (airflow_home / BUDGET_FILE).read_bytes()


def test_the_operators_requests_are_sells(simulate):
    simulate()
    gate = SellAllToBtcOperator(task_id="liquidate", account_id=1).hook.get_conn().transport._gate
    assert gate._priority is Priority.SELL
    assert ThreeCommasHook().get_conn().transport._gate._priority is Priority.POLL
