"""The API server forgets a task's state when it has succeeded: a run that is cleared then does not sell again.

``[state_store] clear_on_success`` is set for the server alone, as where the workers have a configuration of their own:
no worker can know of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scheduler.case_and_cluster import DAG_IDS, Play, Stage, World

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.scheduler


def clear_sold(stage: Stage) -> None:
    stage.write_accounts([stage.account.id])
    stage.trigger()
    stage.play.facts["first"] = stage.wait_for_end()
    stage.clear_run()
    stage.wait_for_end()


CLEARED = [Play("wiped", clear_sold, "liquidation_once"), Play("wiped_mapped", clear_sold, "mapped_liquidation")]


@pytest.fixture(scope="module")
def forgetful(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Another Airflow, whose server forgets."""
    settings = {"AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS": "True"}
    forgetful = World(CLEARED, tmp_path_factory.mktemp("forgetful"), settings)
    try:
        forgetful.airflow.wait_until_ready(DAG_IDS)
        yield forgetful
    finally:
        forgetful.stop()


@pytest.mark.parametrize("play", CLEARED, ids=lambda play: play.name)
def test_a_run_that_is_cleared_does_not_sell_again(forgetful: World, play: Play) -> None:
    stage = forgetful.act(play)
    assert stage.play.facts["first"] == "success", stage.explain()
    assert stage.airflow.database("SELECT * FROM task_state_store WHERE run_id = ?", stage.run_id) == []
    assert stage.state() == "failed", stage.explain()
    assert len(stage.sells()) == len(stage.posts()) == 1, stage.explain()
    told = stage.xcom("liquidation")
    assert told["outcome"] == "unknown", stage.explain()
    assert "nothing is recorded" in told["reason"], stage.explain()
