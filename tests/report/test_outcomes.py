"""What the report says where nothing was sold, or where that is not known: the outcome, and the reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from airflow_provider_3commas.report import build_fleet_report, build_report, render_html, render_markdown, view
from airflow_provider_3commas.report.texts import describe, fleet_row
from tests.report.samples import BEFORE, COMPLETE, FACTS, LEFT, LIQUIDATION, SETTLEMENT

REASON = "The account is locked (reason: maintenance). Nothing was sent. Unlock it in 3Commas, then run the DAG again."
NOT_SOLD = ("refused", "not_sent", "rejected")


def failed_sale(outcome: str, reason: Any = REASON, **more: Any) -> dict[str, Any]:
    """Return the XCom ``liquidation`` of a task that has failed."""
    return {**LIQUIDATION, "outcome": outcome, "reason": reason, "sent_at": None, **more}


def all_renderings(report: dict[str, Any]) -> list[str]:
    """Return the report in all of its renderings for people, a fleet's table included, without what only escapes."""
    (drawn,) = view.render({"accounts": [{**report["xcoms"], "liquidation_state": "failed"}]})["accounts"]
    fleet = build_fleet_report([report, build_report(**COMPLETE)])
    renderings = (render_html(report), render_markdown(report), render_html(fleet), render_markdown(fleet))
    return [re.sub(r"[\\\u2060]", "", text) for text in (*renderings, json.dumps(drawn["texts"]), drawn["row"]["why"])]


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        ("refused", "Nothing was sold: the liquidation was refused before anything was sent."),
        ("not_sent", "Nothing was sold: the sale could not be sent, or the account could not be read."),
        ("rejected", "Nothing was sold: 3Commas refused the sale."),
    ],
)
def test_headline_says_why_nothing_was_sold(outcome, sentence):
    report = build_report(
        liquidation=failed_sale(outcome), liquidation_state="failed", settlement_state="upstream_failed"
    )

    assert (report["status"], report["headline"]) == ("failed", f"{sentence} {REASON}")
    assert (report["sale"]["outcome"], report["sale"]["reason"]) == (outcome, REASON)
    assert not any("its log" in text.lower() for text in (report["headline"], *report["notes"]))


@pytest.mark.parametrize("outcome", [*NOT_SOLD, "unknown"])
def test_reason_is_in_every_rendering(outcome):
    xcoms = {"liquidation": failed_sale(outcome)}
    report = build_report(**xcoms, liquidation_state="failed")

    for text in all_renderings({**report, "xcoms": xcoms}):
        assert "The account is locked (reason: maintenance)." in text


def test_unknown_outcome_is_a_status_of_its_own():
    report = build_report(
        holdings_before=BEFORE,
        liquidation=failed_sale("unknown", "No answer.", sent_at=LIQUIDATION["sent_at"], evidence=["2 bots still run"]),
        liquidation_state="failed",
        settlement_state="upstream_failed",
    )
    shown = describe(report)

    assert report["status"] == "outcome_unknown"
    assert (shown["status"], shown["tone"]) == ("Outcome unknown", "bad")
    assert report["headline"] == (
        "Whether anything was sold is not known: look at the account in 3Commas before you do anything else. No answer."
    )
    assert shown["evidence"] == ["2 bots still run"]
    assert report["sale"]["sent_at"] == LIQUIDATION["sent_at"]


def test_wait_after_an_unknown_outcome_says_what_is_left():
    xcoms = {"liquidation": failed_sale("unknown", "No answer."), "facts": {**FACTS, "result": LEFT}}
    report = build_report(**xcoms, liquidation_state="failed", settlement_state="failed")

    assert report["status"] == "outcome_unknown"
    assert "At the last poll, assets worth 0.10000000 BTC are left unsold." in report["headline"]
    assert [item["currency"] for item in report["unsold"]["items"]] == ["SOL", "DOGE"]


def test_account_that_has_settled_all_the_same_has_settled():
    report = build_report(
        **{**COMPLETE, "liquidation": failed_sale("unknown", "No answer.")}, liquidation_state="failed"
    )

    assert report["status"] == "settled"
    assert any("No answer." in note for note in report["notes"])


@pytest.mark.parametrize("outcome", NOT_SOLD)
def test_settled_account_does_not_hide_that_nothing_was_sold(outcome):
    report = build_report(liquidation=failed_sale(outcome), settlement=SETTLEMENT, liquidation_state="failed")

    assert report["status"] == "failed"
    assert REASON in report["headline"]


@pytest.mark.parametrize(("state", "status"), [("up_for_retry", "selling"), ("queued", "pending"), ("none", "pending")])
def test_try_that_failed_is_not_the_end_while_another_follows(state, status):
    report = build_report(liquidation=failed_sale("not_sent"), liquidation_state=state)

    assert report["status"] == status
    assert any(f"The last try: {REASON}" == note for note in report["notes"])


def test_killed_try_has_no_reason_but_its_log():
    report = build_report(liquidation_state="failed")

    assert report["status"] == "failed"
    assert report["headline"].startswith("The liquidation failed. Its log says whether anything was sold")
    assert fleet_row(report)["why"] == ""


