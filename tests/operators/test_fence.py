"""The fence, passed right before the first byte: a try that must not sell at that moment sends nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowTaskTimeout

from airflow_provider_3commas import api
from airflow_provider_3commas.api import clock as clocks
from airflow_provider_3commas.budget import SleepingGate
from airflow_provider_3commas.liquidation import liquidator
from tests.operators.task_run import Killed, TaskRun, lose_answer, refuse_sell_all


def wait_at_the_gate(monkeypatch, clock, seconds: float, request: int) -> None:
    """Let the n-th request of a try wait for its budget."""
    admitted = []

    def admit(gate: SleepingGate) -> None:
        admitted.append(gate)
        if len(admitted) == request:
            clock.now += seconds

    monkeypatch.setattr(SleepingGate, "admit", admit)


class TestTheState:
    @pytest.mark.parametrize("state", ["failed", "success", "up_for_retry", "restarting", "removed", "deferred", None])
    def test_a_try_that_airflow_does_not_run_sends_nothing(self, simulator, run, state):
        run.state = state
        with pytest.raises(AirflowFailException, match="given this try up"):
            run.attempt()
        assert simulator.sell_attempts() == []
        assert run.phase == "begun"

    def test_the_state_is_asked_after_everything_else_has_been_read(self, simulator, run):
        seen = []

        def state() -> str:
            seen.append(len(simulator.journal()))
            return "running"

        run.state = state
        run.attempt()
        assert seen == [3]

    def test_a_state_may_be_an_enum(self, simulator, run):
        run.state = SimpleNamespace(value="running")
        run.attempt()
        assert len(simulator.sells()) == 1

    def test_a_state_that_cannot_be_asked_sends_nothing(self, simulator, run):
        def gone():
            raise BrokenPipeError

        run.state = gone
        with pytest.raises(BrokenPipeError):
            run.attempt()
        assert simulator.sell_attempts() == []
        assert run.xcoms == {}

    def test_a_try_that_was_given_up_while_frozen_in_the_fence_sends_nothing(self, simulator, run, clock):
        def freeze(value):
            if value["phase"] == "intent":
                clock.now += 60
                run.state = "failed"

        run.store.after_set = freeze
        with pytest.raises(AirflowFailException, match="given this try up"):
            run.attempt()
        assert simulator.sell_attempts() == []
        assert run.phase == "rejected", "the intent that was written is taken back"

    def test_a_machine_that_was_suspended_in_the_fence_asks_again(self, simulator, run, clock):
        """The monotonic clock of a suspended machine stands still; the wall clock does not."""

        def suspend(value):
            if value["phase"] == "intent":
                clock.started += 3600
                run.state = "failed"

        run.store.after_set = suspend
        with pytest.raises(AirflowFailException, match="given this try up"):
            run.attempt()
        assert simulator.sell_attempts() == []


class TestTheTime:
    def test_a_run_that_became_late_while_waiting_for_the_budget_sends_nothing(
        self, simulator, run, clock, monkeypatch
    ):
        wait_at_the_gate(monkeypatch, clock, 3700, request=4)
        with pytest.raises(AirflowFailException, match="max_lateness"):
            run.attempt()
        assert simulator.sell_attempts() == []
        assert run.outcome == "refused"

    def test_waiting_for_the_budget_ends_with_the_lateness(self, simulator, run):
        run.dag_run.run_after = pendulum.now("UTC").subtract(minutes=50)
        left = []
        run.state = lambda: left.append(run.operator._time_left()) or "running"
        run.attempt()
        assert 500 < left[0] <= 601

    @pytest.mark.parametrize("lateness", [None, 7200])
    def test_a_run_that_may_be_later_waits_for_the_budget_and_sells(self, simulator, run, clock, monkeypatch, lateness):
        wait_at_the_gate(monkeypatch, clock, 3700, request=4)
        run.attempt(max_lateness=lateness)
        assert len(simulator.sells()) == 1


class TestTheBaseline:
    def test_the_baseline_is_read_again_when_the_sell_all_has_waited(self, simulator, run, clock, monkeypatch):
        wait_at_the_gate(monkeypatch, clock, 61, request=4)
        run.attempt()
        assert len(simulator.journal()) == 7, "three reads, three again, the sell"
        assert len(simulator.sells()) == 1

    def test_the_baseline_is_as_old_as_its_first_read(self, simulator, run):
        simulator.fault("status", path="account_table_data", status=503, times=6)
        run.attempt()
        account = f"/accounts/{simulator.account_id}"
        reads = [request for request in simulator.journal(method="GET") if request["path"].endswith(account)]
        assert len(reads) == 2, "the balances took a minute, so the Account was read again"
        assert len(simulator.sells()) == 1

    @pytest.mark.parametrize(
        ("change", "says"), [({"name": "Other"}, "is named 'Other'"), ({"is_locked": True}, "has locked it")]
    )
    def test_a_guard_that_holds_no_longer_stops_the_sell(self, simulator, run, clock, monkeypatch, change, says):
        def admit(gate, requests=[]):  # noqa: B006
            requests.append(gate)
            if len(requests) == 4:
                clock.now += 61
                simulator.change_account(**change)

        monkeypatch.setattr(SleepingGate, "admit", admit)
        with pytest.raises(AirflowFailException, match=says):
            run.attempt(account_name="My Binance US")
        assert simulator.sell_attempts() == []

    def test_a_baseline_that_is_always_too_old_sends_nothing(self, simulator, run, clock, monkeypatch):
        def admit(gate):
            clock.now += 61

        monkeypatch.setattr(SleepingGate, "admit", admit)
        with pytest.raises(api.PreflightFailed, match="Nothing was sold"):
            run.attempt()
        assert simulator.sell_attempts() == []


class TestTheIntent:
    def test_a_write_that_timed_out_after_it_was_done_is_taken_back(self, simulator, run):
        def time_out(value):
            if value["phase"] == "intent":
                raise TimeoutError

        run.store.after_set = time_out
        with pytest.raises(TimeoutError):
            run.attempt(preflight=False)
        assert simulator.sell_attempts() == []
        assert run.phase == "rejected"
        assert run.outcome == "not_sent"
        run.store.after_set = lambda value: None
        run.attempt(preflight=False)
        assert len(simulator.sells()) == 1

    def test_the_oldest_unresolved_intent_outlives_a_later_refusal(self, simulator, run):
        """The first try's sell comes late: the second try is refused, the third must not forget the first."""
        lose_answer(simulator, applied=False)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        oldest = run.store.get(liquidator.JOURNAL_KEY)["baseline"]
        refuse_sell_all(simulator)
        with pytest.raises(AirflowFailException):
            run.attempt()
        assert run.phase == "intent"
        assert run.outcome == "unknown"
        assert run.store.get(liquidator.JOURNAL_KEY)["baseline"] == oldest
        sell_late(simulator)
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sell_attempts()) == 2
        assert len(simulator.sells()) == 0, "the late one was 3Commas' own"

    def test_after_an_untouched_account_the_preflight_has_to_agree(self, simulator, run, monkeypatch):
        lose_answer(simulator, applied=False)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        real = liquidator.watch

        def watch_then_sell(*args):
            seen = real(*args)
            sell_late(simulator)
            return seen

        monkeypatch.setattr(liquidator, "watch", watch_then_sell)
        with pytest.raises(api.OutcomeUnknown, match="after all"):
            run.attempt()
        assert len(simulator.sell_attempts()) == 1

    def test_half_a_change_in_the_preflight_is_enough_to_stop(self, simulator, run, monkeypatch):
        """Neither sold nor untouched: what the preflight sees after the watch is in between."""
        lose_answer(simulator, applied=False)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        real = liquidator.watch

        def watch_then_stop_a_bot(*args):
            seen = real(*args)
            simulator.change_account(bots=2)
            return seen

        monkeypatch.setattr(liquidator, "watch", watch_then_stop_a_bot)
        with pytest.raises(api.OutcomeUnknown, match="after all"):
            run.attempt()
        assert len(simulator.sell_attempts()) == 1

    def test_finding_out_about_an_earlier_try_waits_for_the_budget_however_late_the_run_is(self, simulator, run):
        lose_answer(simulator, applied=True)
        run.store.before_set = lambda value: None
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(liquidator, "watch", _killed)
            with pytest.raises(Killed):
                run.attempt()
        run.dag_run.run_after = pendulum.now("UTC").subtract(days=3)
        left = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SleepingGate, "admit", lambda gate: left.append(run.operator._time_left()))
            run.attempt()
        assert run.outcome == "reconciled"
        assert min(left) > 60

    def test_a_sale_that_was_found_out_is_a_sale_to_other_tasks(self, simulator, run):
        lose_answer(simulator, applied=True)
        run.attempt()
        other = TaskRun(simulator)
        other.run_id = "another_run"
        with pytest.raises(AirflowFailException, match="sold it"):
            other.attempt()


