"""3Commas may rebalance an account, that is buy again after the sale: said before it, and handed on."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from airflow_provider_3commas import api
from airflow_provider_3commas.report import build_report
from tests.operators.task_run import lose_answer


def warnings(logs: list[dict]) -> list[str]:
    return [str(line["event"]) for line in logs if line["log_level"] == "warning"]


def said(logs: list[dict]) -> list[int]:
    """Return which of the warnings is about it."""
    return [number for number, text in enumerate(warnings(logs)) if "autobalance" in text]


def test_it_is_said_before_the_sale_and_handed_on(simulator, run):
    simulator.reset("autobalance")
    with capture_logs() as logs:
        run.attempt()
    (number,) = said(logs)
    assert "may buy again" in warnings(logs)[number]
    assert number < next(
        index for index, text in enumerate(warnings(logs)) if text.startswith(("%s account %s", "Selling account"))
    )
    assert run.xcoms["liquidation"]["autobalance_enabled"] is True
    assert run.xcoms["holdings_before"]["autobalance_enabled"] is True
    assert build_report(liquidation=run.xcoms["liquidation"])["sale"]["autobalance"] is True


def test_an_account_without_it_is_silent(simulator, run):
    with capture_logs() as logs:
        run.attempt()
    assert not said(logs)
    assert run.xcoms["liquidation"]["autobalance_enabled"] is False


@pytest.mark.parametrize("dry_run", [True, False])
def test_without_preflight_the_answer_tells(simulator, run, dry_run):
    simulator.reset("autobalance")
    with capture_logs() as logs:
        run.attempt(preflight=False, dry_run=dry_run)
    assert len(said(logs)) == 1
    assert run.xcoms["liquidation"]["autobalance_enabled"] is (None if dry_run else True)


def test_it_is_known_where_the_answer_is_lost_and_where_the_task_is_cleared(simulator, run):
    simulator.reset("autobalance")
    lose_answer(simulator, applied=False)
    with pytest.raises(api.OutcomeUnknown):
        run.attempt()
    assert run.xcoms["liquidation"]["autobalance_enabled"] is True
    run.attempt()
    run.clear()
    run.attempt()
    assert (run.outcome, run.xcoms["liquidation"]["autobalance_enabled"]) == ("recorded", True)


def test_a_record_of_before_it_was_known_is_read(simulator, run):
    simulator.reset("autobalance")
    run.attempt()
    (key,) = run.store.values
    journal = run.store.get(key)
    del journal["baseline"]["autobalance_enabled"], journal["account"]["autobalance_enabled"]
    run.store.set(key, journal)
    run.attempt()
    assert (run.outcome, run.xcoms["liquidation"]["autobalance_enabled"]) == ("recorded", None)
