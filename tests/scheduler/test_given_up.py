"""A try that Airflow has given up, and that wakes up later, sends nothing: not even where no retry is left.

Without a retry left, a task instance keeps its id, and the state store takes the writes of the abandoned process.
"""

from __future__ import annotations

import signal
import time
from typing import Any

import pytest

from airflow_provider_3commas.api.transport import FENCE_MAX_AGE
from tests.scheduler.test_kill_matrix import (
    IN_FLIGHT,
    ORPHANS,
    POINTS,
    SUPERVISOR_CELL_SECONDS,
    VICTIMS,
    kill_at_points,
    kill_in_flight,
)
from tests.scheduler.world import Play, Stage, is_gone, send_signal

pytestmark = pytest.mark.scheduler


def stop_at(stage: Stage, point: str, number: int = 1, **others: str) -> list[int]:
    """Start the run, and stop a try's processes at a point."""
    stage.trigger(**others, **{f"try{number}": f"wait at {point}"})
    stage.wait_for("the point", lambda: stage.told("reached", number))
    facts: dict[str, Any] = stage.told("started", number) or {}
    stopped = [facts["pid"], facts["supervisor"]]
    send_signal(signal.SIGSTOP, *stopped)
    return stopped


def wake(stage: Stage, stopped: list[int]) -> None:
    stage.let_go_on()
    send_signal(signal.SIGCONT, *stopped)
    stage.wait_for("the end of the woken process", lambda: is_gone(stopped[0]), 90)
    stage.keep_time()


def restart_bots_and_wake(stage: Stage, stopped: list[int]) -> None:
    """Do what the owner does after a sale; a second one would stop the bots again."""
    stage.simulator.change_account(stage.account.id, bots=5)
    wake(stage, stopped)


def freeze_until_given_up(stage: Stage) -> None:
    """Freeze; the run fails; a person starts another, which may sell, and restarts the bots; then let it wake up."""
    facts = stage.play.facts
    stopped = stop_at(stage, facts["point"], facts.get("try", 1), **facts.get("others_do", {}))
    assert stage.wait_for_end() == "failed", stage.explain()
    facts["new run"] = stage.start_new_run(facts.get("new dag", "liquidation_once"))
    restart_bots_and_wake(stage, stopped)


def mark(stage: Stage) -> None:
    """Freeze, set the state by hand, and let it wake up when what the fence was told has grown too old."""
    stopped = stop_at(stage, stage.play.facts["point"])
    reached = stage.told("reached") or {}
    stage.mark(stage.play.facts["state"])
    stage.wait_for_end()
    stage.wait_for("the permission to grow old", lambda: time.time() - reached["time"] > FENCE_MAX_AGE)
    wake(stage, stopped)


#: Where the only try is frozen, or the last after the first was killed when it had claimed the account.
FROZEN = {
    "once_before_sending": ("kill_matrix_once", "before sending"),
    "once_before_intent": ("kill_matrix_once", "before intent"),
    "once_after_intent": ("kill_matrix_once", "after intent"),
    "last_before_sending": ("kill_matrix_last", "before sending"),
}


def frozen() -> list[Play]:
    """Return the plays, each with a new run that refuses a claimed account, and with one that sells it anyway.

    Before the fence has claimed the account, any new run may sell it.
    """
    plays = []
    for name, (dag_id, point) in FROZEN.items():
        last = {"try": 2, "others_do": {"try1": "kill task at before intent"}} if dag_id == "kill_matrix_last" else {}
        facts = {"point": point, "takes": 60, **last}
        sold = {"new": "success", "sells": 1}
        default = sold if name == "once_before_sending" else {"new": "failed", "sells": 0}
        anyway = {**sold, "new dag": "liquidation_anyway"}
        plays += [
            Play(name, freeze_until_given_up, dag_id, {**facts, **default}, 9),
            Play(f"{name}_sold_anyway", freeze_until_given_up, dag_id, {**facts, **anyway}, 9),
        ]
    return plays


MARKED = [
    Play(f"marked_{state}_{point.replace(' ', '_')}", mark, dag_id, {"state": state, "point": point, "takes": 30}, 9)
    for state in ("failed", "success")
    for point, dag_id in (("before sending", "kill_matrix_once"), ("after intent", "kill_matrix_last"))
]


@pytest.mark.parametrize("played", frozen(), ids=lambda play: play.name, indirect=True)
def test_given_up_without_another_try_it_sends_nothing(played: Stage) -> None:
    facts = played.play.facts
    assert facts["new run"] == facts["new"], played.explain()
    assert len(played.sells()) == len(played.posts()) == facts["sells"], played.explain()
    assert played.state() == "failed", played.explain()
    # The bots that the owner has started again still run.
    assert played.simulator.account(played.account.id)["bots"] == 5, played.explain()


@pytest.mark.parametrize("played", MARKED, ids=lambda play: play.name, indirect=True)
def test_marked_by_hand_it_sends_nothing(played: Stage) -> None:
    assert not played.posts(), played.explain()
    assert "Nothing was sent" in played.task_log(), played.explain()


