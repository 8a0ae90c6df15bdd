"""Clear a liquidation in every way that people clear tasks: a sell that was carried out is never repeated."""

from __future__ import annotations

import pytest

from tests.scheduler.cases import ANY, Case, CaseRun
from tests.scheduler.steps import assert_sold_once

pytestmark = pytest.mark.scheduler


def clear_task(case_run: CaseRun) -> None:
    case_run.trigger()
    case_run.wait_for_end()
    case_run.clear_task()
    case_run.wait_for_end()


def clear_run(case_run: CaseRun) -> None:
    case_run.trigger()
    case_run.wait_for_end()
    case_run.clear_run()
    case_run.wait_for_end()


def mark_failed_and_clear(case_run: CaseRun) -> None:
    """Mark the task failed while its sell is in flight; clear it when its process is gone."""
    parameters = case_run.case.parameters
    case_run.hold_sell(parameters["hold"])
    case_run.trigger()
    held = case_run.wait_for_held_sell()
    case_run.mark_task("failed")
    case_run.wait_for_end()
    case_run.wait_for("the end of the task's process", case_run.seller_has_ended, 60)
    case_run.simulator.release(held, discard=parameters["discard"])
    case_run.clear_task()
    case_run.wait_for_end()


def clear_while_it_sells(case_run: CaseRun) -> None:
    case_run.hold_sell("after")
    case_run.trigger()
    held = case_run.wait_for_held_sell()
    case_run.clear_task()
    case_run.wait_for("the end of the task's process", case_run.seller_has_ended, 60)
    case_run.simulator.release(held)
    case_run.wait_for_end()


def move_and_clear(case_run: CaseRun) -> None:
    """Have the connection lead to another address before the task is cleared."""
    case_run.use_connection(case_run.account.conn_id)
    case_run.trigger()
    case_run.results["first"] = case_run.wait_for_end()
    case_run.use_connection(f"{case_run.account.conn_id}_elsewhere")
    case_run.clear_task()
    case_run.wait_for_end()


LOST = {"hold": "before", "discard": True, "posts": 2, "outcome": "accepted"}
APPLIED = {"hold": "after", "discard": False, "posts": 1, "outcome": "reconciled"}
CASES = [
    Case("cleared_task", clear_task, parameters={"posts": 1, "outcome": "recorded"}),
    Case("cleared_run", clear_run, parameters={"posts": 1, "outcome": "recorded"}),
    Case("marked_failed_then_cleared", mark_failed_and_clear, "patient_liquidation", APPLIED),
    Case("marked_failed_and_lost_then_cleared", mark_failed_and_clear, parameters=LOST),
    # How a try ends that is cleared while it runs is found out in different ways.
    Case("cleared_while_it_sells", clear_while_it_sells, "patient_liquidation", APPLIED, allowed_give_ups=2),
]


@pytest.mark.parametrize("case_run", CASES, ids=lambda case: case.name, indirect=True)
def test_cleared_it_does_not_sell_again(case_run: CaseRun) -> None:
    assert_sold_once(case_run)


@pytest.mark.parametrize(
    "case_run",
    [Case("moved", move_and_clear, "moved_liquidation", {}, allowed_give_ups=ANY)],
    ids=["moved"],
    indirect=True,
)
def test_cleared_where_the_connection_leads_elsewhere_it_refuses(case_run: CaseRun) -> None:
    assert case_run.results["first"] == "success", case_run.explain()
    assert case_run.state() == "failed", case_run.explain()
    assert len(case_run.sells()) == len(case_run.posts()) == 1, case_run.explain()
    liquidation = case_run.xcom("liquidation")
    assert liquidation["outcome"] == "unknown", liquidation
    assert "the API at http://127.0.0.1" in liquidation["reason"], liquidation
    assert "this one is about the one at http://localhost" in liquidation["reason"], liquidation
