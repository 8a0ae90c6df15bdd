"""XCom ``liquidation`` has the outcome, whatever the end."""

from __future__ import annotations

import pendulum
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas import api
from tests.operators.task_run import connect, lose_answer, refuse_sell_all

KEYS = {
    "outcome",
    "reason",
    "account_id",
    "target",
    "mode",
    "sent_at",
    "decided_at",
    "request_id",
    "evidence",
    "autobalance_enabled",
    "requests",
}


def late(run) -> None:
    run.dag_run.run_after = pendulum.now("UTC").subtract(days=3)


#: What happens; the outcome, whether something was sent that may count, and a word of the reason.
ENDS = {
    "sold": (lambda simulator, run: None, "accepted", True, None),
    "answer lost, sold": (lambda simulator, run: lose_answer(simulator, applied=True), "reconciled", True, None),
    "answer lost, not sold": (
        lambda simulator, run: lose_answer(simulator, applied=False),
        "unknown",
        True,
        "as it was before",
    ),
    "late": (lambda simulator, run: late(run), "refused", False, "max_lateness"),
    "locked": (lambda simulator, run: simulator.reset("locked"), "refused", False, "locked"),
    "unreadable": (
        lambda simulator, run: simulator.fault("status", path="accounts/", status=503, times=None),
        "not_sent",
        False,
        "could not be read",
    ),
    "key refused": (
        lambda simulator, run: simulator.fault(
            "json", path="accounts/", status=401, body={"error": "signature_invalid"}
        ),
        "not_sent",
        False,
        "401",
    ),
    "sell refused": (
        lambda simulator, run: refuse_sell_all(simulator),
        "rejected",
        True,
        "403",
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_pushes_its_outcome(simulator, run, end):
    happen, outcome, sent, reason = ENDS[end]
    happen(simulator, run)
    if reason is None:
        run.attempt()
    else:
        with pytest.raises((api.ThreeCommasError, AirflowFailException), match=reason):
            run.attempt()
    facts = run.xcoms["liquidation"]
    assert set(facts) == KEYS
    assert facts["outcome"] == outcome
    assert bool(facts["sent_at"]) is sent
    assert (facts["reason"] is None) is (reason is None)
    assert reason is None or reason in facts["reason"]
    assert facts["account_id"] == simulator.account_id


def test_a_wrong_parameter_pushes_its_outcome(simulator, run):
    with pytest.raises(AirflowFailException):
        run.attempt(account_id="summary")
    facts = run.xcoms["liquidation"]
    assert set(facts) == KEYS
    assert (facts["outcome"], facts["account_id"], facts["sent_at"]) == ("refused", None, None)
    assert "positive integer" in facts["reason"]


def test_an_unknown_outcome_has_the_evidence(simulator, run):
    simulator.reset("unsellable")
    lose_answer(simulator, applied=True)
    with pytest.raises(api.OutcomeUnknown):
        run.attempt()
    facts = run.xcoms["liquidation"]
    assert facts["outcome"] == "unknown"
    assert any("not sold: 310 DOT" in fact for fact in facts["evidence"])


def test_a_reason_is_one_line_of_bounded_length_without_a_secret(simulator, run):
    noise = f"{simulator.api_key} \n\x1b[2J" + "x" * 100_000
    simulator.fault("json", path="sell_all", status=403, body={"error": "access_denied", "error_description": noise})
    with pytest.raises(AirflowFailException):
        run.attempt()
    reason = run.xcoms["liquidation"]["reason"]
    assert len(reason) <= 1000
    assert reason.isprintable()
    assert simulator.api_key not in reason


def test_a_connection_that_cannot_be_used_pushes_its_outcome(simulator, run, monkeypatch):
    connect(monkeypatch, simulator, timeout="soon")
    with pytest.raises(AirflowFailException):
        run.attempt()
    assert "timeout" in run.xcoms["liquidation"]["reason"]


def test_a_recorded_sale_emits_no_asset_event(simulator, run, monkeypatch):
    from airflow.sdk import AssetAlias

    run.attempt()
    monkeypatch.setattr(run, "outlet_events", None)
    run.clear()
    run.attempt(outlets=[AssetAlias("sold")])
    assert run.outcome == "recorded"


@pytest.mark.parametrize("state", ["success", "failed", "up_for_retry"])
def test_a_try_that_airflow_has_given_up_overwrites_nothing(simulator, run, state):
    """XComs belong to the task, not to a try: what is there may be a later try's."""
    run.state = state
    with pytest.raises(AirflowFailException, match="given this try up"):
        run.attempt()
    assert run.xcoms == {}


def test_a_try_that_was_replaced_overwrites_nothing(simulator, run):
    """Beside a later try that runs, Airflow says *running*: of the later one."""

    def frozen(value):
        run.store.before_set = replaced

    def replaced(value):
        raise RuntimeError("404 Task instance not found")

    run.store.after_set = frozen
    with pytest.raises(RuntimeError, match="404"):
        run.attempt()
    assert simulator.sell_attempts() == []
    assert run.xcoms == {}


def test_a_try_that_airflow_has_given_up_with_wrong_parameters_overwrites_nothing(simulator, run):
    run.state = "success"
    with pytest.raises(AirflowFailException):
        run.attempt(account_id="summary")
    assert run.xcoms == {}


def test_the_holdings_of_a_sale_that_failed_are_pushed(simulator, run):
    refuse_sell_all(simulator)
    with pytest.raises(AirflowFailException):
        run.attempt()
    assert run.xcoms["holdings_before"]["complete"]
