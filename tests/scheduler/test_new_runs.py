"""A liquidation dies with no try left, and a person starts a new run: never a second sell, never a silent refusal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scheduler.cases import ANY, Case, CaseRun
from tests.scheduler.kill_points import BEGINNINGS, IN_FLIGHT, POINTS, SUPERVISOR_SECONDS, VICTIMS
from tests.scheduler.steps import kill_at_points, kill_in_flight

pytestmark = pytest.mark.scheduler

#: Points before the claim: the new run sells. Anywhere later it refuses, because nobody else can know.
UNCLAIMED = {**BEGINNINGS, "before_sending": ("before sending", 1, "accepted")}
#: Points at which the first run's sell has been carried out, or will be.
SOLD_BY_FIRST = {"before_outcome", "after_outcome", "before_return", "in_flight_applied_later", "in_flight_applied"}
#: The orphan of a killed supervisor goes on, and its sell leaves.
SOLD_BY_ORPHAN = {"after_intent"}
#: The orphan of a killed supervisor can't write the intent, so it gives the account free again.
FREED_BY_ORPHAN = {"before_intent"}


def kill_and_start_anew(case_run: CaseRun) -> None:
    parameters = case_run.case.parameters
    if "hold" in parameters:
        kill_in_flight(case_run)
    else:
        kill_at_points(case_run)
    assert case_run.state() == "failed", case_run.explain()
    case_run.results["new run"] = case_run.start_new_run("liquidation_once")


def make_cases() -> list[Case]:
    cases = []
    for victim in VICTIMS:
        sold_by_first = SOLD_BY_FIRST | (SOLD_BY_ORPHAN if victim == "supervisor" else set())
        unclaimed = UNCLAIMED.keys() | (FREED_BY_ORPHAN if victim == "supervisor" else set())
        common: dict[str, Any] = {"victim": victim, "takes": SUPERVISOR_SECONDS if victim == "supervisor" else 0}
        for name, (point, _, _) in {**UNCLAIMED, **POINTS}.items():
            parameters = {
                **common,
                "injections": {"try1": f"kill {victim} at {point}"},
                "unclaimed": name in unclaimed,
                "sold by first": name in sold_by_first,
            }
            cases.append(
                Case(f"anew_{victim}_{name}", kill_and_start_anew, "kill_matrix_once", parameters, allowed_give_ups=ANY)
            )
        for name, (hold, discard, _, _) in IN_FLIGHT.items():
            parameters = {
                **common,
                "hold": hold,
                "discard": discard,
                "unclaimed": False,
                "sold by first": name in sold_by_first,
            }
            cases.append(
                Case(f"anew_{victim}_{name}", kill_and_start_anew, "kill_matrix_once", parameters, allowed_give_ups=ANY)
            )
    return cases


@pytest.mark.parametrize("case_run", make_cases(), ids=lambda case: case.name, indirect=True)
def test_a_new_run_sells_what_nobody_has_claimed_and_refuses_the_rest(case_run: CaseRun) -> None:
    parameters, liquidation = case_run.case.parameters, case_run.new_xcom("liquidation")
    assert case_run.state() == "failed", case_run.explain()
    assert case_run.results["new run"] == ("success" if parameters["unclaimed"] else "failed"), case_run.explain()
    assert len(case_run.sells()) == (1 if parameters["unclaimed"] or parameters["sold by first"] else 0), (
        case_run.explain()
    )
    if parameters["unclaimed"]:
        assert liquidation["outcome"] == "accepted", case_run.explain()
        return
    assert liquidation["outcome"] == "refused", case_run.explain()
    assert f"kill_matrix_once/{case_run.run_id}/liquidate, try 1" in liquidation["reason"], case_run.explain()
    assert "not_within" in liquidation["reason"], case_run.explain()
