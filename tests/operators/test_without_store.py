"""Before Airflow 3.3 there is no task state store: the first try may sell, a later one never does."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas import api
from tests.operators.task_run import TaskRun, lose_answer, refuse_sell_all


class TestWithoutAStore:
    @pytest.fixture
    def run(self, simulator):
        run = TaskRun(simulator)
        run.store = None
        return run

    def test_the_first_try_sells_and_warns(self, simulator, run, capsys):
        run.attempt()
        assert len(simulator.sells()) == 1
        assert capsys.readouterr().out.count("no task state store") == 1

    def test_the_try_that_lost_the_answer_finds_out(self, simulator, run):
        lose_answer(simulator, applied=True)
        run.attempt()
        assert run.outcome == "reconciled"
        assert len(simulator.sell_attempts()) == 1

    def test_a_mapped_index_refuses_after_a_clear(self, simulator, run):
        run.map_index = 0
        run.clear()
        with pytest.raises(AirflowFailException, match="under another index"):
            run.attempt()
        assert simulator.journal() == []

    def test_the_fence_is_asked_all_the_same(self, simulator, run):
        run.state = "failed"
        with pytest.raises(AirflowFailException, match="given this try up"):
            run.attempt()
        assert simulator.sell_attempts() == []

    def test_a_later_try_never_sells(self, simulator, run):
        refuse_sell_all(simulator)
        with pytest.raises(AirflowFailException):
            run.attempt()
        for _ in range(2):
            with pytest.raises(api.OutcomeUnknown, match="start a new DAG run"):
                run.attempt()
        assert simulator.sells() == []
        assert len(simulator.sell_attempts()) == 1
