"""A cleared task, and a DAG run that is cleared: what was sold is not sold again."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas.api.errors import JournalUnusable
from tests.operators.task_run import Killed, kill_on, lose_answer, refuse_sell_all


class TestClearing:
    def test_cleared_task_sends_nothing(self, simulator, run):
        first = run.attempt()
        run.clear()
        assert run.attempt() == first
        assert run.outcome == "recorded"
        assert len(simulator.sell_attempts()) == 1

    def test_cleared_after_a_lost_answer_finds_out(self, simulator, run):
        lose_answer(simulator, applied=True)
        run.store.after_set = kill_on("accepted")
        with pytest.raises(Killed):
            run.attempt()
        run.store.after_set = lambda value: None
        run.clear()
        run.attempt()
        assert len(simulator.sell_attempts()) == 1

    def test_cleared_where_airflow_has_forgotten_refuses(self, simulator, run):
        run.attempt()
        run.store.values.clear()
        run.clear()
        with pytest.raises(AirflowFailException, match="clear_on_success") as caught:
            run.attempt()
        assert isinstance(caught.value.__cause__, JournalUnusable)
        assert run.outcome == "unknown"
        assert len(simulator.sell_attempts()) == 1

    def test_a_retry_of_a_try_that_died_before_it_began_refuses(self, simulator, run):
        run.store.before_set = kill_on("begun")
        with pytest.raises(Killed):
            run.attempt()
        run.store.before_set = lambda value: None
        with pytest.raises(AirflowFailException, match="died before it began"):
            run.attempt()
        assert simulator.journal() == []

    def test_a_mapped_index_that_appears_after_a_clear_refuses(self, simulator, run):
        run.map_index = 3
        run.clear()
        with pytest.raises(AirflowFailException, match="under another index") as caught:
            run.attempt()
        assert isinstance(caught.value.__cause__, JournalUnusable)
        assert simulator.journal() == []

    def test_a_mapped_index_that_was_there_before_a_clear_goes_on(self, simulator, run):
        run.map_index = 3
        refuse_sell_all(simulator)
        with pytest.raises(AirflowFailException):
            run.attempt()
        run.clear()
        run.attempt()
        assert len(simulator.sells()) == 1

    def test_a_task_that_could_not_begin_sells_after_a_clear_when_its_parameters_are_mended(self, simulator, run):
        with pytest.raises(AirflowFailException, match="dry_run"):
            run.attempt(dry_run="maybe")
        assert run.outcome == "refused"
        run.clear()
        run.attempt()
        assert len(simulator.sells()) == 1

    def test_a_mapped_task_that_could_not_begin_refuses_after_a_clear(self, simulator, run):
        run.map_index = 0
        with pytest.raises(AirflowFailException, match="dry_run"):
            run.attempt(dry_run="maybe")
        run.clear()
        with pytest.raises(AirflowFailException, match="under another index"):
            run.attempt()
        assert simulator.journal() == []

    def test_an_unmapped_task_that_never_ran_sells_after_a_clear(self, simulator, run):
        run.clear()
        run.attempt()
        assert len(simulator.sells()) == 1
