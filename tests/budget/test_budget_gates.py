"""How callers wait for the budget: tasks sleep, triggers get an exception, and an observer hears of both."""

from __future__ import annotations

import logging
import threading

import pytest

from airflow_provider_3commas.api import IpBanned, RateLimitExceeded, ThreeCommasError
from airflow_provider_3commas.budget import BudgetTimeout, RaisingGate, Reason, SleepingGate, WaitForBudget
from airflow_provider_3commas.budget import budget as budget_module
from tests.budget.budgets import POLL, SELL, use_up
from tests.fakes import START


class Observer:
    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def admitted(self, priority, waited, remaining):
        self.heard.append(("admitted", priority, round(waited), remaining))

    def waiting(self, priority, seconds, reason):
        self.heard.append(("waiting", priority, round(seconds), reason))

    def paused(self, seconds):
        self.heard.append(("paused", round(seconds)))


def test_a_task_sleeps_until_it_may_send(budgets, clock, caplog):
    caplog.set_level(logging.INFO)
    budget, observer = budgets(), Observer()
    use_up(budget, SELL)
    SleepingGate(budget, SELL, sleep=clock.sleep, observer=observer).admit()
    assert clock.now == pytest.approx(START + 62)
    assert max(clock.naps) <= 15
    assert observer.heard[0] == ("waiting", SELL, 15, Reason.BUDGET)
    assert observer.heard[-1] == ("admitted", SELL, 62, 97)
    assert caplog.messages == [
        "Request not sent yet: the request budget of this API key is used up; asking again in 15.0 s.",
        "Request sent after waiting 62 s.",
    ]


def test_a_short_wait_is_not_logged(budgets, clock, caplog):
    caplog.set_level(logging.INFO)
    budget = budgets()
    use_up(budget, SELL)
    clock.now += 59
    SleepingGate(budget, SELL, sleep=clock.sleep).admit()
    assert clock.naps == [pytest.approx(3)]
    assert caplog.messages == []


def test_a_sell_waits_for_a_pause_to_end_and_says_how_long_every_minute(budgets, clock, caplog):
    caplog.set_level(logging.INFO)
    budget, observer = budgets(), Observer()
    gate = SleepingGate(budget, SELL, sleep=clock.sleep, logger=logging.getLogger("the.task"), observer=observer)
    gate.report(RateLimitExceeded("", status_code=429, retry_after=300))
    gate.admit()
    assert clock.now == pytest.approx(START + 301)
    assert observer.heard[0] == ("paused", 301)
    logged = [record.getMessage() for record in caplog.records if record.name == "the.task"]
    assert logged[0] == "Request not sent yet: 3Commas told this API key to pause; 301 s left."
    assert "241 s left" in logged[1]
    assert len(logged) == 5 + 1


def test_waiting_ends_with_the_callers_time(budgets, clock):
    budget = budgets()
    use_up(budget, SELL)
    end = START + 20
    gate = SleepingGate(budget, SELL, time_left=lambda: end - clock.now, sleep=clock.sleep)
    with pytest.raises(BudgetTimeout, match="over after 20 s") as raised:
        gate.admit()
    assert isinstance(raised.value, ThreeCommasError)
    assert clock.now == pytest.approx(end)
    assert budget.status().waiting == 0


def test_no_time_left_does_not_matter_while_there_is_budget(budgets, clock):
    SleepingGate(budgets(), SELL, time_left=lambda: -1.0, sleep=clock.sleep).admit()


def test_a_trigger_gets_the_seconds_to_sleep_and_keeps_its_place(budgets, clock, monkeypatch):
    ticks = [500.0]
    monkeypatch.setattr(budget_module.time, "monotonic", lambda: ticks[0])
    budget, observer = budgets(), Observer()
    use_up(budget, SELL)
    clock.now += 55
    gate = RaisingGate(budget, POLL, observer=observer)
    with pytest.raises(WaitForBudget, match="used up") as raised:
        gate.admit()
    wait = raised.value
    assert (wait.seconds, wait.retry_after, wait.reason) == (pytest.approx(7), wait.seconds, Reason.BUDGET)
    assert budget.status().waiting == 1
    newcomer = budgets().reserve(POLL)
    assert newcomer.ticket > 1
    clock.now += wait.seconds
    ticks[0] += wait.seconds
    gate.admit()
    assert budget.status().waiting == 1
    assert [heard[0] for heard in observer.heard] == ["waiting", "admitted"]


def test_callers_of_one_trigger_gate_each_have_a_place(budgets):
    budget = budgets()
    use_up(budget, SELL)
    gate = RaisingGate(budget, POLL)
    for _ in range(3):
        with pytest.raises(WaitForBudget):
            gate.admit()
    assert budget.status().waiting == 3


def test_a_gate_without_observer_passes_replies_on(budgets):
    budget = budgets()
    RaisingGate(budget, POLL).report(IpBanned("", status_code=418))
    assert budget.status().paused_for == pytest.approx(601)


def test_threads_share_a_sleeping_gate(budgets):
    budget = budgets(clock=None, window_seconds=0.5, requests_per_minute=20)
    gate = SleepingGate(budget, SELL)
    threads = [threading.Thread(target=gate.admit) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert budget.status().waiting == 0
