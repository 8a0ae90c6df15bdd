"""Two DAGs that sell the same account at the same instant."""

from __future__ import annotations

import pytest

from tests.scheduler.cases import ANY, Case, CaseRun

pytestmark = pytest.mark.scheduler


def sell_at_the_same_instant(case_run: CaseRun) -> None:
    """Let two runs go on together from where each is about to ask whether it may sell."""
    case_run.new_dag_id = "kill_matrix_last"
    order = {"try1": "wait at before sending"}
    case_run.start(case_run.dag_id, case_run.run_id, order)
    case_run.start(case_run.new_dag_id, case_run.new_run_id, order)
    for run_id in (case_run.run_id, case_run.new_run_id):
        case_run.wait_for("the point", lambda one=run_id: case_run.reported_event("reached", run_id=one))
    for run_id in (case_run.run_id, case_run.new_run_id):
        case_run.resume_try(run_id=run_id)
    case_run.wait_for_end()
    case_run.results["new run"] = case_run.wait_for_new_run()


CASES = [
    Case(f"same_instant_{number}", sell_at_the_same_instant, "kill_matrix_once", {}, allowed_give_ups=ANY)
    for number in range(3)
]


@pytest.mark.parametrize("case_run", CASES, ids=lambda case: case.name, indirect=True)
def test_of_two_dags_at_the_same_instant_one_sells_and_the_other_names_it(case_run: CaseRun) -> None:
    states = {"kill_matrix_once": case_run.state(), "kill_matrix_last": case_run.results["new run"]}
    assert sorted(states.values()) == ["failed", "success"], case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == 1, case_run.explain()
    runs = {"kill_matrix_once": case_run.run_id, "kill_matrix_last": case_run.new_run_id}
    both = {
        "kill_matrix_once": case_run.xcom("liquidation"),
        "kill_matrix_last": case_run.new_xcom("liquidation"),
    }
    [sold] = [dag_id for dag_id, state in states.items() if state == "success"]
    [refused] = [dag_id for dag_id, state in states.items() if state == "failed"]
    assert both[sold]["outcome"] == "accepted", both
    assert both[refused]["outcome"] == "refused", both
    assert f"{sold}/{runs[sold]}/liquidate" in both[refused]["reason"], both