def sell_late(simulator) -> None:
    """Do to the account what a sell does that 3Commas carries out late."""
    for coin in ("ETH", "SOL", "USDT", "DOGE"):
        simulator.trade(coin, fraction="1")
    simulator.change_account(bots=0, deals=0)


def _killed(*args):
    raise Killed


class TestInterrupted:
    @pytest.mark.parametrize("error", [AirflowTaskTimeout, KeyboardInterrupt])
    def test_interrupted_while_it_reconciles_the_outcome_is_unknown(self, simulator, run, monkeypatch, error):
        lose_answer(simulator, applied=True)

        def interrupt(*args):
            raise error

        monkeypatch.setattr(liquidator, "watch", interrupt)
        with pytest.raises(error):
            run.attempt()
        assert run.outcome == "unknown"
        assert run.xcoms["liquidation"]["sent_at"]

    def test_interrupted_before_the_sell_all_the_outcome_is_not_sent(self, simulator, run, monkeypatch):
        def interrupt():
            run.state = "running"
            raise AirflowTaskTimeout

        run.state = interrupt
        with pytest.raises(AirflowTaskTimeout):
            run.attempt()
        assert (run.outcome, run.xcoms["liquidation"]["sent_at"]) == ("not_sent", None)

    def test_an_xcom_that_cannot_be_pushed_hides_no_error(self, simulator, run):
        def push(key, value):
            raise Killed if key == "nothing" else OSError("no XComs")

        run.xcom_push = push
        run.state = "failed"
        with pytest.raises((AirflowFailException, OSError)):
            run.attempt()
        assert simulator.sell_attempts() == []


def test_the_time_that_has_passed_is_the_longer_of_both_clocks():
    assert clocks.passed_since(clocks.Instant(clocks.time.monotonic() - 10, clocks.time.time())) >= 10
    assert clocks.passed_since(clocks.Instant(clocks.time.monotonic(), clocks.time.time() - 10)) >= 10
