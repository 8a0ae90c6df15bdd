"""A person at a browser, and a record of everything that reached it."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, FrameLocator, Locator, Page, Request

    from local_airflow.example_airflow import ExampleAirflow

#: Milliseconds; a task needs seconds to start, and this machine may have other things to do.
PATIENCE = 120_000
expect.set_options(timeout=30_000)


class BrowserRecord:
    """Everything that browsers have received and shown, and every script that ran or complained where none should."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        self.unread: list[str] = []
        self.pages: list[tuple[str, str]] = []
        self.violations: list[str] = []

    def attach(self, context: BrowserContext) -> None:
        context.on("requestfinished", self._finished)
        context.on("dialog", lambda dialog: self.violations.append(f"dialog: {dialog.message}"))
        context.on("weberror", lambda error: self.violations.append(f"error: {error.error}"))
        context.on("console", self._said)

    def _finished(self, request: Request) -> None:
        response = request.response()
        if response is None or response.status in (204, 304) or 300 <= response.status < 400:
            return
        try:
            self.received.append((request.url, response.text()))
        except (PlaywrightError, UnicodeDecodeError):
            # Pictures, and what a page no longer waited for: read again at the end.
            self.unread.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        # What the plugin's page says; Airflow's own pages have words of their own, and so has the frame that they make.
        ours = "/threecommas/" in message.location["url"] and not message.text.startswith("An iframe which has both")
        if ours or "Content Security Policy" in message.text:
            self.violations.append(f"console: {message.text}")

    def record_page(self, page: Page) -> None:
        """Record what a page has in its document now, values of fields included."""
        values = "[...document.querySelectorAll('input, textarea')].map((field) => field.value).join('\\n')"
        for frame in page.frames:
            self.pages.append((frame.url, f"{frame.content()}\n{frame.evaluate(values)}"))
            if frame.evaluate("window.hacked !== undefined"):
                self.violations.append(f"a script ran in {frame.url}")


