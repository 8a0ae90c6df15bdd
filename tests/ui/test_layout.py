"""The tab fits on a desktop and on a phone, in light and in dark."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.ui.browser import BrowserUser, overflow, overflow_of_page
from tests.ui.example_runs import FLEET, LIQUIDATION

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

    from tests.ui.example_runs import ExampleRuns


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("device", "width", "height"), [("desktop", 1280, 1500), ("phone", 360, 740)])
def test_tab_and_fleet(
    admin: BrowserUser, example_runs: ExampleRuns, browser: Browser, screenshots: Path, theme: str, device: str,
    width: int, height: int,
) -> None:  # fmt: skip
    user = BrowserUser(
        browser, admin.airflow, admin.record, screenshots, viewport={"width": width, "height": height},
        color_scheme=theme, storage_state=admin.context.storage_state(),
    )  # fmt: skip
    for dag_id, name, there in ((LIQUIDATION, "tab", ".tc-tiles"), (FLEET, "fleet", ".tc-fleet tbody tr")):
        user.open_run(dag_id, example_runs.get(dag_id), "/plugin/threecommas-liquidation")
        expect(user.frame.locator(there).first).to_be_visible()
        expect(user.frame.locator("html")).to_have_attribute("data-theme", theme)
        assert overflow(user.frame) == 0
        user.screenshot(f"{name}-{device}-{theme}")
        # Below Airflow's own frame there is little of it on a phone: the page by itself.
        address = f"dag_id={dag_id}&run_id={quote(example_runs.get(dag_id), safe='')}"
        user.page.goto(f"/threecommas/liquidation.html?{address}")
        expect(user.page.locator(there).first).to_be_visible()
        assert overflow_of_page(user.page) == 0
        user.record.record_page(user.page)
        user.page.screenshot(path=screenshots / f"{name}-{device}-{theme}-whole.png", full_page=True)
    user.close()
