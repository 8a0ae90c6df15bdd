"""Two DAGs that sell the same account at the same instant."""

from __future__ import annotations

import pytest

from tests.scheduler.case_and_cluster import Play, Stage

pytestmark = pytest.mark.scheduler


def sell_at_the_same_instant(stage: Stage) -> None:
    """Let two runs go on together from where each is about to ask whether it may sell."""
    stage.new_dag_id = "kill_matrix_last"
    order = {"try1": "wait at before sending"}
    stage.start(stage.dag_id, stage.run_id, order)
    stage.start(stage.new_dag_id, stage.new_run_id, order)
    for run_id in (stage.run_id, stage.new_run_id):
        stage.wait_for("the point", lambda one=run_id: stage.told("reached", run_id=one))
    for run_id in (stage.run_id, stage.new_run_id):
        stage.let_go_on(run_id=run_id)
    stage.wait_for_end()
    stage.play.facts["new run"] = stage.wait_for_new_run()


PLAYS = [Play(f"same_instant_{number}", sell_at_the_same_instant, "kill_matrix_once", {}, 9) for number in range(3)]


@pytest.mark.parametrize("played", PLAYS, ids=lambda play: play.name, indirect=True)
def test_of_two_dags_at_the_same_instant_one_sells_and_the_other_names_it(played: Stage) -> None:
    states = {"kill_matrix_once": played.state(), "kill_matrix_last": played.play.facts["new run"]}
    assert sorted(states.values()) == ["failed", "success"], played.explain()
    assert len(played.sells()) == len(played.posts()) == 1, played.explain()
    runs = {"kill_matrix_once": played.run_id, "kill_matrix_last": played.new_run_id}
    told = {"kill_matrix_once": played.xcom("liquidation"), "kill_matrix_last": played.new_xcom("liquidation")}
    [sold] = [dag_id for dag_id, state in states.items() if state == "success"]
    [refused] = [dag_id for dag_id, state in states.items() if state == "failed"]
    assert told[sold]["outcome"] == "accepted", told
    assert told[refused]["outcome"] == "refused", told
    assert f"{sold}/{runs[sold]}/liquidate" in told[refused]["reason"], told