class BrowserUser:
    """A person at a browser."""

    def __init__(
        self, browser: Browser, airflow: ExampleAirflow, record: BrowserRecord, screenshots: Path, **options: Any
    ) -> None:
        self.airflow, self.record, self._screenshots = airflow, record, screenshots
        self.context = browser.new_context(
            base_url=airflow.url,
            locale="en-US",
            timezone_id="UTC",
            **{"viewport": {"width": 1280, "height": 900}, **options},
        )
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        record.attach(self.context)

    @cached_property
    def page(self) -> Page:
        return self.context.new_page()

    def close(self) -> None:
        self.context.close()

    def log_in(self, user: str) -> None:
        self.page.goto("/")
        self.page.get_by_label("Username").fill(user)
        self.page.get_by_label("Password").fill(self.airflow.passwords[user])
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda address: "/auth/login" not in address)

    def screenshot(self, name: str) -> None:
        self.record.record_page(self.page)
        # Of what moves, the end.
        self.page.screenshot(path=self._screenshots / f"{name}.png", animations="disabled")

    def get(self, path: str) -> Any:
        """Read from Airflow's API with this person's session."""
        reply = self.context.request.get(f"/api/v2/{path}")
        assert reply.ok, (path, reply.status)
        return reply.json()

    # Connections

    def fill_form(self, connection_id: str, standard: dict[str, str], extra: dict[str, str]) -> Locator:
        """Open the form for a new connection and fill it in; texts with line breaks are pasted."""
        self.page.goto("/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        dialog = self.page.get_by_role("dialog")
        dialog.get_by_label("Connection ID").fill(connection_id)
        dialog.get_by_label("Connection Type").click()
        self.page.keyboard.type("3Commas")
        self.page.get_by_role("option", name="3Commas").click()
        self.fill(dialog, standard, extra)
        return dialog

    def fill(self, dialog: Locator, standard: dict[str, str], extra: dict[str, str]) -> None:
        for label, value in standard.items():
            self._enter(dialog.get_by_label(label, exact=True), value)
        if extra:
            self.open_extra(dialog)
            for name, value in extra.items():
                self._enter(dialog.locator(f"[name=element_{name}]"), value)

    def open_extra(self, dialog: Locator) -> None:
        button = dialog.get_by_role("button", name="Extra Fields", exact=True)
        if button.get_attribute("aria-expanded") != "true":
            button.click()
        expect(dialog.locator("[name=element_private_key]")).to_be_visible()

    def _enter(self, field: Locator, value: str) -> None:
        if "\n" not in value:
            field.fill(value)
            field.blur()
            return
        self.page.evaluate("(text) => navigator.clipboard.writeText(text)", value)
        field.click()
        self.page.keyboard.press("Control+V")
        field.blur()

    def save(self, dialog: Locator) -> None:
        dialog.get_by_role("button", name="Save").click()
        expect(dialog).to_be_hidden()

    def edit(self, connection_id: str) -> Locator:
        self._row(connection_id).get_by_role("button", name="Edit Connection").click()
        dialog = self.page.get_by_role("dialog")
        expect(dialog.get_by_label("Connection ID")).to_have_value(connection_id)
        return dialog

    def test(self, connection_id: str) -> str:
        """Press the Test button, and return what is then on the screen."""
        button = self._row(connection_id).get_by_role("button", name="Test Connection")
        # A tooltip of another row could be in the way.
        self.page.mouse.move(0, 0)
        with self.page.expect_response("**/api/v2/connections/test") as reply:
            button.click()
        assert reply.value.status == 200, reply.value.text()
        toast = self.page.get_by_role("status").filter(has_text=reply.value.json()["message"])
        expect(toast).to_be_visible()
        # It fades in.
        expect(toast).to_have_css("opacity", "1")
        return toast.inner_text()

    def _row(self, connection_id: str) -> Locator:
        return self.page.get_by_role("row").filter(has=self.page.get_by_role("cell", name=connection_id, exact=True))

    # Runs

    def trigger(self, dag_id: str, fill: Any) -> str:
        """Trigger a DAG through the form, and return the run's id; the browser is on the run's page then."""
        self.page.goto(f"/dags/{dag_id}")
        self.page.get_by_role("button", name="Trigger Dag").click()
        dialog = self.page.get_by_role("dialog")
        fill(dialog)
        with self.page.expect_response(lambda reply: reply.request.method == "POST" and "/dagRuns" in reply.url) as r:
            dialog.get_by_role("button", name="Trigger", exact=True).click()
        run_id: str = r.value.json()["dag_run_id"]
        self.page.wait_for_url(lambda address: "/runs/" in address)
        return run_id

    def open_run(self, dag_id: str, run_id: str, rest: str = "") -> None:
        self.page.goto(f"/dags/{dag_id}/runs/{quote(run_id, safe='')}{rest}")

    def open_tab(self) -> FrameLocator:
        """Open the tab of the run or task instance that is on the screen."""
        self.page.get_by_role("link", name="Liquidation", exact=True).click()
        return self.frame

    @property
    def frame(self) -> FrameLocator:
        return self.page.frame_locator("iframe")

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        path = f"dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.get(f"{path}?map_index={map_index}")["value"]


def sell_for_real(dialog: Locator) -> None:
    """Untick the dry run in the trigger form."""
    # The field itself is invisible; its frame is what one clicks on.
    dialog.get_by_label("Dry run").locator("xpath=..").click()
    expect(dialog.get_by_label("Dry run")).not_to_be_checked()


def overflow(frame: FrameLocator) -> int:
    """Return by how many pixels a page is wider than its window."""
    return int(frame.locator("html").evaluate("(root) => root.scrollWidth - root.clientWidth"))


def overflow_of_page(page: Page) -> int:
    """Return by how many pixels a page outside of a frame is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def numbers(text: str) -> list[str]:
    """Return the numbers in a text, without the commas between thousands."""
    return re.findall(r"\d+(?:\.\d+)?", text.replace(",", ""))
