"""Two processes of one liquidation, an old one that was frozen and a newer one, in every combination.

Without and with a retry, mapped and not, cleared and not; the old one stopped before it has claimed the account, and
after it has written down that it is about to sell.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from tests.scheduler.cases import ANY, Case, CaseRun
from tests.scheduler.steps import freeze_at, restart_bots_and_resume, resume

pytestmark = pytest.mark.scheduler

POINTS = ("before sending", "after intent")
#: What XCom ``liquidation`` says of a liquidation that was carried out, and of one of which nothing was sent.
SOLD = {"accepted", "reconciled", "recorded"}
NOTHING_SENT = {"refused", "not_sent"}


def freeze_beside_a_newer_one(case_run: CaseRun) -> None:
    """Freeze the first try; let Airflow, and then a person, do what they do about it; then let it go on."""
    parameters = case_run.case.parameters
    case_run.write_accounts([case_run.account.id])
    stopped = freeze_at(case_run, parameters["point"])
    case_run.results["given up"] = case_run.wait_for_end()
    if parameters["cleared"]:
        case_run.clear_run()
        case_run.wait_for_end()
    elif not parameters["retries"]:
        case_run.results["new run"] = case_run.start_new_run("liquidation_once")
    case_run.results["resumed at"] = time.time()
    restart_bots_and_resume(case_run, stopped)


def make_cases() -> list[Case]:
    cases = []
    for retries, mapped, cleared, point in itertools.product((0, 1), (False, True), (False, True), POINTS):
        dag_id = f"{'mapped_' if mapped else ''}kill_matrix_{'last' if retries else 'once'}"
        name = "_".join(
            [
                f"retries_{retries}",
                *(["mapped"] if mapped else []),
                *(["cleared"] if cleared else []),
                point.replace(" ", "_"),
            ]
        )
        parameters = {"retries": retries, "cleared": cleared, "point": point, "takes": 60}
        cases.append(Case(name, freeze_beside_a_newer_one, dag_id, parameters, allowed_give_ups=ANY))
    return cases


CASES = make_cases()


def expected(parameters: dict[str, Any]) -> tuple[str, str | None, int]:
    """Return the state in which the run ends, the new run's outcome if there is one, and the number of sells."""
    if parameters["retries"] or parameters["cleared"]:
        return "success", None, 1
    # Who has claimed the account may have sold it, as far as anybody else can know.
    return ("failed", "refused", 0) if parameters["point"] == "after intent" else ("failed", "accepted", 1)


@pytest.mark.parametrize("case_run", CASES, ids=lambda case: case.name, indirect=True)
def test_an_old_and_a_newer_process_sell_once_at_most_and_say_so(case_run: CaseRun) -> None:
    parameters = case_run.case.parameters
    state, new_outcome, sells = expected(parameters)
    assert case_run.results["given up"] == ("success" if parameters["retries"] else "failed"), case_run.explain()
    assert case_run.state() == state, case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == sells, case_run.explain()
    assert all(post["time"] < case_run.results["resumed at"] for post in case_run.posts()), case_run.explain()
    assert case_run.simulator.account(case_run.account.id)["bots"] == 5, case_run.explain()
    if new_outcome is not None:
        assert case_run.new_xcom("liquidation")["outcome"] == new_outcome, case_run.explain()
        assert (case_run.results["new run"] == "success") is (new_outcome in SOLD), case_run.explain()


@pytest.mark.parametrize("case_run", CASES, ids=lambda case: case.name, indirect=True)
def test_what_is_told_of_it_is_true(case_run: CaseRun) -> None:
    liquidation = case_run.xcom("liquidation")
    if case_run.state() == "success":
        assert len(case_run.sells()) == 1, case_run.explain()
        assert liquidation["outcome"] in SOLD, case_run.explain()
    elif liquidation is not None:
        assert liquidation["outcome"] in NOTHING_SENT, case_run.explain()
    # What was given up hands nothing on: its log is what there is.
    first = case_run.task_log(1)
    assert "Nothing was sent" in first or "could not be" in first, case_run.explain()
    if case_run.new_dag_id and case_run.results["new run"] == "failed":
        new = case_run.new_xcom("liquidation")
        assert new["outcome"] in NOTHING_SENT, case_run.explain()
        assert f"{case_run.dag_id}/{case_run.run_id}/liquidate" in new["reason"], case_run.explain()
        assert new["sent_at"] is None, case_run.explain()


def resume_beside_a_running_one(case_run: CaseRun) -> None:
    """Freeze the first try; let the next one come to a point and stay there; then let the first one go on."""
    parameters = case_run.case.parameters
    stopped = freeze_at(case_run, "before sending", try2=f"wait at {parameters['point']}")
    case_run.wait_for("the next try", lambda: case_run.reported_event("reached", 2))
    resumed_at = time.time()
    resume(case_run, stopped)
    case_run.results["posts of the old one"] = [post for post in case_run.posts() if post["time"] > resumed_at]
    case_run.resume_try(2)
    case_run.wait_for_end()


BESIDE = [
    Case(
        f"beside_{point.replace(' ', '_')}",
        resume_beside_a_running_one,
        "kill_matrix_last",
        {"point": point, "takes": 60},
        allowed_give_ups=ANY,
    )
    for point in ("before sending", "before intent", "after intent", "before outcome", "before return")
]


@pytest.mark.parametrize("case_run", BESIDE, ids=lambda case: case.name, indirect=True)
def test_woken_beside_a_running_one_it_neither_sells_nor_speaks(case_run: CaseRun) -> None:
    assert not case_run.results["posts of the old one"], case_run.explain()
    assert case_run.state() == "success", case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == 1, case_run.explain()
    assert case_run.xcom("liquidation")["outcome"] == "accepted", case_run.explain()
