"""One account, one liquidation at a time: across tasks, runs and DAGs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas import api
from airflow_provider_3commas.budget import AccountTaken
from tests.operators.task_run import TaskRun, lose_answer, refuse_sell_all


def another(simulator, run_id: str = "another_run", **parameters) -> TaskRun:
    run = TaskRun(simulator, **parameters)
    run.run_id = run_id
    return run


def refused(run: TaskRun, says: str) -> None:
    with pytest.raises(AirflowFailException, match=says) as caught:
        run.attempt()
    assert isinstance(caught.value.__cause__, AccountTaken)
    assert run.outcome == "refused"


class TestWithin:
    def test_a_second_task_refuses_and_names_the_first(self, simulator, run):
        run.attempt()
        refused(another(simulator), "a_dag/a_run/liquidate.*sold it.*not_within")
        assert len(simulator.sell_attempts()) == 1

    def test_a_second_task_refuses_before_it_reads_anything(self, simulator, run):
        run.attempt()
        requests = len(simulator.journal())
        refused(another(simulator), "not_within")
        assert len(simulator.journal()) == requests

    def test_another_mapped_index_of_the_same_run_is_another_task(self, simulator):
        first, second = another(simulator, "same"), another(simulator, "same")
        first.map_index, second.map_index = 0, 1
        first.attempt()
        refused(second, "liquidate\\[0\\]")
        assert len(simulator.sells()) == 1

    def test_a_task_that_sold_since_the_preflight_is_seen_in_the_fence(self, simulator, run):
        """Both have read the account when one of them sells."""

        def sell_first() -> str:
            run.state = "running"
            other.attempt()
            return "running"

        other = another(simulator)
        run.state = sell_first
        refused(run, "another_run")
        assert len(simulator.sell_attempts()) == 1
        assert run.phase == "begun"

    @pytest.mark.parametrize("lifted", [None, "0.5", timedelta(milliseconds=1)])
    def test_a_shorter_not_within_lets_a_second_task_sell(self, simulator, run, lifted):
        run.attempt()
        if lifted is not None:
            import time

            time.sleep(0.6)
        another(simulator, not_within=lifted).attempt()
        assert len(simulator.sells()) == 2

    def test_another_account_may_be_sold(self, simulator, run):
        run.attempt()
        simulator.change_account(4711, name="Second", holdings={"ETH": "1"})
        another(simulator, account_id=4711).attempt()
        assert len(simulator.sells()) == 2

    def test_the_task_itself_may_try_again(self, simulator, run):
        refuse_sell_all(simulator)
        with pytest.raises(AirflowFailException):
            run.attempt()
        run.attempt()
        assert len(simulator.sells()) == 1


class TestWhatBecomesOfIt:
    def test_a_refusal_frees_the_account_at_once(self, simulator, run):
        refuse_sell_all(simulator)
        with pytest.raises(AirflowFailException):
            run.attempt()
        another(simulator).attempt()
        assert len(simulator.sells()) == 1

    def test_an_orphan_that_can_neither_write_nor_log_frees_the_account(self, simulator, run, monkeypatch):
        def gone(*args):
            raise BrokenPipeError

        def die(value):
            if value["phase"] == "intent":
                run.store.before_set = gone
                monkeypatch.setattr(run.operator.log, "exception", gone)
                raise BrokenPipeError

        run.store.before_set = die
        with pytest.raises(BrokenPipeError):
            run.attempt()
        another(simulator).attempt()
        assert len(simulator.sell_attempts()) == 1

    def test_an_untouched_account_is_free(self, simulator, run):
        lose_answer(simulator, applied=False)
        with pytest.raises(api.OutcomeUnknown, match="as it was before"):
            run.attempt()
        another(simulator).attempt()
        assert len(simulator.sells()) == 1

    def test_an_unknown_outcome_holds_it(self, simulator, run):
        lose_answer(simulator, applied=True)
        simulator.fault("status", path="load_balances", status=502, times=None)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        simulator.clear_faults()
        refused(another(simulator), "whose outcome is unknown")
        assert len(simulator.sell_attempts()) == 1

    def test_the_owner_of_an_unknown_outcome_does_not_take_anothers_sale_for_its_own(self, simulator, run):
        lose_answer(simulator, applied=False)
        simulator.fault("status", path="load_balances", status=502, times=None)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        simulator.clear_faults()
        another(simulator, not_within=None).attempt()
        simulator.advance(60)
        with pytest.raises(api.OutcomeUnknown, match="another_run/liquidate has liquidated it since"):
            run.attempt()
        assert len(simulator.sells()) == 1

    def test_an_earlier_try_that_wakes_up_beside_a_later_one_sends_nothing(self, simulator, run):
        """The task does run: it is the later try that does. Here, not even the store keeps the earlier from writing."""

        def replaced() -> str:
            run.state = "running"
            later = TaskRun(simulator, not_within=None)
            later.store, later.tries = run.store, 1
            later.attempt()
            return "running"

        run.state = replaced
        with pytest.raises(AirflowFailException, match="later try of this task"):
            run.attempt(not_within=None)
        assert len(simulator.sell_attempts()) == 1


def test_the_log_says_that_other_machines_are_not_seen(simulator, run, capsys):
    run.attempt()
    assert "only if they run on this machine" in capsys.readouterr().out


class TestADagRunThatWasDeleted:
    """Its record goes with it; a scheduled one is made anew at once: the same name, the first try, no record."""

    @pytest.fixture
    def anew(self, simulator, run, clock):
        def anew(**parameters) -> TaskRun:
            clock.now += 1
            return TaskRun(simulator, **parameters)

        return anew

    def test_a_deleted_run_that_comes_anew_is_not_sold_again(self, simulator, run, anew):
        run.attempt()
        refused(anew(), "deleted .*a_dag/a_run/liquidate, try 1.*sold it.*not_within")
        assert len(simulator.sell_attempts()) == 1

    def test_a_deleted_run_whose_outcome_was_unknown_is_not_sold_again(self, simulator, run, anew):
        simulator.fault("drop", path="sell_all")
        simulator.fault("status", path="load_balances", times=None)
        with pytest.raises(api.OutcomeUnknown):
            run.attempt()
        simulator.clear_faults()
        refused(anew(), "deleted .*whose outcome is unknown")
        assert len(simulator.sell_attempts()) == 1

    def test_a_deleted_run_that_comes_anew_and_is_cleared_is_not_sold_again(self, simulator, run, anew):
        run.attempt()
        new = anew()
        refused(new, "deleted")
        new.clear()
        refused(new, "deleted")
        assert len(simulator.sell_attempts()) == 1

    def test_a_deleted_run_is_sold_again_without_not_within(self, simulator, run, anew):
        run.attempt()
        anew(not_within=None).attempt()
        assert len(simulator.sell_attempts()) == 2
