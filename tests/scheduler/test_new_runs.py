"""A liquidation dies with no try left, and a person starts a new run: never a second sell, never a silent refusal."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scheduler.case_and_cluster import Play, Stage
from tests.scheduler.test_given_up import BEGINNINGS
from tests.scheduler.test_kill_matrix import (
    IN_FLIGHT,
    POINTS,
    SUPERVISOR_CELL_SECONDS,
    VICTIMS,
    kill_at_points,
    kill_in_flight,
)

pytestmark = pytest.mark.scheduler

#: Points before the claim: the new run sells. Anywhere later it refuses, because nobody else can know.
UNCLAIMED = {**BEGINNINGS, "before_sending": ("before sending", 1, "accepted")}
#: Points at which the first run's sell has been carried out, or will be.
SOLD_BY_FIRST = {"before_outcome", "after_outcome", "before_return", "in_flight_applied_later", "in_flight_applied"}
#: The orphan of a killed supervisor goes on, and its sell leaves.
SOLD_BY_ORPHAN = {"after_intent"}
#: The orphan of a killed supervisor can't write the intent, so it gives the account free again.
FREED_BY_ORPHAN = {"before_intent"}


def kill_and_start_anew(stage: Stage) -> None:
    facts = stage.play.facts
    if "hold" in facts:
        kill_in_flight(stage)
    else:
        kill_at_points(stage)
    assert stage.state() == "failed", stage.explain()
    facts["new run"] = stage.start_new_run("liquidation_once")


def cells() -> list[Play]:
    plays = []
    for victim in VICTIMS:
        sold_by_first = SOLD_BY_FIRST | (SOLD_BY_ORPHAN if victim == "supervisor" else set())
        unclaimed = UNCLAIMED.keys() | (FREED_BY_ORPHAN if victim == "supervisor" else set())
        common: dict[str, Any] = {"victim": victim, "takes": SUPERVISOR_CELL_SECONDS if victim == "supervisor" else 0}
        for name, (point, _, _) in {**UNCLAIMED, **POINTS}.items():
            facts = {
                **common,
                "injections": {"try1": f"kill {victim} at {point}"},
                "unclaimed": name in unclaimed,
                "sold by first": name in sold_by_first,
            }
            plays.append(Play(f"anew_{victim}_{name}", kill_and_start_anew, "kill_matrix_once", facts, 9))
        for name, (hold, discard, _, _) in IN_FLIGHT.items():
            facts = {
                **common,
                "hold": hold,
                "discard": discard,
                "unclaimed": False,
                "sold by first": name in sold_by_first,
            }
            plays.append(Play(f"anew_{victim}_{name}", kill_and_start_anew, "kill_matrix_once", facts, 9))
    return plays


@pytest.mark.parametrize("played", cells(), ids=lambda play: play.name, indirect=True)
def test_a_new_run_sells_what_nobody_has_claimed_and_refuses_the_rest(played: Stage) -> None:
    facts, told = played.play.facts, played.new_xcom("liquidation")
    assert played.state() == "failed", played.explain()
    assert facts["new run"] == ("success" if facts["unclaimed"] else "failed"), played.explain()
    assert len(played.sells()) == (1 if facts["unclaimed"] or facts["sold by first"] else 0), played.explain()
    if facts["unclaimed"]:
        assert told["outcome"] == "accepted", played.explain()
        return
    assert told["outcome"] == "refused", played.explain()
    assert f"kill_matrix_once/{played.run_id}/liquidate, try 1" in told["reason"], played.explain()
    assert "not_within" in told["reason"], played.explain()
