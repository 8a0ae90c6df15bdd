"""Two processes of one liquidation, an old one that was frozen and a newer one, in every combination.

Without and with a retry, mapped and not, cleared and not; the old one stopped before it has claimed the account, and
after it has written down that it is about to sell.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from tests.scheduler.case_and_cluster import Play, Stage
from tests.scheduler.test_given_up import restart_bots_and_wake, stop_at, wake

pytestmark = pytest.mark.scheduler

POINTS = ("before sending", "after intent")
#: What XCom ``liquidation`` says of a liquidation that was carried out, and of one of which nothing was sent.
SOLD = {"accepted", "reconciled", "recorded"}
NOTHING_SENT = {"refused", "not_sent"}


def freeze_beside_a_newer_one(stage: Stage) -> None:
    """Freeze the first try; let Airflow, and then a person, do what they do about it; then let it wake up."""
    facts = stage.play.facts
    stage.write_accounts([stage.account.id])
    stopped = stop_at(stage, facts["point"])
    facts["given up"] = stage.wait_for_end()
    if facts["cleared"]:
        stage.clear_run()
        stage.wait_for_end()
    elif not facts["retries"]:
        facts["new run"] = stage.start_new_run("liquidation_once")
    facts["woken"] = time.time()
    restart_bots_and_wake(stage, stopped)


def cells() -> list[Play]:
    plays = []
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
        facts = {"retries": retries, "cleared": cleared, "point": point, "takes": 60}
        plays.append(Play(name, freeze_beside_a_newer_one, dag_id, facts, 9))
    return plays


CELLS = cells()


def expected(facts: dict[str, Any]) -> tuple[str, str | None, int]:
    """Return the state in which the run ends, the new run's outcome if there is one, and the number of sells."""
    if facts["retries"] or facts["cleared"]:
        return "success", None, 1
    # Who has claimed the account may have sold it, as far as anybody else can know.
    return ("failed", "refused", 0) if facts["point"] == "after intent" else ("failed", "accepted", 1)


@pytest.mark.parametrize("played", CELLS, ids=lambda play: play.name, indirect=True)
def test_an_old_and_a_newer_process_sell_once_at_most_and_say_so(played: Stage) -> None:
    facts = played.play.facts
    state, new_outcome, sells = expected(facts)
    assert facts["given up"] == ("success" if facts["retries"] else "failed"), played.explain()
    assert played.state() == state, played.explain()
    assert len(played.sells()) == len(played.posts()) == sells, played.explain()
    assert all(post["time"] < facts["woken"] for post in played.posts()), played.explain()
    assert played.simulator.account(played.account.id)["bots"] == 5, played.explain()
    if new_outcome is not None:
        assert played.new_xcom("liquidation")["outcome"] == new_outcome, played.explain()
        assert (facts["new run"] == "success") is (new_outcome in SOLD), played.explain()


@pytest.mark.parametrize("played", CELLS, ids=lambda play: play.name, indirect=True)
def test_what_is_told_of_it_is_true(played: Stage) -> None:
    told = played.xcom("liquidation")
    if played.state() == "success":
        assert len(played.sells()) == 1, played.explain()
        assert told["outcome"] in SOLD, played.explain()
    elif told is not None:
        assert told["outcome"] in NOTHING_SENT, played.explain()
    # What was given up hands nothing on: its log is what there is.
    first = played.task_log(1)
    assert "Nothing was sent" in first or "could not be" in first, played.explain()
    if played.new_dag_id and played.play.facts["new run"] == "failed":
        new = played.new_xcom("liquidation")
        assert new["outcome"] in NOTHING_SENT, played.explain()
        assert f"{played.dag_id}/{played.run_id}/liquidate" in new["reason"], played.explain()
        assert new["sent_at"] is None, played.explain()


def wake_beside_a_running_one(stage: Stage) -> None:
    """Freeze the first try; let the next one come to a point and stay there; wake the first one, and wait for it."""
    facts = stage.play.facts
    stopped = stop_at(stage, "before sending", try2=f"wait at {facts['point']}")
    stage.wait_for("the next try", lambda: stage.told("reached", 2))
    facts["woken"] = time.time()
    wake(stage, stopped)
    facts["posts of the old one"] = [post for post in stage.posts() if post["time"] > facts["woken"]]
    stage.let_go_on(2)
    stage.wait_for_end()


BESIDE = [
    Play(
        f"beside_{point.replace(' ', '_')}",
        wake_beside_a_running_one,
        "kill_matrix_last",
        {"point": point, "takes": 60},
        9,
    )
    for point in ("before sending", "before intent", "after intent", "before outcome", "before return")
]


@pytest.mark.parametrize("played", BESIDE, ids=lambda play: play.name, indirect=True)
def test_woken_beside_a_running_one_it_neither_sells_nor_speaks(played: Stage) -> None:
    assert not played.play.facts["posts of the old one"], played.explain()
    assert played.state() == "success", played.explain()
    assert len(played.sells()) == len(played.posts()) == 1, played.explain()
    assert played.xcom("liquidation")["outcome"] == "accepted", played.explain()
