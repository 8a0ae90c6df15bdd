"""A try that Airflow has given up, and that wakes up later, sends nothing: not even where no retry is left.

Without a retry left, a task instance keeps its id, and the state store takes the writes of the abandoned process.
"""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.scheduler.session import TASK_ID
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


def stop_at(stage: Stage, point: str, number: int = 1) -> list[int]:
    """Start the run, and stop a try's processes at a point."""
    first = {} if number == 1 else {"try1": "kill task at before intent"}
    stage.trigger(**first, **{f"try{number}": f"wait at {point}"})
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


def freeze_until_given_up(stage: Stage) -> None:
    """Freeze; the run fails; a person starts another, which may sell, and restarts the bots; then let it wake up."""
    facts = stage.play.facts
    stopped = stop_at(stage, facts["point"], facts.get("try", 1))
    assert stage.wait_for_end() == "failed", stage.explain()
    facts["new run"] = stage.start_new_run("liquidation_once")
    stage.simulator.change_account(stage.account.id, bots=5)
    wake(stage, stopped)


def mark(stage: Stage) -> None:
    """Freeze, set the state by hand, and let it wake up."""
    stopped = stop_at(stage, "before sending")
    path = f"dags/{stage.dag_id}/dagRuns/{stage.run_id}/taskInstances/{TASK_ID}"
    stage.airflow.send("PATCH", path, {"new_state": stage.play.facts["state"]})
    stage.airflow.forget_run_states()
    stage.wait_for_end()
    wake(stage, stopped)


def frozen(name: str, point: str, dag_id: str = "kill_matrix_once", **facts: Any) -> Play:
    return Play(name, freeze_until_given_up, dag_id, {"point": point, "takes": 60, **facts}, 9)


#: Before the fence has claimed the account, a new run may sell it; after that, it refuses and says who holds it.
FROZEN = [
    frozen("once_before_sending", "before sending", new="success", sells=1),
    frozen("once_before_intent", "before intent", new="failed", sells=0),
    frozen("once_after_intent", "after intent", new="failed", sells=0),
    # The first try was killed when it had claimed the account.
    frozen("last_before_sending", "before sending", "kill_matrix_last", **{"try": 2, "new": "failed", "sells": 0}),
]
MARKED = [
    Play(f"marked_{state}", mark, "kill_matrix_once", {"state": state, "takes": 30}, 9)
    for state in ("failed", "success")
]


@pytest.mark.parametrize("played", FROZEN, ids=lambda play: play.name, indirect=True)
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


def kill_and_clear(stage: Stage) -> None:
    """Kill the last try there is, at a point or with its sell in flight; then clear the task, as a person does."""
    facts = stage.play.facts
    if "hold" in facts:
        kill_in_flight(stage)
    else:
        kill_at_points(stage)
    assert stage.state() == "failed", stage.explain()
    body = {"dry_run": False, "dag_run_id": stage.run_id, "task_ids": [TASK_ID], "only_failed": False}
    stage.airflow.send("POST", f"dags/{stage.dag_id}/clearTaskInstances", body)
    stage.airflow.forget_run_states()
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
            if victim == "task" and name in POINTS:
                last = {"injections": {"try1": "kill task at after begun", "try2": f"kill task at {point}"}}
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
    write_accounts(stage, [first.id, second.id])
    stage.trigger()
    stage.play.facts["first"] = stage.wait_for_end()
    write_accounts(stage, [third.id, first.id, second.id])
    body = {"dry_run": False, "only_failed": False}
    stage.airflow.send("POST", f"dags/{stage.dag_id}/dagRuns/{stage.run_id}/clear", body)
    stage.airflow.forget_run_states()
    stage.wait_for_end()


def sell_one_account_twice(stage: Stage) -> None:
    write_accounts(stage, [stage.account.id, stage.account.id])
    stage.trigger()
    stage.wait_for_end()


def write_accounts(stage: Stage, account_ids: list[int]) -> None:
    (stage.folder / f"{stage.run_id}.accounts").write_text(str(account_ids))


MAPPED = [Play("mapped_then_cleared", clear_mapped, "mapped_liquidation", {"others": 2}, 9)]
TWICE = [Play("mapped_twice", sell_one_account_twice, "mapped_liquidation", {}, 9)]


@pytest.mark.parametrize("played", MAPPED, ids=lambda play: play.name, indirect=True)
def test_a_list_that_has_changed_sells_no_account_again(played: Stage) -> None:
    assert played.play.facts["first"] == "success", played.explain()
    assert played.state() == "failed", played.explain()
    sold = [len(played.simulator.sells(account.id)) for account in (played.account, *played.others)]
    assert sold == [1, 1, 0], played.explain()


@pytest.mark.parametrize("played", TWICE, ids=lambda play: play.name, indirect=True)
def test_an_account_that_is_listed_twice_is_sold_once(played: Stage) -> None:
    assert played.state() == "failed", played.explain()
    assert len(played.sells()) == 1, played.explain()
