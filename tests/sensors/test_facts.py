"""XCom ``settlement_facts``: what a report needs of a wait, however it has ended."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
)
from structlog.testing import capture_logs

from airflow_provider_3commas.api.errors import (
    AccountNotFound,
    BalancesStalled,
    OutcomeUnknown,
    SettlementFailed,
)
from airflow_provider_3commas.report import build_report
from tests.fakes import ACCOUNT, SETTLED, UNSOLD, View, no_budget, row


def test_facts_are_those_of_the_whole_wait(harness, exchange):
    requests = exchange((0, UNSOLD), (100, SETTLED)).requests
    harness.run(dust_btc="0.00050", ignore_currencies="luna, ust")
    assert harness.ti.xcoms["settlement_facts"] == {
        "account_id": ACCOUNT,
        "criteria": {
            "target": "BTC",
            "target_currencies": [],
            "dust_btc": "0.00050",
            "ignore_currencies": ["LUNA", "UST"],
            "stable_reads": 2,
            "stable_for": 0.0,
            "stall_after": 600.0,
            "require_no_entities": True,
            "max_failures": 10,
            "view_tolerance": "0.01",
        },
        "requests": len(requests),
        "result": None,
    }


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([(0, UNSOLD)], BalancesStalled),
        ([(0, UNSOLD), (30, View([], account={"is_locked": True}))], SettlementFailed),
        ([(0, UNSOLD), (30, AccountNotFound("404 not_found"))], SettlementFailed),
        ([(0, UNSOLD), (200, OutcomeUnknown("502"))], SettlementFailed),
        ([(0, UNSOLD), (200, View([], "0.5"))], AirflowSensorTimeout),
        ([(0, UNSOLD), (500, OutcomeUnknown("502"))], AirflowSensorTimeout),
    ],
    ids=["stalled", "locked", "not found", "unreadable", "timeout on an empty view", "timeout on a failure"],
)
def test_facts_say_what_was_left_however_the_wait_ended(harness, exchange, script, kind):
    requests = exchange(*script).requests
    with pytest.raises(kind):
        harness.run(timeout=900 if kind is not AirflowSensorTimeout else 590, max_failures=5)
    facts = harness.ti.xcoms["settlement_facts"]
    assert facts["requests"] == len(requests)
    assert {**facts["result"], "reads": 0, "waited_seconds": 0} == {
        "account_id": ACCOUNT,
        "target": "BTC",
        "settled_at": None,
        "target_amount": "1",
        "btc_value": "1.09",
        "usd_value": "65000",
        "residual": [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}],
        "reads": 0,
        "waited_seconds": 0,
    }
    assert facts["result"]["waited_seconds"] <= harness.elapsed()


def test_facts_of_a_skipped_wait_are_there_too(harness, exchange):
    exchange((0, UNSOLD))
    with capture_logs() as logs, pytest.raises(AirflowSkipException):
        harness.run(timeout=150, soft_fail=True)
    assert [line["log_level"] for line in logs if "not settled within 150 s" in str(line)][-1] == "error"
    assert harness.ti.xcoms["settlement_facts"]["result"]["residual"][0]["currency"] == "ETH"


def test_facts_make_nothing_up_where_nothing_was_seen(harness, exchange):
    requests = exchange((0, AccountNotFound("404 not_found"))).requests
    with pytest.raises(SettlementFailed):
        harness.run()
    facts = harness.ti.xcoms["settlement_facts"]
    assert (facts["result"], facts["requests"], len(requests)) == (None, 1, 1)


def test_a_request_that_has_to_wait_for_the_budget_is_counted_once(harness, exchange):
    exchange((0, no_budget(20)), (15, SETTLED))
    harness.run()
    assert harness.ti.xcoms["settlement_facts"]["requests"] == 5


@pytest.mark.parametrize("criteria", [{}, {"dust_btc": "0.2"}])
def test_report_of_a_wait_that_failed_names_what_is_left(harness, exchange, criteria):
    exchange((0, View([row("BTC", "1"), row("ETH", "2", "0.09")], entities={"active_bots_count": 1})))
    with pytest.raises(AirflowSensorTimeout, match="running: 1 bot"):
        harness.run(timeout=500, **criteria)
    xcoms = harness.ti.xcoms
    report = build_report(
        history=xcoms["settlement_history"], facts=xcoms["settlement_facts"], settlement_state="failed"
    )
    assert (report["status"], report["account"]["id"]) == ("not_settled", ACCOUNT)
    assert [(item["currency"], item["kind"]) for item in report["unsold"]["items"]] == [
        ("ETH", "dust" if criteria else "left")
    ]
    assert report["unsold"]["dust_btc"] == criteria.get("dust_btc", "0.0001")
