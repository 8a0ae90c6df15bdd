"""What the tab reads of a run through Airflow's API, and sends to be put into words: its own code, a fake API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

import airflow_provider_3commas.plugins
from airflow_provider_3commas.report import build_report
from tests.report.samples import BEFORE, FACTS, HISTORY, LEFT, LIQUIDATION, SETTLEMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Route

STATIC = Path(airflow_provider_3commas.plugins.__file__).parent / "static"
#: An Airflow below a path, as behind a proxy; nothing is sent there.
PAGE = "http://airflow.example/prefix/threecommas/liquidation.html"
RUN = "/prefix/api/v2/dags/d/dagRuns/r"
XCOM = re.compile(r"/taskInstances/([^/]+)/xcomEntries/([^/]+)")
OPERATORS = {"liquidate": "SellAllToBtcOperator", "settled": "BalancesSettledSensor"}

SOLD = {"liquidation": LIQUIDATION, "holdings_before": BEFORE}
FAILED = {**FACTS, "result": LEFT}


class FakeApi:
    """Answer what the tab asks of a run: its tasks, each with an id, a map index, a state and XComs."""

    def __init__(self, tasks: list[tuple[str, int, str, dict[str, Any]]]) -> None:
        self.asked: list[str] = []
        self._instances = [
            {"task_id": task, "map_index": index, "state": state, "operator_name": OPERATORS.get(task), "end_date": "x"}
            for task, index, state, _ in tasks
        ]
        self._xcoms = {(task, index, key): value for task, index, _, xcoms in tasks for key, value in xcoms.items()}

    def answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.path == urlsplit(PAGE).path:
            route.fulfill(body="<!doctype html><title>Fake</title>", content_type="text/html")
        elif url.path.endswith(".js"):
            route.fulfill(path=STATIC / Path(url.path).name, content_type="text/javascript")
        else:
            self.asked.append(url.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            body = self._body(url.path, query)
            route.fulfill(status=404) if body is None else route.fulfill(json=body)

    def _body(self, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        path = path.removeprefix(RUN)
        if path == "":
            return {"state": "failed"}
        if path == "/taskInstances":
            return {"task_instances": self._instances, "total_entries": len(self._instances)}
        if path == "/taskInstances/~/xcomEntries":
            found = [
                {"task_id": task, "map_index": index, "key": key, "timestamp": "t"}
                for task, index, key in self._xcoms
                if key == query["xcom_key"]
            ]
            return {"xcom_entries": found, "total_entries": len(found)}
        parts = XCOM.fullmatch(path)
        assert parts, path
        xcom = (parts[1], int(query["map_index"]), parts[2])
        return {"value": self._xcoms[xcom]} if xcom in self._xcoms else None


@pytest.fixture
def read(browser: Browser) -> Iterator[Callable[..., dict[str, Any]]]:
    """Return a function that lets the tab's code read a run of some tasks, twice."""
    context = browser.new_context()

    def read(tasks: list[tuple[str, int, str, dict[str, Any]]]) -> dict[str, Any]:
        api = FakeApi(tasks)
        context.route("**", api.answer)
        page = context.new_page()
        page.goto(PAGE)
        page.evaluate(
            """async () => {
                const { Run } = await import(new URL("run.js", document.baseURI));
                window.run = new Run("d", "r");
                await window.run.refresh(null);
            }"""
        )
        first = len(api.asked)
        read = page.evaluate("window.run.refresh(null).then(() => JSON.stringify(window.run.accounts()))")
        reports = [build_report(**account["xcoms"]) for account in json.loads(read)]
        return {"reports": reports, "again": len(api.asked) - first}

    yield read
    context.close()


def test_settled_account_has_criteria_and_requests(read: Callable[..., dict[str, Any]]) -> None:
    waited = {"return_value": SETTLEMENT, "settlement_history": HISTORY, "settlement_facts": FACTS}
    seen = read([("liquidate", -1, "success", SOLD), ("settled", -1, "success", waited)])

    (report,) = seen["reports"]
    assert (report["unsold"]["dust_btc"], report["requests"]["settlement"], report["notes"]) == ("0.0001", 11, [])
    assert report == build_report(
        holdings_before=BEFORE, liquidation=LIQUIDATION, settlement=SETTLEMENT, history=HISTORY, facts=FACTS,
        liquidation_state="success", settlement_state="success",
    )  # fmt: skip
    # The run, its tasks, four kinds of XComs; and nothing that has been read before.
    assert seen["again"] == 6


def test_each_mapped_account_has_its_own(read: Callable[..., dict[str, Any]]) -> None:
    tasks = [
        ("liquidate", 0, "success", SOLD),
        ("liquidate", 1, "success", SOLD),
        ("settled", 0, "success", {"return_value": SETTLEMENT, "settlement_facts": FACTS}),
        ("settled", 1, "failed", {"settlement_history": HISTORY, "settlement_facts": {**FAILED, "requests": 29}}),
    ]
    settled, failed = read(tasks)["reports"]

    assert (settled["status"], settled["requests"]["settlement"]) == ("settled", 11)
    assert (failed["status"], failed["requests"]["settlement"]) == ("not_settled", 29)
    assert [item["currency"] for item in failed["unsold"]["items"]] == ["SOL", "DOGE"]


def test_wait_by_a_class_of_ones_own_is_found_by_its_facts(read: Callable[..., dict[str, Any]]) -> None:
    (report,) = read([("wait", -1, "failed", {"settlement_facts": FAILED})])["reports"]

    assert (report["status"], report["account"]["id"]) == ("not_settled", 32402783)


def test_wait_under_way_is_not_over(read: Callable[..., dict[str, Any]]) -> None:
    tasks = [("liquidate", -1, "success", SOLD), ("settled", -1, "deferred", {"settlement_facts": FAILED})]
    (report,) = read(tasks)["reports"]

    assert (report["status"], report["after"], report["unsold"]["items"]) == ("settling", None, [])
