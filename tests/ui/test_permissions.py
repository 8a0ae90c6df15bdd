"""Who may not read a DAG sees nothing of its runs in the tab."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.ui.browser import BrowserRecord, BrowserUser
from tests.ui.example_runs import FLEET, LIQUIDATION
from tests.ui.inputs import HOSTILE_BEGINNING

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from local_airflow.example_airflow import ExampleAirflow
    from tests.ui.example_runs import ExampleRuns


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (None, "You are not logged in to Airflow any more."),
        ("stranger", "You are not allowed to see the tasks and XComs of this DAG."),
    ],
)
def test_who_may_not_read_the_dag_gets_nothing(
    airflow: ExampleAirflow,
    browser: Browser,
    screenshots: Path,
    example_runs: ExampleRuns,
    user: str | None,
    message: str,
) -> None:
    record = BrowserRecord()
    visitor = BrowserUser(browser, airflow, record, screenshots)
    if user:
        visitor.log_in(user)
    for dag_id in (LIQUIDATION, FLEET):
        run_id = quote(example_runs.get(dag_id), safe="")
        visitor.page.goto(f"/threecommas/liquidation.html?dag_id={dag_id}&run_id={run_id}")
        expect(visitor.page.locator(".tc-message")).to_contain_text(message)
        record.record_page(visitor.page)
    visitor.screenshot(f"permissions-{user or 'anonymous'}")
    visitor.close()

    asked = [text for address, text in record.received if "/api/v2/dags/" in address]
    assert asked
    everything = [text for _, text in (*record.received, *record.pages)]
    for fact in ("Grid bots", "Savings", HOSTILE_BEGINNING, "bybit_spot", "Bybit Spot"):
        assert not [text for text in everything if fact in text], fact


def test_who_may_read_it_sees_the_tab(
    airflow: ExampleAirflow, browser: Browser, record: BrowserRecord, screenshots: Path, example_runs: ExampleRuns
) -> None:
    visitor = BrowserUser(browser, airflow, record, screenshots)
    visitor.log_in("viewer")
    visitor.open_run(LIQUIDATION, example_runs.get(LIQUIDATION))
    expect(visitor.open_tab().locator("h1")).to_have_text("Grid bots")
    record.record_page(visitor.page)
    visitor.close()
