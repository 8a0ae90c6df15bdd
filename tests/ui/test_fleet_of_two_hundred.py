"""The tab over XComs that no simulated run leaves: two hundred accounts, every outcome, half a character in a name.

Airflow serves the page and the render route; its REST API, between the two, is a fake.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from airflow_provider_3commas.report import build_report
from airflow_provider_3commas.report.texts import describe, fleet_row
from tests.report.samples import BEFORE, FACTS, LIQUIDATION, SETTLEMENT
from tests.ui.browser import BrowserRecord, BrowserUser, overflow_of_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

    from local_airflow.example_airflow import ExampleAirflow

COUNT = 200
NAME = "Main \ud83d"  # cut off in the middle of an emoji
REASON = "3Commas says: <b>locked</b> [x](https://evil.example)"
_KEYS = ("liquidation", "holdings_before", "settlement_history", "settlement_facts")


class FakeRun:
    """A run of a mapped sale and a mapped wait, as Airflow's REST API would describe it."""

    def __init__(self) -> None:
        self.accounts = [self._account(index) for index in range(COUNT)]
        self.state, self.clock = "running", 0

    @staticmethod
    def _account(index: int) -> dict[str, Any]:
        before = {**BEFORE, "account_id": index + 1, "account_name": f"{NAME} {index:03}"}
        return {
            "holdings_before": {**before, "btc_value": str(COUNT - index)},
            "liquidation": {**LIQUIDATION, "account_id": index + 1},
            "settlement": {**SETTLEMENT, "account_id": index + 1},
            "settlement_facts": {**FACTS, "account_id": index + 1},
            "states": ("success", "success"),
        }

    def fail(self, index: int, outcome: str) -> None:
        """Let a sale have failed, and its XCom be written anew."""
        self.clock += 1
        account = self.accounts[index]
        account["liquidation"] = {**account["liquidation"], "outcome": outcome, "reason": REASON, "sent_at": None}
        account["states"] = ("failed", "upstream_failed")

    def report(self, index: int) -> dict[str, Any]:
        """Build the same in Python."""
        account = self.accounts[index]
        settled = account["states"][1] == "success"
        return build_report(
            holdings_before=account["holdings_before"],
            liquidation=account["liquidation"],
            settlement=account["settlement"] if settled else None,
            facts=account["settlement_facts"],
            liquidation_state=account["states"][0],
            settlement_state=account["states"][1],
        )

    def answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        parts = url.path.partition("/dagRuns/r")[2].strip("/").split("/")
        # ASCII: half a character can't be encoded.
        route.fulfill(body=json.dumps(self._body(parts, query)), content_type="application/json")

    def _body(self, parts: list[str], query: dict[str, str]) -> dict[str, Any]:
        if parts == [""]:
            return {"state": self.state}
        if parts == ["taskInstances"]:
            return self._page("task_instances", self._instances(), query)
        if parts[1] == "~":
            return self._page("xcom_entries", self._entries(query["xcom_key"]), query)
        return {"value": self._value(parts[-1], int(query["map_index"]), parts[1])}

    @staticmethod
    def _page(field: str, found: list[Any], query: dict[str, str]) -> dict[str, Any]:
        offset, limit = int(query["offset"]), int(query["limit"])
        return {field: found[offset : offset + limit], "total_entries": len(found)}

    def _instances(self) -> list[dict[str, Any]]:
        return [
            {
                "task_id": task_id,
                "map_index": index,
                "state": account["states"][number],
                "operator_name": operator,
                "end_date": "2026-11-06T21:03:00Z",
                "rendered_fields": {"account_id": index + 1},
            }
            for number, (task_id, operator) in enumerate(
                (("liquidate", "SellAllToBtcOperator"), ("settled", "BalancesSettledSensor"))
            )
            for index, account in enumerate(self.accounts)
        ]

    def _entries(self, key: str) -> list[dict[str, Any]]:
        task_id = "settled" if key.startswith("settlement_") else "liquidate"
        return [
            {"task_id": task_id, "map_index": index, "key": key, "timestamp": f"t{account['states']}"}
            for index, account in enumerate(self.accounts)
            if key in account
        ]

    def _value(self, key: str, index: int, task_id: str) -> Any:
        assert key in (*_KEYS, "return_value"), key
        return self.accounts[index]["settlement" if (key, task_id) == ("return_value", "settled") else key]


@pytest.fixture(scope="module")
def run() -> FakeRun:
    return FakeRun()


