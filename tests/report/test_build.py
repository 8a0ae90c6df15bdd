"""What the report says about a liquidation, number by number."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from airflow_provider_3commas.report import build_fleet_report, build_report
from airflow_provider_3commas.report.status import STATUSES
from tests.report.samples import ACCOUNT, BEFORE, COMPLETE, FACTS, HISTORY, LEFT, LIQUIDATION, SETTLEMENT, damaged


def changed(**parts: dict[str, Any] | None) -> dict[str, Any]:
    """Return the complete XComs with some fields of some of them changed, or some of them taken out."""
    xcoms = copy.deepcopy(COMPLETE)
    for name, change in parts.items():
        xcoms[name] = None if change is None else {**xcoms[name], **change}
    return xcoms


def test_golden_numbers_of_a_complete_liquidation():
    report = build_report(**COMPLETE)

    assert report["status"] == "settled"
    assert report["headline"] == (
        "Settled 2 min 5 s after the sale: the account holds 0.998 BTC, and assets worth 0.00004000 BTC are left "
        "unsold."
    )
    assert report["before"] == {
        "at": BEFORE["taken_at"],
        "btc_value": "1",
        "usd_value": "60000",
        "complete": True,
    }
    assert (report["after"]["btc_value"], report["after"]["target_amount"]) == ("0.99804", "0.998")
    # 0.5 + 0.09996 + 0.00004 BTC were not in BTC before; 0.00004 BTC still are not.
    assert report["slippage"] == {
        "unit": "BTC",
        "change": "-0.00196",
        "sold": "0.59996",
        "percent_of_sold": "-0.3267",
        "percent_of_account": "-0.196",
    }
    assert report["settling"]["since_sale_seconds"] == 125.0
    assert report["settling"]["waited_seconds"] == 120.2


def test_every_asset_has_amounts_before_and_after():
    assets = {row["currency"]: row for row in build_report(**COMPLETE)["assets"]}

    assert list(assets) == ["BTC", "ETH", "SOL", "DOGE"]
    assert assets["BTC"]["after"] == {"amount": "0.998", "btc_value": "0.998", "usd_value": "59880"}
    assert assets["ETH"]["before"]["on_orders"] == "1.5"
    assert assets["ETH"]["after"] == {"amount": "0", "btc_value": "0", "usd_value": "0"}
    assert assets["DOGE"]["left"] == "dust"


def test_curve_begins_with_the_baseline_and_ends_when_it_settled():
    settling = build_report(**COMPLETE)["settling"]

    # The sensor began 4.8 s after the sale.
    assert settling["curve_from"] == "sale"
    assert settling["curve"] == [[0, "0.6"], [4.9, "0.6"], [64.8, "0.3"], [115.1, "0.00004"], [125, "0.00004"]]


def test_curve_counts_from_the_wait_where_the_sale_is_unknown():
    settling = build_report(settlement=SETTLEMENT, history=HISTORY)["settling"]

    assert settling["curve_from"] == "wait"
    assert settling["curve"][0] == [0.1, "0.6"]
    assert settling["curve"][-1] == [120.2, "0.00004"]


def test_dollars_and_stablecoins_are_one_target():
    holdings = [
        {"currency": "USDT", "amount": "1000", "on_orders": "0", "btc_value": "0.02", "usd_value": "1000"},
        {"currency": "USDC", "amount": "500", "on_orders": "0", "btc_value": "0.01", "usd_value": "499.5"},
        {"currency": "BTC", "amount": "0.5", "on_orders": "0", "btc_value": "0.5", "usd_value": "25000"},
    ]
    xcoms = changed(
        holdings_before={"holdings": holdings, "btc_value": "0.53", "usd_value": "26499.5"},
        liquidation={"target": "USD"},
        settlement={
            "target": "USD",
            "target_amount": "26450",
            "btc_value": "0.529",
            "usd_value": "26450",
            "residual": [],
        },
    )
    report = build_report(**xcoms)

    assert [row["currency"] for row in report["assets"]] == ["USD", "BTC"]
    assert report["assets"][0]["before"]["amount"] == "1500"
    assert report["assets"][0]["after"] == {"amount": "26450", "btc_value": "0.529", "usd_value": "26450"}
    assert report["slippage"]["unit"] == "USD"
    assert (report["slippage"]["change"], report["slippage"]["sold"]) == ("-49.5", "25000")
    assert report["slippage"]["percent_of_sold"] == "-0.198"


@pytest.mark.parametrize(
    ("item", "criteria", "kind", "why"),
    [
        ({"btc_value": "0.0001"}, {"dust_btc": None}, "dust", "0.0001 BTC (the sensor's default limit)"),
        ({"btc_value": "0.0001"}, {}, "dust", "no more than 0.0001 BTC, too little"),
        ({"btc_value": "0.0003"}, {"dust_btc": "0.0005"}, "dust", "no more than 0.0005 BTC, too little"),
        ({"btc_value": "0.2"}, {"ignore_currencies": ["XMR"]}, "ignored", "among ignore_currencies"),
        ({"btc_value": "0.2"}, {}, "ignored", "was to be left (ignore_currencies), or the limit is higher"),
        ({"btc_value": "-0.2"}, {}, "left", "owed"),
        ({"btc_value": None}, {}, "left", "not known"),
    ],
)
def test_every_asset_left_has_its_reason(item, criteria, kind, why):
    residual = [{"currency": "XMR", "amount": "1", **item}]
    recorded = {"criteria": {**FACTS["criteria"], **criteria}}
    (left,) = build_report(**changed(settlement={"residual": residual}, facts=recorded))["unsold"]["items"]

    assert left["kind"] == kind
    assert why in left["why"]


def test_what_is_left_of_unknown_worth_is_not_zero():
    residual = [{"currency": "A", "amount": "1", "btc_value": "0.1"}, {"currency": "B", "amount": "1"}]
    report = build_report(**changed(settlement={"residual": residual}))

    assert report["unsold"]["btc_value"] is None
    assert "assets of unknown worth are left unsold" in report["headline"]
    assert report["slippage"]["sold"] is None


def test_what_is_still_there_was_not_sold_though_its_price_moved():
    holdings = [
        {"currency": "BTC", "amount": "0.9", "btc_value": "0.9", "usd_value": "54000"},
        {"currency": "DOGE", "amount": "12", "btc_value": "0.00004001", "usd_value": "2.41"},
    ]
    report = build_report(**changed(holdings_before={"holdings": holdings}))

    assert report["unsold"]["items"][0]["btc_value"] == "0.00004"
    assert report["slippage"]["sold"] is None
    assert report["slippage"]["percent_of_sold"] is None


def test_dry_run_claims_no_after():
    xcoms = changed(liquidation={"outcome": "dry_run", "sent_at": None}, settlement={"settled_at": None})
    report = build_report(**xcoms, liquidation_state="success", settlement_state="success")

    assert report["status"] == "dry_run"
    assert report["after"] is None
    assert report["slippage"] is None
    assert report["unsold"]["items"] == []
    assert "nothing was sold" in report["headline"]


def test_without_baseline_slippage_is_unknown_and_said_so():
    report = build_report(**changed(holdings_before=None))

    assert report["before"] is None
    assert report["slippage"] is None
    assert any("preflight was off" in note for note in report["notes"])
    assert report["account"]["name"] == "Main"


@pytest.mark.parametrize(
    ("outcome", "note"), [("reconciled", "answer to the sale was lost"), ("recorded", "in an earlier try")]
)
def test_a_note_says_how_the_outcome_is_known(outcome, note):
    report = build_report(**changed(liquidation={"outcome": outcome, "evidence": ["all is gone"]}))

    assert report["status"] == "settled"
    assert any(note in text for text in report["notes"])
    assert report["sale"]["evidence"] == ["all is gone"]


def test_requests_are_counted_where_they_are_recorded():
    assert build_report(**COMPLETE)["requests"] == {"liquidation": None, "settlement": 11, "total": None}
    assert build_report(**changed(facts={"requests": None}))["requests"]["settlement"] is None
    counted = build_report(**changed(liquidation={"requests": 4}, facts={"requests": 13}))
    assert counted["requests"] == {"liquidation": 4, "settlement": 13, "total": 17}


def test_criteria_of_the_wait_are_those_of_the_report():
    report = build_report(**COMPLETE)

    assert report["unsold"]["dust_btc"] == "0.0001"
    assert report["notes"] == []
    unrecorded = build_report(**changed(facts=None))
    assert unrecorded["unsold"]["dust_btc"] is None
    assert any("did not record its dust limit" in note for note in unrecorded["notes"])


def test_coins_that_were_to_count_as_the_target_do():
    criteria = {**FACTS["criteria"], "target": "USD", "target_currencies": ["EUR", "USDT"]}
    holdings = [{"currency": name, "amount": "5", "btc_value": "0.1", "usd_value": "6"} for name in ("EUR", "USDC")]
    xcoms = changed(holdings_before={"holdings": holdings}, liquidation={"target": "USD"}, facts={"criteria": criteria})
    rows = build_report(**xcoms)["assets"]

    assert [(row["currency"], row["target"]) for row in rows if row["before"]] == [("USD", True), ("USDC", False)]


@pytest.mark.parametrize("state", ["failed", "skipped", "up_for_retry", None])
def test_what_is_left_of_a_wait_that_failed_is_named(state):
    xcoms = changed(settlement=None, facts={"result": LEFT})
    report = build_report(**xcoms, liquidation_state="success", settlement_state=state)

    assert report["status"] == "not_settled"
    assert [(item["currency"], item["kind"]) for item in report["unsold"]["items"]] == [
        ("SOL", "left"),
        ("DOGE", "dust"),
    ]
    assert report["headline"] == (
        "The account has not settled. At the last poll, assets worth 0.10000000 BTC are left unsold. Look at it in "
        "3Commas."
    )
    assert report["requests"]["settlement"] == 11
    assert {row["currency"]: row["after"]["amount"] for row in report["assets"]} == {
        "BTC": "0.9",
        "ETH": "0",
        "SOL": "40",
        "DOGE": "12",
    }


@pytest.mark.parametrize("state", ["deferred", "running", "queued", "scheduled", "up_for_reschedule"])
def test_first_poll_of_a_wait_under_way_is_not_its_outcome(state):
    xcoms = changed(settlement=None, history=None, facts={"result": LEFT, "requests": None})
    report = build_report(**xcoms, liquidation_state="success", settlement_state=state)

    assert (report["status"], report["after"]) == ("settling", None)
    assert report["unsold"]["dust_btc"] == "0.0001"


def test_return_value_wins_over_an_earlier_poll():
    assert build_report(**changed(facts={"result": LEFT})) == build_report(**COMPLETE)


def test_two_accounts_are_never_mixed():
    left = build_report(**changed(settlement=None, facts={"account_id": 7, "result": {**LEFT, "account_id": 7}}))
    assert (left["account"]["id"], left["after"], left["unsold"]["dust_btc"]) == (32402783, None, None)
    assert "Left out: the record of the wait is of another account, 7." in left["notes"]

    report = build_report(**changed(settlement={"account_id": 7}))

    assert report["status"] == "sold"
    assert report["after"] is None
    assert report["settling"]["curve"] == []
    assert "Left out: the settlement is of another account, 7." in report["notes"]


@pytest.mark.parametrize(
    ("xcoms", "liquidation_state", "settlement_state", "status"),
    [
        ({}, None, None, "unknown"),
        ({}, "queued", "none", "pending"),
        ({"holdings_before": BEFORE}, "running", "none", "selling"),
        ({}, "failed", "upstream_failed", "failed"),
        ({}, "upstream_failed", "upstream_failed", "not_run"),
        ({}, "skipped", "skipped", "skipped"),
        ({"liquidation": LIQUIDATION}, "success", "deferred", "settling"),
        ({"liquidation": LIQUIDATION}, "success", "failed", "not_settled"),
        ({"liquidation": LIQUIDATION}, "success", "skipped", "not_settled"),
        ({"liquidation": LIQUIDATION}, "success", None, "sold"),
        ({"liquidation": LIQUIDATION, "history": HISTORY}, None, None, "not_settled"),
        (
            {"liquidation": LIQUIDATION, "settlement": {**SETTLEMENT, "settled_at": None}},
            None,
            None,
            "not_settled",
        ),
        (COMPLETE, "success", "success", "settled"),
    ],
)
def test_status_comes_from_the_xcoms_or_else_from_the_task_states(xcoms, liquidation_state, settlement_state, status):
    report = build_report(**xcoms, liquidation_state=liquidation_state, settlement_state=settlement_state)

    assert report["status"] == status
    assert report["headline"]


def test_not_settled_says_what_was_left_at_the_last_poll():
    report = build_report(liquidation=LIQUIDATION, history=HISTORY, settlement_state="failed")

    assert report["unsold"]["btc_value"] == "0.00004"
    assert "assets worth 0.00004000 BTC are left unsold" in report["headline"]


def test_report_is_json_with_money_as_decimal_text():
    report = build_report(**COMPLETE)

    def floats(value: Any, path: str = "") -> list[str]:
        if isinstance(value, dict):
            return [found for key, item in value.items() for found in floats(item, f"{path}.{key}")]
        if isinstance(value, list):
            return [found for item in value for found in floats(item, path)]
        return [path] if isinstance(value, float) else []

    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert set(floats(report)) == {
        ".settling.since_sale_seconds",
        ".settling.waited_seconds",
        ".settling.curve",
    }


def test_exact_beyond_the_precision_of_a_float():
    many = "0.12345678901234567890123456789012345678901234567890"
    holdings = [
        {"currency": "ETH", "amount": many, "on_orders": "0", "btc_value": many, "usd_value": "1"},
        {"currency": "ETH", "amount": "1", "on_orders": "0", "btc_value": "1", "usd_value": "1"},
    ]
    report = build_report(**changed(holdings_before={"holdings": holdings}))

    assert report["assets"][0]["before"]["amount"] == "1" + many[1:].rstrip("0")


def test_fleet_totals_say_of_how_many_they_are():
    reports = [
        build_report(**COMPLETE),
        build_report(liquidation=LIQUIDATION),
        build_report(liquidation_state="failed"),
    ]
    totals = build_fleet_report(reports)["totals"]

    assert (totals["accounts"], totals["settled"]) == (3, 1)
    assert totals["statuses"] == {"settled": 1, "sold": 1, "failed": 1}
    assert totals["before"] == {"btc_value": "1", "usd_value": "60000", "known": 1}
    assert build_fleet_report([])["totals"]["after"] == {"btc_value": None, "usd_value": None, "known": 0}


def test_samples_reach_every_status():
    """The corpora of the other tests are of use only if they are varied."""
    reached = {build_report(**damaged(seed))["status"] for seed in range(3000)}
    assert reached == set(STATUSES)


def test_account_alone_gives_no_numbers():
    assert build_report(account=ACCOUNT)["before"] is None
