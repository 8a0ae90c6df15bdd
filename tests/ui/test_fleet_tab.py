"""Trigger the liquidation of many accounts, watch it in the tab, sort and filter it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.ui.browser import PATIENCE, numbers, sell_for_real
from tests.ui.example_runs import FLEET

if TYPE_CHECKING:
    from playwright.sync_api import FrameLocator, Locator

    from airflow_provider_3commas.simulator import Simulator
    from local_airflow.example_airflow import ExampleAirflow
    from tests.ui.browser import BrowserUser
    from tests.ui.example_runs import ExampleRuns

LOCKED = 32500004


def test_run_is_triggered_and_watched(
    admin: BrowserUser, airflow: ExampleAirflow, simulator: Simulator, example_runs: ExampleRuns
) -> None:
    def fill(dialog: Locator) -> None:
        sell_for_real(dialog)
        admin.screenshot("trigger-form-fleet")

    example_runs.prepare(FLEET)
    example_runs.ids[FLEET] = admin.trigger(FLEET, fill)
    frame = admin.open_tab()
    expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6, timeout=PATIENCE)
    admin.screenshot("fleet-while-it-settles")
    # One account is locked, so the run fails; the others go on.
    expect(frame.locator("#state")).to_have_text("Run ended: failed.", timeout=2 * PATIENCE)
    expect(frame.locator(".tc-headline")).to_have_text("5 of 6 accounts settled.")
    expect(frame.locator("tfoot")).to_contain_text("All 6")
    expect(frame.locator("tfoot")).to_contain_text("5 settled")
    admin.screenshot("fleet")


def test_totals_are_those_of_the_rows(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    frame = open_fleet(admin, example_runs)
    for column in (2, 3, 5):
        cells = [numbers(text) for text in column_of(frame, column)]
        total = frame.locator("tfoot").locator("th, td").nth(column).inner_text()
        assert sum(Decimal(cell[0]) for cell in cells if cell) == pytest.approx(
            Decimal(numbers(total)[0]), abs=Decimal("0.00000003")
        )


def test_every_column_sorts(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    frame = open_fleet(admin, example_runs)
    for column, key in ((2, "before"), (3, "after"), (5, "unsold")):
        frame.locator(f"#sort-{key}").click()
        expect(frame.locator("th[aria-sort=descending]")).to_contain_text(frame.locator(f"#sort-{key}").inner_text())
        values = [Decimal(numbers(text)[0]) for text in column_of(frame, column) if numbers(text)]
        assert len(values) >= 5
        assert values == sorted(values, reverse=True)
        frame.locator(f"#sort-{key}").click()
        expect(frame.locator("th[aria-sort=ascending]")).to_have_count(1)
        values = [Decimal(numbers(text)[0]) for text in column_of(frame, column) if numbers(text)]
        assert values == sorted(values)
    frame.locator("#sort-title").click()
    names = [name.casefold() for name in frame.locator(".tc-link").all_inner_texts()]
    assert names == sorted(names)
    frame.locator("#sort-status").click()
    assert frame.locator(".tc-fleet .tc-badge").first.inner_text() == "Failed"


def test_filter_leaves_what_is_not_settled(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    frame = open_fleet(admin, example_runs)
    frame.locator("#open-only").check()
    expect(frame.locator(".tc-fleet tbody tr")).to_have_count(1)
    # It has no holdings, only what it was asked for, and why it was refused.
    expect(frame.locator(".tc-fleet tbody")).to_contain_text("Locked out")
    expect(frame.locator(".tc-fleet tbody")).to_contain_text(str(LOCKED))
    expect(frame.locator(".tc-fleet tbody .tc-why")).to_contain_text("locked")
    frame.locator("#open-only").uncheck()
    expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6)


def test_account_opens_and_closes(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    frame = open_fleet(admin, example_runs)
    frame.get_by_role("button", name="Savings").click()
    expect(frame.locator("h1")).to_have_text("Savings")
    frame.locator("#back").click()
    expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6)


def test_account_that_was_refused_says_why(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    frame = open_fleet(admin, example_runs)
    frame.get_by_role("button", name="Locked out").click()
    expect(frame.locator(".tc-badge")).to_have_text("Failed")
    expect(frame.locator(".tc-headline")).to_contain_text("Nothing was sold: the liquidation was refused")
    expect(frame.locator(".tc-headline")).to_contain_text("locked")
    admin.screenshot("refused")


def test_mapped_task_has_the_tab_of_its_account(admin: BrowserUser, example_runs: ExampleRuns) -> None:
    selected = admin.xcom(FLEET, example_runs.get(FLEET), "select_accounts")
    for index, account in enumerate(selected[:2]):
        admin.open_run(FLEET, example_runs.get(FLEET), f"/tasks/take_to_safety.liquidate/mapped/{index}")
        expect(admin.open_tab().locator("h1")).to_have_text(account["account_name"])


def open_fleet(admin: BrowserUser, example_runs: ExampleRuns) -> FrameLocator:
    admin.open_run(FLEET, example_runs.get(FLEET))
    frame = admin.open_tab()
    expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6)
    return frame


def column_of(frame: FrameLocator, number: int) -> list[str]:
    rows = frame.locator(".tc-fleet tbody tr")
    return [rows.nth(row).locator("th, td").nth(number).inner_text() for row in range(rows.count())]
