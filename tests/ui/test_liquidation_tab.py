"""Trigger a liquidation, watch it in the tab, and compare what the tab shows with XComs and exchange."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.ui.browser import PATIENCE, numbers, sell_for_real
from tests.ui.example_runs import ACCOUNT, LIQUIDATION, REPORT

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from airflow_provider_3commas.simulator import Simulator
    from tests.ui.browser import BrowserUser
    from tests.ui.example_runs import ExampleRuns


def test_run_is_triggered_and_the_tab_follows_it(
    admin: BrowserUser, simulator: Simulator, example_runs: ExampleRuns
) -> None:
    example_runs.prepare(LIQUIDATION)

    def fill(dialog: Locator) -> None:
        dialog.get_by_label("Account id").fill(str(ACCOUNT))
        sell_for_real(dialog)
        admin.screenshot("trigger-form")

    example_runs.ids[LIQUIDATION] = admin.trigger(LIQUIDATION, fill)
    frame = admin.open_tab()
    # It says what it is doing, and nobody presses anything until it is over.
    expect(frame.locator("#state")).to_contain_text("refreshed by itself", timeout=PATIENCE)
    expect(frame.locator(".tc-badge")).to_have_text("Settling", timeout=PATIENCE)
    admin.screenshot("tab-while-it-settles")
    expect(frame.locator(".tc-badge")).to_have_text("Settled", timeout=PATIENCE)
    expect(frame.locator("#state")).to_have_text("Run ended: success.", timeout=PATIENCE)
    expect(admin.page.get_by_text("Success", exact=True).first).to_be_visible(timeout=PATIENCE)
    assert [sell["account_id"] for sell in simulator.sells()] == [ACCOUNT]


def test_numbers_are_those_of_xcoms_and_exchange(
    admin: BrowserUser, simulator: Simulator, example_runs: ExampleRuns
) -> None:
    run_id = example_runs.get(LIQUIDATION)
    before = admin.xcom(LIQUIDATION, run_id, "liquidate", "holdings_before")
    settlement = admin.xcom(LIQUIDATION, run_id, "settled")
    now = simulator.account(ACCOUNT)["holdings"]
    # The same in all three: what was held, what is held.
    assert {row["currency"]: Decimal(row["amount"]) for row in before["holdings"]} == {
        currency: Decimal(held["amount"]) for currency, held in example_runs.account_before["holdings"].items()
    }
    assert Decimal(now["BTC"]["amount"]) == Decimal(settlement["target_amount"])

    admin.open_run(LIQUIDATION, run_id)
    frame = admin.open_tab()
    expect(frame.locator("h1")).to_have_text("Grid bots")
    assert settlement["target_amount"] in numbers(frame.locator(".tc-headline").inner_text())
    tiles = dict(zip(*(frame.locator(f".tc-tiles {tag}").all_inner_texts() for tag in ("dt", "dd")), strict=True))
    for tile, values in (("Value before", before), ("Value after", settlement)):
        shown = [Decimal(number) for number in numbers(tiles[tile])]
        assert shown == [round(Decimal(values["btc_value"]), 8), round(Decimal(values["usd_value"]), 2)]
    for currency, held in example_runs.account_before["holdings"].items():
        asset = frame.get_by_role("rowheader", name=re.compile(rf"^{currency}\b"))
        row = frame.get_by_role("row").filter(has=asset).first
        shown = [Decimal(numbers(row.get_by_role("cell").nth(cell).inner_text())[0]) for cell in (0, 1)]
        left = now[currency]["amount"] if currency in now else "0"
        assert shown == [Decimal(held["amount"]), Decimal(left)]
    expect(frame.locator(".tc-card", has_text="What was not sold, and why")).to_contain_text("Dust: worth no more")


@pytest.mark.parametrize("task_id", ["liquidate", "settled"])
def test_task_has_the_tab_too(admin: BrowserUser, example_runs: ExampleRuns, task_id: str) -> None:
    admin.open_run(LIQUIDATION, example_runs.get(LIQUIDATION), f"/tasks/{task_id}")
    frame = admin.open_tab()
    expect(frame.locator("h1")).to_have_text("Grid bots")
    expect(frame.locator(".tc-badge")).to_have_text("Settled")
    admin.record.record_page(admin.page)


@pytest.mark.parametrize("task_id", ["liquidate", "settled"])
def test_extra_link_leads_to_the_account(admin: BrowserUser, example_runs: ExampleRuns, task_id: str) -> None:
    admin.open_run(LIQUIDATION, example_runs.get(LIQUIDATION), f"/tasks/{task_id}/details")
    link = admin.page.get_by_role("link", name="3Commas account")
    expect(link).to_have_attribute("href", f"https://3commas.io/accounts/{ACCOUNT}")
    admin.screenshot(f"extra-link-{task_id}")


def test_run_without_a_liquidation_says_so(admin: BrowserUser) -> None:
    # The settled account has started it.
    def runs() -> list[dict[str, Any]]:
        return [run for run in admin.get(f"dags/{REPORT}/dagRuns")["dag_runs"] if run["state"] == "success"]

    admin.airflow.wait_for(REPORT, runs)
    admin.open_run(REPORT, runs()[0]["dag_run_id"])
    frame = admin.open_tab()
    expect(frame.locator(".tc-message")).to_contain_text("This run has no liquidation")
    admin.screenshot("tab-without-a-liquidation")