def test_fleet_names_the_reason_in_its_table():
    assert (
        fleet_row(build_report(liquidation=failed_sale("refused"), liquidation_state="failed"))["why"]
        == f"Refused: {REASON}"
    )
    assert fleet_row(build_report(liquidation=failed_sale("unknown", "x" * 500)))["why"] == "x" * 159 + "…"
    assert fleet_row(build_report(**COMPLETE))["why"] == ""


@pytest.mark.parametrize("reason", [None, 7, "", {}, ["x"]])
def test_malformed_reason_is_left_out(reason):
    report = build_report(liquidation=failed_sale("refused", reason), liquidation_state="failed")

    assert report["sale"]["reason"] is None
    assert report["headline"] == "Nothing was sold: the liquidation was refused before anything was sent."


def test_outcome_without_an_account_is_reported_all_the_same():
    sale = failed_sale("refused", "account_id is 'x'", account_id=None, mode=None)
    report = build_report(account={"id": 7, "name": "Main"}, liquidation=sale, liquidation_state="failed")

    assert (report["status"], report["account"]["id"], report["account"]["name"]) == ("failed", 7, "Main")


@pytest.mark.parametrize(
    "reason",
    [
        "<img src=x onerror=alert(1)> [log in](https://evil.example) ![x](http://evil.example/x.png)",
        "write to evil@evil.example or mailto:evil@evil.example or xmpp:evil@evil.example",
        "https://evil.example www.evil.example evil.example //evil.example ftp://evil.example",
        "a\n\n# Settled\n\n- all is sold\r\n> quoted\n```\ncode\n```",
        "\u202egnorw\u202c \u200f \x1b[2J \ud800 \u2028 \u00a0 \U000e0041",
        "| a | b |\n|---|---|\n*bold* _it_ ~~gone~~ `code` &amp; &#91;x&#93;",
    ],
)
def test_reason_is_one_line_of_nothing_but_text(reason):
    report = build_report(liquidation=failed_sale("refused", reason), liquidation_state="failed")

    assert report["sale"]["reason"].isprintable()
    page, markdown = render_html(report), render_markdown(build_fleet_report([report]))
    assert "<img" not in page
    assert "evil.example" not in markdown
    (line,) = [line for line in markdown.splitlines() if line.startswith("Nothing was sold: ")]
    assert not re.search(r"[\[\]`<>|*_~]", re.sub(r"\\.", "", line))
    assert not re.search(r"^(#+ Settled|- all|> quoted|```)", markdown, re.MULTILINE)
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} <= {4, 8}


def test_reason_is_bounded():
    report = build_report(liquidation=failed_sale("refused", "word " * 100_000), liquidation_state="failed")

    assert len(report["sale"]["reason"]) == 600
    assert report["sale"]["reason"].endswith("…")


@pytest.mark.parametrize("text", ["- x", "+ x", "1. x", "2) x", "---", "===", "    code", "# x"])
def test_item_of_a_list_never_begins_another(text):
    report = build_report(**{**COMPLETE, "liquidation": {**LIQUIDATION, "outcome": "reconciled", "evidence": [text]}})
    (item,) = re.findall(r"## Evidence\n\n- (.*)\n", render_markdown(report))

    assert re.match(r"\\|\d+\\|\w", item)


def test_numbers_keep_their_point():
    report = build_report(**COMPLETE)

    assert "0.998 BTC" in render_markdown(report)


def test_account_that_may_be_rebalanced_says_so_everywhere():
    xcoms = {**COMPLETE, "liquidation": {**LIQUIDATION, "autobalance_enabled": True}}
    report = build_report(**xcoms)
    fleet = build_fleet_report([report])
    (drawn,) = view.render({"accounts": [xcoms]})["accounts"]

    (note,) = [note for note in report["notes"] if "autobalance" in note]
    assert "buy again" in note
    assert note in drawn["texts"]["notes"]
    assert drawn["row"]["subtitle"] == "Binance · 32402783 · autobalance is on"
    for text in (render_html(report), render_markdown(report)):
        assert "3Commas may rebalance this account" in text
    for text in (render_html(fleet), render_markdown(fleet)):
        assert "autobalance is on" in text


@pytest.mark.parametrize("flag", [False, None, "yes", 1])
def test_account_that_is_not_rebalanced_says_nothing(flag):
    report = build_report(**{**COMPLETE, "liquidation": {**LIQUIDATION, "autobalance_enabled": flag}})

    assert "autobalance" not in str(report["notes"]) + fleet_row(report)["subtitle"]


def test_where_nothing_was_sold_nothing_is_bought_again():
    report = build_report(liquidation=failed_sale("refused", autobalance_enabled=True), liquidation_state="failed")

    assert "autobalance" not in str(report["notes"]) + fleet_row(report)["subtitle"]


def test_time_for_which_it_had_to_stay_settled_is_shown():
    criteria = {**FACTS["criteria"], "stable_reads": 2, "stable_for": 1800.0}
    report = build_report(**{**COMPLETE, "facts": {**FACTS, "criteria": criteria}})

    assert report["settling"]["stable_for"] == 1800.0
    assert ["Had to stay settled", "for 30 min, in 2 polls in a row or more"] in describe(report)["details"]
    assert "Had to stay settled" not in dict(describe(build_report(**COMPLETE))["details"])