@pytest.fixture(scope="module")
def own_record() -> BrowserRecord:
    return BrowserRecord()


@pytest.fixture(scope="module")
def posted() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def user(
    browser: Browser,
    airflow: ExampleAirflow,
    screenshots: Any,
    own_record: BrowserRecord,
    run: FakeRun,
    posted: list[Any],
) -> Iterator[BrowserUser]:
    user = BrowserUser(browser, airflow, own_record, screenshots)
    user.log_in("viewer")
    user.context.route("**/api/v2/dags/fake/**", run.answer)
    user.context.on(
        "request",
        lambda request: posted.append(request.post_data_json) if request.url.endswith("/threecommas/report") else None,
    )
    user.page.goto("/threecommas/liquidation.html?dag_id=fake&run_id=r")
    expect(user.page.locator(".tc-fleet tbody tr")).to_have_count(COUNT)
    yield user
    user.close()


def refresh(user: BrowserUser) -> None:
    line = user.page.locator("#state")
    line.evaluate("(element) => { element.textContent = 'asked'; }")
    user.page.locator("#refresh").click()
    expect(line).not_to_have_text("asked")


def test_two_hundred_accounts_are_one_request(user: BrowserUser, posted: list[dict[str, Any]]) -> None:
    assert [(len(body["accounts"]), len(body["others"])) for body in posted] == [(COUNT, 0)]
    expect(user.page.locator(".tc-headline")).to_have_text("200 of 200 accounts settled.")
    expect(user.page.locator("tfoot")).to_contain_text(f"{COUNT * (COUNT + 1) // 2:,}.00000000 BTC")
    assert overflow_of_page(user.page) == 0


def test_half_a_character_is_shown_as_one(user: BrowserUser) -> None:
    expect(user.page.locator(".tc-link").first).to_have_text("Main \ufffd 000")


def test_what_has_not_changed_is_not_sent_again(user: BrowserUser, posted: list[dict[str, Any]]) -> None:
    sent = len(posted)
    refresh(user)
    assert len(posted) == sent


@pytest.mark.parametrize(
    ("index", "outcome", "status"),
    [(7, "refused", "Failed"), (8, "rejected", "Failed"), (9, "unknown", "Outcome unknown")],
)
def test_outcome_and_reason_of_the_one_that_has_changed(
    user: BrowserUser, run: FakeRun, posted: list[dict[str, Any]], index: int, outcome: str, status: str
) -> None:
    run.fail(index, outcome)
    sent = len(posted)
    refresh(user)

    assert [(len(body["accounts"]), len(body["others"])) for body in posted[sent:]] == [(1, COUNT - 1)]
    row = user.page.locator(".tc-fleet tbody tr", has_text=f"{NAME[:-1]}\ufffd {index:03}")
    expect(row.locator(".tc-badge")).to_have_text(status)
    expect(row.locator(".tc-why")).to_have_text(fleet_row(run.report(index))["why"])
    row.get_by_role("button").click()
    shown = describe(run.report(index))
    expect(user.page.locator(".tc-headline")).to_have_text(shown["headline"])
    assert user.page.locator(".tc-headline a, .tc-headline b").count() == 0
    user.screenshot(f"outcome-{outcome}")
    user.page.locator("#back").click()


def test_those_who_need_a_person_come_first(user: BrowserUser) -> None:
    assert user.page.locator(".tc-fleet .tc-badge").all_inner_texts()[:4] == [
        "Failed", "Failed", "Outcome unknown", "Settled"
    ]  # fmt: skip
    user.page.locator("#sort-before").click()
    first = user.page.locator(".tc-fleet tbody tr").first
    expect(first).to_contain_text("200.00000000 BTC")
    user.page.locator("#sort-before").click()
    expect(first).to_contain_text("1.00000000 BTC")
    user.screenshot("fleet-of-two-hundred")


def test_nobody_is_told_anything_after_the_session_has_ended(user: BrowserUser, run: FakeRun) -> None:
    """The route asks for itself: here Airflow's API would go on answering."""
    user.context.clear_cookies()
    run.fail(10, "refused")
    user.page.locator("#refresh").click()
    expect(user.page.locator(".tc-message")).to_contain_text("You are not logged in to Airflow any more.")


def test_no_script_ran_and_nothing_complained(own_record: BrowserRecord) -> None:
    assert len(own_record.pages) >= 4
    # The browser itself notes the answer 401 of the test before.
    assert [violation for violation in own_record.violations if "401" not in violation] == []
