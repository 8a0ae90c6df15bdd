"""A try that Airflow has given up, and that wakes up later, sends nothing: not even where no retry is left.

Without a retry left, a task instance keeps its id, and the state store takes the writes of the abandoned process.
"""

from __future__ import annotations

import time

import pytest

from airflow_provider_3commas.api.connections import FENCE_MAX_AGE
from tests.scheduler.cases import ANY, Case, CaseRun
from tests.scheduler.kill_points import BEGINNINGS, IN_FLIGHT, ORPHANS, POINTS, SUPERVISOR_SECONDS, VICTIMS
from tests.scheduler.steps import (
    freeze_at,
    kill_at_points,
    kill_in_flight,
    restart_bots_and_resume,
    resume,
)

pytestmark = pytest.mark.scheduler


def freeze_until_given_up(case_run: CaseRun) -> None:
    """Freeze; the run fails; a person starts another, which may sell, and restarts the bots; then let it go on."""
    parameters = case_run.case.parameters
    stopped = freeze_at(case_run, parameters["point"], parameters.get("try", 1), **parameters.get("others_do", {}))
    assert case_run.wait_for_end() == "failed", case_run.explain()
    case_run.results["new run"] = case_run.start_new_run(parameters.get("new dag", "liquidation_once"))
    restart_bots_and_resume(case_run, stopped)


def mark(case_run: CaseRun) -> None:
    """Freeze, set the state by hand, and let it go on when what the fence was told has grown too old."""
    stopped = freeze_at(case_run, case_run.case.parameters["point"])
    reached = case_run.reported_event("reached") or {}
    case_run.mark_task(case_run.case.parameters["state"])
    case_run.wait_for_end()
    case_run.wait_for("the permission to grow old", lambda: time.time() - reached["time"] > FENCE_MAX_AGE)
    resume(case_run, stopped)


#: Where the only try is frozen, or the last after the first was killed when it had claimed the account.
FROZEN = {
    "once_before_sending": ("kill_matrix_once", "before sending"),
    "once_before_intent": ("kill_matrix_once", "before intent"),
    "once_after_intent": ("kill_matrix_once", "after intent"),
    "last_before_sending": ("kill_matrix_last", "before sending"),
}


def frozen() -> list[Case]:
    """Return the cases, each with a new run that refuses a claimed account, and with one that sells it anyway.

    Before the fence has claimed the account, any new run may sell it.
    """
    cases = []
    for name, (dag_id, point) in FROZEN.items():
        last = {"try": 2, "others_do": {"try1": "kill task at before intent"}} if dag_id == "kill_matrix_last" else {}
        parameters = {"point": point, "takes": 60, **last}
        sold = {"new": "success", "sells": 1}
        default = sold if name == "once_before_sending" else {"new": "failed", "sells": 0}
        anyway = {**sold, "new dag": "liquidation_anyway"}
        cases += [
            Case(name, freeze_until_given_up, dag_id, {**parameters, **default}, allowed_give_ups=ANY),
            Case(f"{name}_sold_anyway", freeze_until_given_up, dag_id, {**parameters, **anyway}, allowed_give_ups=ANY),
        ]
    return cases


MARKED = [
    Case(
        f"marked_{state}_{point.replace(' ', '_')}",
        mark,
        dag_id,
        {"state": state, "point": point, "takes": 30},
        allowed_give_ups=ANY,
    )
    for state in ("failed", "success")
    for point, dag_id in (("before sending", "kill_matrix_once"), ("after intent", "kill_matrix_last"))
]


@pytest.mark.parametrize("case_run", frozen(), ids=lambda case: case.name, indirect=True)
def test_given_up_without_another_try_it_sends_nothing(case_run: CaseRun) -> None:
    parameters = case_run.case.parameters
    assert case_run.results["new run"] == parameters["new"], case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == parameters["sells"], case_run.explain()
    assert case_run.state() == "failed", case_run.explain()
    # The bots that the owner has started again still run.
    assert case_run.simulator.account(case_run.account.id)["bots"] == 5, case_run.explain()


@pytest.mark.parametrize("case_run", MARKED, ids=lambda case: case.name, indirect=True)
def test_marked_by_hand_it_sends_nothing(case_run: CaseRun) -> None:
    assert not case_run.posts(), case_run.explain()
    assert "Nothing was sent" in case_run.task_log(), case_run.explain()


def kill_and_clear(case_run: CaseRun) -> None:
    """Kill the last try there is, at a point or with its sell in flight; then clear the task, as a person does."""
    parameters = case_run.case.parameters
    if "hold" in parameters:
        kill_in_flight(case_run)
    else:
        kill_at_points(case_run)
    assert case_run.state() == "failed", case_run.explain()
    case_run.clear_task()
    case_run.wait_for_end()


