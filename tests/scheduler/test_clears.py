"""Clear a liquidation in every way that people clear tasks: a sell that was carried out is never repeated."""

from __future__ import annotations

import pytest

from tests.scheduler.case_and_cluster import Play, Stage

pytestmark = pytest.mark.scheduler


def clear_task(stage: Stage) -> None:
    stage.trigger()
    stage.wait_for_end()
    stage.clear_task()
    stage.wait_for_end()


def clear_run(stage: Stage) -> None:
    stage.trigger()
    stage.wait_for_end()
    stage.clear_run()
    stage.wait_for_end()


def mark_failed_and_clear(stage: Stage) -> None:
    """Mark the task failed while its sell is in flight; clear it when its process is gone."""
    facts = stage.play.facts
    stage.hold_sell(facts["hold"])
    stage.trigger()
    held = stage.wait_held()
    stage.mark("failed")
    stage.wait_for_end()
    stage.wait_for("the end of the task's process", stage.held_is_gone, 60)
    stage.simulator.release(held, discard=facts["discard"])
    stage.clear_task()
    stage.wait_for_end()


def clear_while_it_sells(stage: Stage) -> None:
    stage.hold_sell("after")
    stage.trigger()
    held = stage.wait_held()
    stage.clear_task()
    stage.wait_for("the end of the task's process", stage.held_is_gone, 60)
    stage.simulator.release(held)
    stage.wait_for_end()


def move_and_clear(stage: Stage) -> None:
    """Have the connection lead to another address before the task is cleared."""
    stage.lead_to(stage.account.conn_id)
    stage.trigger()
    stage.play.facts["first"] = stage.wait_for_end()
    stage.lead_to(f"{stage.account.conn_id}_elsewhere")
    stage.clear_task()
    stage.wait_for_end()


LOST = {"hold": "before", "discard": True, "posts": 2, "outcome": "accepted"}
APPLIED = {"hold": "after", "discard": False, "posts": 1, "outcome": "reconciled"}
PLAYS = [
    Play("cleared_task", clear_task, facts={"posts": 1, "outcome": "recorded"}),
    Play("cleared_run", clear_run, facts={"posts": 1, "outcome": "recorded"}),
    Play("marked_failed_then_cleared", mark_failed_and_clear, "patient_liquidation", APPLIED),
    Play("marked_failed_and_lost_then_cleared", mark_failed_and_clear, facts=LOST),
    # How a try ends that is cleared while it runs is found out in different ways.
    Play("cleared_while_it_sells", clear_while_it_sells, "patient_liquidation", APPLIED, given_up=2),
]


@pytest.mark.parametrize("played", PLAYS, ids=lambda play: play.name, indirect=True)
def test_cleared_it_does_not_sell_again(played: Stage) -> None:
    facts, liquidation, account = played.play.facts, played.xcom("liquidation"), played.xcom("return_value")
    assert played.state() == "success", played.explain()
    assert len(played.sells()) == 1, played.explain()
    assert len(played.posts()) == facts["posts"], played.explain()
    assert liquidation["outcome"] == facts["outcome"], played.explain()
    assert account["id"] == played.account.id, played.explain()
    assert len(played.tries()) == 2, played.explain()


@pytest.mark.parametrize(
    "played", [Play("moved", move_and_clear, "moved_liquidation", {}, 9)], ids=["moved"], indirect=True
)
def test_cleared_where_the_connection_leads_elsewhere_it_refuses(played: Stage) -> None:
    assert played.play.facts["first"] == "success", played.explain()
    assert played.state() == "failed", played.explain()
    assert len(played.sells()) == len(played.posts()) == 1, played.explain()
    told = played.xcom("liquidation")
    assert told["outcome"] == "unknown", told
    assert "the API at http://127.0.0.1" in told["reason"], told
    assert "this one is about the one at http://localhost" in told["reason"], told
