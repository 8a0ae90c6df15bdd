"""Whatever order lost answers, kills, clears and trades come in: a sale that shows is never repeated."""

from __future__ import annotations

from airflow.providers.common.compat.sdk import AirflowFailException
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_3commas import api
from tests.operators.task_run import (
    LOST_ANSWERS,
    Killed,
    TaskRun,
    kill_on,
    kill_on_outcome,
    lose_answer,
    refuse_sell_all,
)

EVENTS = [
    "lost, applied",
    "lost, not applied",
    "refused",
    "rate limit",
    "killed before the intent",
    "killed after the intent",
    "killed before the outcome",
    "killed after the outcome",
    "killed before the XCom",
    "clear",
    "bot trades",
    "view goes blind",
    "nothing",
]
KILLS = {
    "killed before the intent": ("before_set", "intent"),
    "killed after the intent": ("after_set", "intent"),
    "killed before the outcome": ("before_set", "accepted"),
    "killed after the outcome": ("after_set", "accepted"),
}


class TestAnySchedule:
    @given(
        schedule=st.lists(st.sampled_from(EVENTS), min_size=1, max_size=6),
        fault=st.sampled_from([answer.values[0] for answer in LOST_ANSWERS if answer.id != "read timeout"]),
    )
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    def test_once_a_sell_shows_no_schedule_sends_another(self, simulator, schedule, fault):
        simulator.reset("calm")
        simulator.rate_limit(enabled=False)
        simulator.clear_faults()
        simulator.clear_journal()
        run = TaskRun(simulator)
        for event in schedule:
            self.provoke(event, simulator, run, fault)
            try:
                run.attempt()
            except (api.ThreeCommasError, AirflowFailException, Killed):
                pass
            else:
                assert len(simulator.sells()) == 1, "a try that succeeds has sold"
            finally:
                simulator.clear_faults()
                run.store.before_set = run.store.after_set = lambda value: None
                run.xcom_push = lambda key, value: None
            simulator.advance(10)
            assert len(simulator.sells()) <= 1, schedule
        # Whatever happened, undisturbed tries end it well, or say loudly that they can't know.
        for _ in range(2):
            try:
                run.attempt()
            except (api.OutcomeUnknown, AirflowFailException):
                assert run.outcome in ("unknown", "refused"), schedule
        assert len(simulator.sells()) <= 1, schedule

    def provoke(self, event, simulator, run, fault) -> None:
        if event in KILLS:
            hook, phase = KILLS[event]
            setattr(run.store, hook, kill_on(phase))
        elif event.startswith("lost"):
            lose_answer(simulator, fault, applied=event == "lost, applied")
        elif event == "refused":
            refuse_sell_all(simulator)
        elif event == "rate limit":
            simulator.fault("json", path="accounts", status=429, body={"error": "Too many requests"})
        elif event == "killed before the XCom":
            run.xcom_push = kill_on_outcome
        elif event == "clear":
            run.clear()
        elif event == "bot trades":
            simulator.trade("ETH", fraction="0.05")
        elif event == "view goes blind":
            simulator.fault("status", path="account_table_data", status=502, times=3)