def last_tries() -> list[Case]:
    """Return every cell of the kill matrix again: with no retry at all, and for the last of two tries."""
    cases = []
    for victim in VICTIMS:
        common = {"victim": victim, "takes": SUPERVISOR_SECONDS if victim == "supervisor" else 0}
        for name, (point, posts, outcome) in {**POINTS, **BEGINNINGS}.items():
            if victim == "supervisor" and name in BEGINNINGS:
                continue
            how = ORPHANS.get(name, outcome) if victim == "supervisor" else outcome
            parameters = {**common, "posts": posts, "outcome": how}
            once = {"injections": {"try1": f"kill {victim} at {point}"}}
            cases.append(
                Case(
                    f"once_{victim}_{name}",
                    kill_and_clear,
                    "kill_matrix_once",
                    {**parameters, **once},
                    allowed_give_ups=ANY,
                )
            )
            if name in POINTS:
                last = {"injections": {"try1": "kill task at after begun", "try2": f"kill {victim} at {point}"}}
                cases.append(
                    Case(
                        f"last_{victim}_{name}",
                        kill_and_clear,
                        "kill_matrix_last",
                        {**parameters, **last},
                        allowed_give_ups=ANY,
                    )
                )
        for name, (hold, discard, posts, outcome) in IN_FLIGHT.items():
            parameters = {**common, "hold": hold, "discard": discard, "posts": posts, "outcome": outcome}
            cases.append(
                Case(f"once_{victim}_{name}", kill_and_clear, "kill_matrix_once", parameters, allowed_give_ups=ANY)
            )
    return cases


@pytest.mark.parametrize("case_run", last_tries(), ids=lambda case: case.name, indirect=True)
def test_killed_in_its_last_try_and_cleared_it_sells_once_or_refuses(case_run: CaseRun) -> None:
    parameters, liquidation = case_run.case.parameters, case_run.xcom("liquidation")
    assert len(case_run.posts()) == parameters["posts"], case_run.explain()
    if parameters["outcome"] is None:
        assert case_run.state() == "failed", case_run.explain()
        assert not case_run.sells(), case_run.explain()
        assert liquidation["outcome"] == "unknown", case_run.explain()
        assert "nothing is recorded" in liquidation["reason"], case_run.explain()
        return
    assert case_run.state() == "success", case_run.explain()
    assert len(case_run.sells()) == 1, case_run.explain()
    assert liquidation["outcome"] == parameters["outcome"], case_run.explain()


def clear_mapped(case_run: CaseRun) -> None:
    """Sell two accounts; then a third comes first in the list, and the run is cleared."""
    first, second, third = case_run.account, *case_run.other_accounts
    case_run.write_accounts([first.id, second.id])
    case_run.trigger()
    case_run.results["first"] = case_run.wait_for_end()
    case_run.write_accounts([third.id, first.id, second.id])
    case_run.clear_run()
    case_run.wait_for_end()


def sell_one_account_twice(case_run: CaseRun) -> None:
    case_run.write_accounts([case_run.account.id, case_run.account.id])
    case_run.trigger()
    case_run.wait_for_end()


MAPPED = [Case("mapped_then_cleared", clear_mapped, "mapped_liquidation", {"others": 2}, allowed_give_ups=ANY)]
TWICE = [Case("mapped_twice", sell_one_account_twice, "mapped_liquidation", {}, allowed_give_ups=ANY)]


@pytest.mark.parametrize("case_run", MAPPED, ids=lambda case: case.name, indirect=True)
def test_a_list_that_has_changed_sells_no_account_again(case_run: CaseRun) -> None:
    assert case_run.results["first"] == "success", case_run.explain()
    assert case_run.state() == "failed", case_run.explain()
    sold = [len(case_run.simulator.sells(account.id)) for account in (case_run.account, *case_run.other_accounts)]
    assert sold == [1, 1, 0], case_run.explain()
    # The third index stands for the second account now, and knows nothing of its sale.
    for index, why in ((0, "An earlier try of this task was about account_id"), (2, "nothing is recorded")):
        liquidation = case_run.airflow.xcom(case_run.dag_id, case_run.run_id, "liquidation", index)
        assert liquidation["outcome"] == "unknown", liquidation
        assert why in liquidation["reason"], liquidation


@pytest.mark.parametrize("case_run", TWICE, ids=lambda case: case.name, indirect=True)
def test_an_account_that_is_listed_twice_is_sold_once(case_run: CaseRun) -> None:
    assert case_run.state() == "failed", case_run.explain()
    assert len(case_run.sells()) == 1, case_run.explain()
    both = [case_run.airflow.xcom(case_run.dag_id, case_run.run_id, "liquidation", index) for index in (0, 1)]
    assert sorted(liquidation["outcome"] for liquidation in both) == ["accepted", "refused"], both