def kill_and_clear(stage: Stage) -> None:
    """Kill the last try there is, at a point or with its sell in flight; then clear the task, as a person does."""
    facts = stage.play.facts
    if "hold" in facts:
        kill_in_flight(stage)
    else:
        kill_at_points(stage)
    assert stage.state() == "failed", stage.explain()
    stage.clear_task()
    stage.wait_for_end()


#: Where the only try is killed before it has begun or right after, beside the points of the kill matrix.
BEGINNINGS = {"begun": ("before begun", 0, None), "after_begun": ("after begun", 1, "accepted")}


def last_tries() -> list[Play]:
    """Return every cell of the kill matrix again: with no retry at all, and for the last of two tries."""
    plays = []
    for victim in VICTIMS:
        common = {"victim": victim, "takes": SUPERVISOR_CELL_SECONDS if victim == "supervisor" else 0}
        for name, (point, posts, outcome) in {**POINTS, **BEGINNINGS}.items():
            if victim == "supervisor" and name in BEGINNINGS:
                continue
            how = ORPHANS.get(name, outcome) if victim == "supervisor" else outcome
            facts = {**common, "posts": posts, "outcome": how}
            once = {"injections": {"try1": f"kill {victim} at {point}"}}
            plays.append(Play(f"once_{victim}_{name}", kill_and_clear, "kill_matrix_once", {**facts, **once}, 9))
            if name in POINTS:
                last = {"injections": {"try1": "kill task at after begun", "try2": f"kill {victim} at {point}"}}
                plays.append(Play(f"last_{victim}_{name}", kill_and_clear, "kill_matrix_last", {**facts, **last}, 9))
        for name, (hold, discard, posts, outcome) in IN_FLIGHT.items():
            facts = {**common, "hold": hold, "discard": discard, "posts": posts, "outcome": outcome}
            plays.append(Play(f"once_{victim}_{name}", kill_and_clear, "kill_matrix_once", facts, 9))
    return plays


@pytest.mark.parametrize("played", last_tries(), ids=lambda play: play.name, indirect=True)
def test_killed_in_its_last_try_and_cleared_it_sells_once_or_refuses(played: Stage) -> None:
    facts, liquidation = played.play.facts, played.xcom("liquidation")
    assert len(played.posts()) == facts["posts"], played.explain()
    if facts["outcome"] is None:
        assert played.state() == "failed", played.explain()
        assert not played.sells(), played.explain()
        assert liquidation["outcome"] == "unknown", played.explain()
        assert "nothing is recorded" in liquidation["reason"], played.explain()
        return
    assert played.state() == "success", played.explain()
    assert len(played.sells()) == 1, played.explain()
    assert liquidation["outcome"] == facts["outcome"], played.explain()


def clear_mapped(stage: Stage) -> None:
    """Sell two accounts; then a third comes first in the list, and the run is cleared."""
    first, second, third = stage.account, *stage.others
    stage.write_accounts([first.id, second.id])
    stage.trigger()
    stage.play.facts["first"] = stage.wait_for_end()
    stage.write_accounts([third.id, first.id, second.id])
    stage.clear_run()
    stage.wait_for_end()


def sell_one_account_twice(stage: Stage) -> None:
    stage.write_accounts([stage.account.id, stage.account.id])
    stage.trigger()
    stage.wait_for_end()


MAPPED = [Play("mapped_then_cleared", clear_mapped, "mapped_liquidation", {"others": 2}, 9)]
TWICE = [Play("mapped_twice", sell_one_account_twice, "mapped_liquidation", {}, 9)]


@pytest.mark.parametrize("played", MAPPED, ids=lambda play: play.name, indirect=True)
def test_a_list_that_has_changed_sells_no_account_again(played: Stage) -> None:
    assert played.play.facts["first"] == "success", played.explain()
    assert played.state() == "failed", played.explain()
    sold = [len(played.simulator.sells(account.id)) for account in (played.account, *played.others)]
    assert sold == [1, 1, 0], played.explain()
    # The third index stands for the second account now, and knows nothing of its sale.
    for index, why in ((0, "An earlier try of this task was about account_id"), (2, "nothing is recorded")):
        told = played.airflow.xcom(played.dag_id, played.run_id, "liquidation", index)
        assert told["outcome"] == "unknown", told
        assert why in told["reason"], told


@pytest.mark.parametrize("played", TWICE, ids=lambda play: play.name, indirect=True)
def test_an_account_that_is_listed_twice_is_sold_once(played: Stage) -> None:
    assert played.state() == "failed", played.explain()
    assert len(played.sells()) == 1, played.explain()
    told = [played.airflow.xcom(played.dag_id, played.run_id, "liquidation", index) for index in (0, 1)]
    assert sorted(one["outcome"] for one in told) == ["accepted", "refused"], told
