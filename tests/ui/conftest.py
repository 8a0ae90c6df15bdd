"""One Airflow, one browser, and everything that reached the browser."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airflow_provider_3commas.simulator import Simulator
from local_airflow.example_airflow import ACCOUNTS, ExampleAirflow
from tests.ui.browser import BrowserRecord, BrowserUser
from tests.ui.example_runs import ExampleRuns
from tests.ui.inputs import HOSTILE, HOSTILE_EXCHANGE, HOSTILE_ID, ApiKeys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Playwright

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


#: What each uses, those before it may have made; the last one looks at what all have left.
ORDER = [
    "test_make_ui.py", "test_run_reader.py", "test_connections.py", "test_liquidation_tab.py", "test_fleet_tab.py",
    "test_hostile_name.py", "test_layout.py", "test_permissions.py", "test_fleet_of_two_hundred.py", "test_no_leaks.py",
]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and run them in their order, after all others."""
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.ui)
    items.sort(key=lambda item: ORDER.index(item.path.name) if item in ours else -1)


@pytest.fixture(scope="session")
def screenshots() -> Path:
    """Return the folder for screenshots: THREECOMMAS_SCREENSHOTS, or ``.ui/screenshots``; emptied first."""
    folder = Path(os.environ.get("THREECOMMAS_SCREENSHOTS") or ROOT / ".ui" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.png"):
        old.unlink()
    return folder


@pytest.fixture(scope="session")
def chromium() -> str:
    """Return the browser's path: CHROMIUM, or the one that is installed."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        pytest.fail(
            "No Chromium: install it (on Debian and Ubuntu: apt-get install chromium), or set CHROMIUM to its path.",
            pytrace=False,
        )
    return found


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    # As root, Chromium starts only without its sandbox.
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else FLAGS
    playwright: Playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def api_keys() -> ApiKeys:
    return ApiKeys()


@pytest.fixture(scope="session")
def simulator(api_keys: ApiKeys) -> Iterator[Simulator]:
    """Start the simulator of ``make ui``, with keys of these tests and an account whose name is an attack."""
    with Simulator(str(ACCOUNTS), speed=2) as simulator:
        for api_key, public_key in api_keys.public.items():
            simulator.put_key(api_key, public_key=public_key)
        simulator.change_account(
            HOSTILE_ID,
            name=HOSTILE,
            market_code="kraken",
            holdings={"BTC": "0.1", "ETH": "2", "DOGE": "9"},
            fields={"exchange_name": HOSTILE_EXCHANGE},
        )
        yield simulator


@pytest.fixture(scope="session")
def airflow(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleAirflow]:
    """Start the Airflow of ``make ui``, without its connection: that is created in the form."""
    # The stranger has no role: such a user may do nothing.
    roles = {"admin": "admin", "viewer": "viewer", "stranger": ""}
    with ExampleAirflow(tmp_path_factory.mktemp("airflow"), simulator, roles=roles) as airflow:
        airflow.wait_until_ready()
        yield airflow


@pytest.fixture(scope="session")
def record() -> BrowserRecord:
    return BrowserRecord()


@pytest.fixture(scope="session")
def example_runs(airflow: ExampleAirflow, simulator: Simulator) -> ExampleRuns:
    return ExampleRuns(airflow, simulator)


@pytest.fixture(scope="session")
def admin(browser: Browser, airflow: ExampleAirflow, record: BrowserRecord, screenshots: Path) -> Iterator[BrowserUser]:
    """Log in as the administrator, through the form."""
    admin = BrowserUser(browser, airflow, record, screenshots)
    admin.log_in("admin")
    yield admin
    admin.close()
