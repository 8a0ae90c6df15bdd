"""An account whose name is an attack: it is shown as it is, and no script of it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from airflow_provider_3commas.printable import one_line
from airflow_provider_3commas.report import build_report, render_html
from tests.ui.browser import BrowserUser, overflow, overflow_of_page
from tests.ui.example_runs import FLEET
from tests.ui.inputs import HOSTILE, HOSTILE_BEGINNING, HOSTILE_EXCHANGE, HOSTILE_ID

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.ui.example_runs import ExampleRuns


def test_in_the_fleet_and_in_its_own_view(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    admin.open_run(FLEET, example_runs.get(FLEET))
    frame = admin.open_tab()
    row = frame.locator(".tc-fleet tbody tr", has_text=str(HOSTILE_ID))
    expect(row).to_contain_text(HOSTILE_BEGINNING)
    expect(row).to_contain_text(HOSTILE_EXCHANGE)
    row.get_by_role("button").click()
    expect(frame.locator("h1")).to_contain_text(HOSTILE_BEGINNING)
    expect(frame.locator("h1")).to_contain_text("{{ 7 * 7 }}")
    assert overflow(frame) == 0
    assert frame.locator("img, svg[onload], script:not([src])").count() == 0
    admin.screenshot("hostile-name")


def test_in_airflows_own_pages(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    selected = admin.xcom(FLEET, example_runs.get(FLEET), "select_accounts")
    names = [account["account_name"] for account in selected]
    index = names.index(one_line(HOSTILE))

    task = f"/tasks/take_to_safety.liquidate/mapped/{index}"
    admin.open_run(FLEET, example_runs.get(FLEET), f"{task}/task-state-store")
    admin.page.get_by_role("link", name="XCom", exact=True).click()
    admin.page.wait_for_url("**/xcom")
    admin.page.get_by_role("button", name="Expand all extra JSON").click()
    expect(admin.page.locator(".view-lines", has_text="<img src=x onerror=").first).to_be_visible()
    admin.screenshot("hostile-name-xcom")
    admin.open_run(FLEET, example_runs.get(FLEET), f"{task}/rendered_templates")
    expect(admin.page.locator("body")).to_contain_text(HOSTILE_BEGINNING)
    expect(admin.page.locator("body")).to_contain_text("{{ 7 * 7 }}")
    admin.screenshot("hostile-name-rendered-templates")
    admin.open_run(FLEET, example_runs.get(FLEET), task)
    expect(admin.page.get_by_text("Selling account").first).to_be_visible()
    admin.screenshot("hostile-name-log")


def test_in_the_report_as_a_page(
    admin: BrowserUser, example_runs: ExampleRuns, tmp_path: Path, browser: Browser, screenshots: Path
) -> None:
    names = [account["account_name"] for account in admin.xcom(FLEET, example_runs.get(FLEET), "select_accounts")]
    index = names.index(one_line(HOSTILE))

    def xcom(task: str, key: str) -> Any:
        return admin.xcom(FLEET, example_runs.get(FLEET), f"take_to_safety.{task}", key, index)

    report = build_report(
        account=xcom("liquidate", "return_value"),
        holdings_before=xcom("liquidate", "holdings_before"),
        liquidation=xcom("liquidate", "liquidation"),
        settlement=xcom("settled", "return_value"),
        history=xcom("settled", "settlement_history"),
        facts=xcom("settled", "settlement_facts"),
    )
    page = tmp_path / "report.html"
    page.write_text(render_html(report), encoding="utf-8")
    reader = BrowserUser(browser, admin.airflow, admin.record, screenshots, viewport={"width": 360, "height": 740})
    reader.page.goto(page.as_uri())
    expect(reader.page.locator("h1")).to_contain_text(HOSTILE_BEGINNING)
    assert overflow_of_page(reader.page) == 0
    reader.screenshot("report-phone")
    reader.close()
