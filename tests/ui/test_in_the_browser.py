"""What somebody does without the README: connect, test, trigger, watch, look. In this order, in one Airflow."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from airflow_provider_3commas.report import build_report, render_html
from tests.ui.world import HOSTILE, HOSTILE_BEGINNING, HOSTILE_EXCHANGE, HOSTILE_ID, PATIENCE, Viewer, numbers, overflow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, FrameLocator, Locator

    from airflow_provider_3commas.simulator import Simulator
    from local_airflow.example_airflow import ExampleAirflow
    from tests.ui.world import Keys, Traces

LIQUIDATION, FLEET, REPORT = "risk_off_liquidation", "risk_off_fleet", "risk_off_report"
DEFAULT = "threecommas_default"
ACCOUNT, LOCKED = 32500001, 32500004
SUCCESS = re.compile(r"Connected in real mode: the key can read (\d+) exchange accounts")


@dataclass
class Story:
    """What the earlier tests have done, for the later ones."""

    runs: dict[str, str] = field(default_factory=dict)
    before: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


def sell_for_real(dialog: Locator) -> None:
    """Untick the dry run in the trigger form."""
    # The field itself is invisible; its frame is what one clicks on.
    dialog.get_by_label("Dry run").locator("xpath=..").click()
    expect(dialog.get_by_label("Dry run")).not_to_be_checked()


class TestConnections:
    @pytest.fixture(autouse=True)
    def _never_in_the_page(self, admin: Viewer) -> Iterator[None]:
        yield
        admin.traces.see(admin.page)

    def test_private_key_with_line_breaks(self, admin: Viewer, simulator: Simulator, keys: Keys) -> None:
        dialog = admin.fill_form(
            DEFAULT,
            {"Address": simulator.url, "API key": keys.lines, "Port": "0"},
            {"private_key": (pem := keys.pem(keys.lines)), "requests_per_minute": "1000"},
        )
        assert dialog.locator("[name=element_private_key]").input_value() == pem
        admin.save(dialog)

        text = admin.test(DEFAULT)
        assert "Test Connection Successful" in text
        real = [account for account in simulator.state()["accounts"] if account["market_code"] != "paper_trading"]
        assert SUCCESS.search(text).group(1) == str(len(real))
        admin.picture("connection-test-success")

    def test_private_key_in_the_password_field(self, admin: Viewer, simulator: Simulator, keys: Keys) -> None:
        dialog = admin.fill_form(
            "key_in_password",
            {"Address": simulator.url, "API key": keys.password, "Port": "0", "API secret": keys.pem(keys.password)},
            {},
        )
        # A field of one line makes blanks of line breaks.
        assert "\n" not in dialog.get_by_label("API secret").input_value()
        admin.save(dialog)

        assert SUCCESS.search(admin.test("key_in_password"))

    @pytest.mark.parametrize("connection_id", [DEFAULT, "key_in_password"])
    def test_saving_again_keeps_the_secrets(self, admin: Viewer, connection_id: str) -> None:
        admin.page.goto("/connections")
        dialog = admin.edit(connection_id)
        admin.fill(dialog, {"Description": "seen again"}, {"timeout": "20"})
        admin.picture(f"connection-edit-{connection_id}")
        admin.save(dialog)

        expect(admin.page.get_by_role("cell", name="seen again").first).to_be_visible()
        stored = admin.get(f"connections/{connection_id}")
        assert stored["description"] == "seen again"
        assert '"timeout": 20' in stored["extra"]
        assert SUCCESS.search(admin.test(connection_id))
        # And once more, without a change.
        dialog = admin.edit(connection_id)
        dialog.get_by_label("Description").fill("seen thrice")
        admin.save(dialog)
        assert SUCCESS.search(admin.test(connection_id))

    def test_only_key_and_secret(self, admin: Viewer, simulator: Simulator) -> None:
        dialog = admin.fill_form(
            "only_key_and_secret", {"API key": simulator.api_key, "API secret": simulator.secret}, {}
        )
        admin.save(dialog)

        stored = admin.get("connections/only_key_and_secret")
        assert (stored["host"], stored["login"], stored["password"]) in [
            (host, simulator.api_key, "***") for host in (None, "")
        ]

        dialog = admin.edit("only_key_and_secret")
        admin.fill(dialog, {"Address": simulator.url, "Port": "0"}, {})
        admin.save(dialog)
        assert SUCCESS.search(admin.test("only_key_and_secret"))

    def test_wrong_secret_is_explained(self, admin: Viewer, simulator: Simulator, keys: Keys) -> None:
        standard = {"Address": simulator.url, "API key": simulator.api_key, "Port": "0"}
        admin.save(admin.fill_form("wrong", {**standard, "API secret": keys.wrong_secret}, {}))

        text = admin.test("wrong")
        assert "Test Connection Failed" in text
        assert "Wrong signature (401 signature_invalid)" in text
        assert "the API secret does not belong to it" in text
        assert keys.wrong_secret not in text
        admin.picture("connection-test-failure")

    def test_form_looks_like_this(self, admin: Viewer) -> None:
        admin.page.set_viewport_size({"width": 1280, "height": 1250})
        dialog = admin.fill_form("a_picture", {"API key": "the API key"}, {})
        expect(dialog.get_by_label("Port")).to_be_visible()
        expect(dialog.get_by_label("Schema")).to_have_count(0)
        admin.picture("form-standard")
        admin.open_extra(dialog)
        admin.picture("form-extra")
        admin.page.set_viewport_size({"width": 1280, "height": 900})


class TestLiquidation:
    def test_run_is_triggered_and_the_tab_follows_it(self, admin: Viewer, simulator: Simulator, story: Story) -> None:
        story.before = simulator.account(ACCOUNT)

        def fill(dialog: Locator) -> None:
            dialog.get_by_label("Account id").fill(str(ACCOUNT))
            sell_for_real(dialog)
            admin.picture("trigger-form")

        story.runs[LIQUIDATION] = admin.trigger(LIQUIDATION, fill)
        frame = admin.open_tab()
        # It says what it is doing, and nobody presses anything until it is over.
        expect(frame.locator("#state")).to_contain_text("refreshed by itself", timeout=PATIENCE)
        expect(frame.locator(".tc-badge")).to_have_text("Settling", timeout=PATIENCE)
        admin.picture("tab-while-it-settles")
        expect(frame.locator(".tc-badge")).to_have_text("Settled", timeout=PATIENCE)
        expect(frame.locator("#state")).to_have_text("Run ended: success.", timeout=PATIENCE)
        expect(admin.page.get_by_text("Success", exact=True).first).to_be_visible(timeout=PATIENCE)
        assert [sell["account_id"] for sell in simulator.sells()] == [ACCOUNT]

    def test_numbers_are_those_of_xcoms_and_exchange(self, admin: Viewer, simulator: Simulator, story: Story) -> None:
        run_id = story.runs[LIQUIDATION]
        before = admin.xcom(LIQUIDATION, run_id, "liquidate", "holdings_before")
        settlement = admin.xcom(LIQUIDATION, run_id, "settled")
        now = simulator.account(ACCOUNT)["holdings"]
        # The same in all three: what was held, what is held.
        assert {row["currency"]: Decimal(row["amount"]) for row in before["holdings"]} == {
            currency: Decimal(held["amount"]) for currency, held in story.before["holdings"].items()
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
        for currency, held in story.before["holdings"].items():
            asset = frame.get_by_role("rowheader", name=re.compile(rf"^{currency}\b"))
            row = frame.get_by_role("row").filter(has=asset).first
            shown = [Decimal(numbers(row.get_by_role("cell").nth(cell).inner_text())[0]) for cell in (0, 1)]
            left = now[currency]["amount"] if currency in now else "0"
            assert shown == [Decimal(held["amount"]), Decimal(left)]
        expect(frame.locator(".tc-card", has_text="What was not sold, and why")).to_contain_text("Dust: worth no more")

    @pytest.mark.parametrize("task_id", ["liquidate", "settled"])
    def test_task_has_the_tab_too(self, admin: Viewer, story: Story, task_id: str) -> None:
        admin.open_run(LIQUIDATION, story.runs[LIQUIDATION], f"/tasks/{task_id}")
        frame = admin.open_tab()
        expect(frame.locator("h1")).to_have_text("Grid bots")
        expect(frame.locator(".tc-badge")).to_have_text("Settled")
        admin.traces.see(admin.page)

    @pytest.mark.parametrize("task_id", ["liquidate", "settled"])
    def test_extra_link_leads_to_the_account(self, admin: Viewer, story: Story, task_id: str) -> None:
        admin.open_run(LIQUIDATION, story.runs[LIQUIDATION], f"/tasks/{task_id}/details")
        link = admin.page.get_by_role("link", name="3Commas account")
        expect(link).to_have_attribute("href", f"https://3commas.io/accounts/{ACCOUNT}")
        admin.picture(f"extra-link-{task_id}")

    def test_run_without_a_liquidation_says_so(self, admin: Viewer) -> None:
        # The settled account has started it.
        def runs() -> list[dict[str, Any]]:
            return [run for run in admin.get(f"dags/{REPORT}/dagRuns")["dag_runs"] if run["state"] == "success"]

        admin.airflow.wait_for(REPORT, runs)
        admin.open_run(REPORT, runs()[0]["dag_run_id"])
        frame = admin.open_tab()
        expect(frame.locator(".tc-message")).to_contain_text("This run has no liquidation")
        admin.picture("tab-without-a-liquidation")


class TestFleet:
    def test_run_is_triggered_and_watched(
        self, admin: Viewer, airflow: ExampleAirflow, simulator: Simulator, story: Story
    ) -> None:
        def fill(dialog: Locator) -> None:
            sell_for_real(dialog)
            admin.picture("trigger-form-fleet")

        # One of the accounts has just been sold by a test above; for ten minutes another task would be refused.
        with closing(sqlite3.connect(airflow.home / "threecommas_budget.sqlite")) as sales, sales:
            assert sales.execute("DELETE FROM texts").rowcount

        story.runs[FLEET] = admin.trigger(FLEET, fill)
        frame = admin.open_tab()
        expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6, timeout=PATIENCE)
        admin.picture("fleet-while-it-settles")
        # One account is locked, so the run fails; the others go on.
        expect(frame.locator("#state")).to_have_text("Run ended: failed.", timeout=2 * PATIENCE)
        expect(frame.locator(".tc-headline")).to_have_text("5 of 6 accounts settled.")
        expect(frame.locator("tfoot")).to_contain_text("All 6")
        expect(frame.locator("tfoot")).to_contain_text("5 settled")
        admin.picture("fleet")

    def test_totals_are_those_of_the_rows(self, admin: Viewer, story: Story) -> None:
        frame = self._open(admin, story)
        for column in (2, 3, 5):
            cells = [numbers(text) for text in self._column(frame, column)]
            total = frame.locator("tfoot").locator("th, td").nth(column).inner_text()
            assert sum(Decimal(cell[0]) for cell in cells if cell) == pytest.approx(
                Decimal(numbers(total)[0]), abs=Decimal("0.00000003")
            )

    def test_every_column_sorts(self, admin: Viewer, story: Story) -> None:
        frame = self._open(admin, story)
        for column, key in ((2, "before"), (3, "after"), (5, "unsold")):
            frame.locator(f"#sort-{key}").click()
            expect(frame.locator("th[aria-sort=descending]")).to_contain_text(
                frame.locator(f"#sort-{key}").inner_text()
            )
            values = [Decimal(numbers(text)[0]) for text in self._column(frame, column) if numbers(text)]
            assert len(values) >= 5
            assert values == sorted(values, reverse=True)
            frame.locator(f"#sort-{key}").click()
            expect(frame.locator("th[aria-sort=ascending]")).to_have_count(1)
            values = [Decimal(numbers(text)[0]) for text in self._column(frame, column) if numbers(text)]
            assert values == sorted(values)
        frame.locator("#sort-title").click()
        names = [name.casefold() for name in frame.locator(".tc-link").all_inner_texts()]
        assert names == sorted(names)
        frame.locator("#sort-status").click()
        assert frame.locator(".tc-fleet .tc-badge").first.inner_text() == "Failed"

    def test_filter_leaves_what_is_not_settled(self, admin: Viewer, story: Story) -> None:
        frame = self._open(admin, story)
        frame.locator("#open-only").check()
        expect(frame.locator(".tc-fleet tbody tr")).to_have_count(1)
        # It has no holdings, only what it was asked for, and why it was refused.
        expect(frame.locator(".tc-fleet tbody")).to_contain_text("Locked out")
        expect(frame.locator(".tc-fleet tbody")).to_contain_text(str(LOCKED))
        expect(frame.locator(".tc-fleet tbody .tc-why")).to_contain_text("locked")
        frame.locator("#open-only").uncheck()
        expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6)

    def test_account_opens_and_closes(self, admin: Viewer, story: Story) -> None:
        frame = self._open(admin, story)
        frame.get_by_role("button", name="Savings").click()
        expect(frame.locator("h1")).to_have_text("Savings")
        frame.locator("#back").click()
        expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6)

    def test_account_that_was_refused_says_why(self, admin: Viewer, story: Story) -> None:
        frame = self._open(admin, story)
        frame.get_by_role("button", name="Locked out").click()
        expect(frame.locator(".tc-badge")).to_have_text("Failed")
        expect(frame.locator(".tc-headline")).to_contain_text("Nothing was sold: the liquidation was refused")
        expect(frame.locator(".tc-headline")).to_contain_text("locked")
        admin.picture("refused")

    def test_mapped_task_has_the_tab_of_its_account(self, admin: Viewer, story: Story) -> None:
        selected = admin.xcom(FLEET, story.runs[FLEET], "select_accounts")
        for index, account in enumerate(selected[:2]):
            admin.open_run(FLEET, story.runs[FLEET], f"/tasks/take_to_safety.liquidate/mapped/{index}")
            expect(admin.open_tab().locator("h1")).to_have_text(account["account_name"])

    @staticmethod
    def _open(admin: Viewer, story: Story) -> FrameLocator:
        admin.open_run(FLEET, story.runs[FLEET])
        frame = admin.open_tab()
        expect(frame.locator(".tc-fleet tbody tr")).to_have_count(6)
        return frame

    @staticmethod
    def _column(frame: FrameLocator, number: int) -> list[str]:
        rows = frame.locator(".tc-fleet tbody tr")
        return [rows.nth(row).locator("th, td").nth(number).inner_text() for row in range(rows.count())]


class TestHostileName:
    def test_in_the_fleet_and_in_its_own_view(self, admin: Viewer, story: Story) -> None:
        admin.open_run(FLEET, story.runs[FLEET])
        frame = admin.open_tab()
        row = frame.locator(".tc-fleet tbody tr", has_text=str(HOSTILE_ID))
        expect(row).to_contain_text(HOSTILE_BEGINNING)
        expect(row).to_contain_text(HOSTILE_EXCHANGE)
        row.get_by_role("button").click()
        expect(frame.locator("h1")).to_contain_text(HOSTILE_BEGINNING)
        expect(frame.locator("h1")).to_contain_text("{{ 7 * 7 }}")
        assert overflow(frame) == 0
        assert frame.locator("img, svg[onload], script:not([src])").count() == 0
        admin.picture("hostile-name")

    def test_in_airflows_own_pages(self, admin: Viewer, story: Story) -> None:
        selected = admin.xcom(FLEET, story.runs[FLEET], "select_accounts")
        names = [account["account_name"] for account in selected]
        index = names.index(HOSTILE)

        task = f"/tasks/take_to_safety.liquidate/mapped/{index}"
        admin.open_run(FLEET, story.runs[FLEET], f"{task}/task-state-store")
        admin.page.get_by_role("link", name="XCom", exact=True).click()
        admin.page.wait_for_url("**/xcom")
        admin.page.get_by_role("button", name="Expand all extra JSON").click()
        expect(admin.page.locator(".view-lines", has_text="<img src=x onerror=").first).to_be_visible()
        admin.picture("hostile-name-xcom")
        admin.open_run(FLEET, story.runs[FLEET], f"{task}/rendered_templates")
        expect(admin.page.locator("body")).to_contain_text(HOSTILE_BEGINNING)
        expect(admin.page.locator("body")).to_contain_text("{{ 7 * 7 }}")
        admin.picture("hostile-name-rendered-templates")
        admin.open_run(FLEET, story.runs[FLEET], task)
        expect(admin.page.get_by_text("Selling account").first).to_be_visible()
        admin.picture("hostile-name-log")

    def test_in_the_report_as_a_page(
        self, admin: Viewer, story: Story, tmp_path: Path, browser: Browser, screenshots: Path
    ) -> None:
        names = [account["account_name"] for account in admin.xcom(FLEET, story.runs[FLEET], "select_accounts")]
        index = names.index(HOSTILE)

        def xcom(task: str, key: str) -> Any:
            return admin.xcom(FLEET, story.runs[FLEET], f"take_to_safety.{task}", key, index)

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
        reader = Viewer(browser, admin.airflow, admin.traces, screenshots, viewport={"width": 360, "height": 740})
        reader.page.goto(page.as_uri())
        expect(reader.page.locator("h1")).to_contain_text(HOSTILE_BEGINNING)
        assert reader.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        reader.picture("report-phone")
        reader.close()


class TestLooks:
    @pytest.mark.parametrize("theme", ["light", "dark"])
    @pytest.mark.parametrize(("device", "width", "height"), [("desktop", 1280, 1500), ("phone", 360, 740)])
    def test_tab_and_fleet(
        self, admin: Viewer, story: Story, browser: Browser, screenshots: Path, theme: str, device: str, width: int,
        height: int,
    ) -> None:  # fmt: skip
        viewer = Viewer(
            browser, admin.airflow, admin.traces, screenshots, viewport={"width": width, "height": height},
            color_scheme=theme, storage_state=admin.context.storage_state(),
        )  # fmt: skip
        for dag_id, name, there in ((LIQUIDATION, "tab", ".tc-tiles"), (FLEET, "fleet", ".tc-fleet tbody tr")):
            viewer.open_run(dag_id, story.runs[dag_id], "/plugin/threecommas-liquidation")
            expect(viewer.frame.locator(there).first).to_be_visible()
            expect(viewer.frame.locator("html")).to_have_attribute("data-theme", theme)
            assert overflow(viewer.frame) == 0
            viewer.picture(f"{name}-{device}-{theme}")
            # Below Airflow's own frame there is little of it on a phone: the page by itself.
            address = f"dag_id={dag_id}&run_id={quote(story.runs[dag_id], safe='')}"
            viewer.page.goto(f"/threecommas/liquidation.html?{address}")
            expect(viewer.page.locator(there).first).to_be_visible()
            wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            assert viewer.page.evaluate(wide) == 0
            viewer.traces.see(viewer.page)
            viewer.page.screenshot(path=screenshots / f"{name}-{device}-{theme}-whole.png", full_page=True)
        viewer.close()


class TestPermissions:
    @pytest.mark.parametrize(
        ("user", "message"),
        [
            (None, "You are not logged in to Airflow any more."),
            ("stranger", "You are not allowed to see the tasks and XComs of this DAG."),
        ],
    )
    def test_who_may_not_read_the_dag_gets_nothing(
        self, airflow: ExampleAirflow, browser: Browser, screenshots: Path, story: Story, user: str | None, message: str
    ) -> None:
        from tests.ui.world import Traces

        traces = Traces()
        viewer = Viewer(browser, airflow, traces, screenshots)
        if user:
            viewer.log_in(user)
        for dag_id, run_id in story.runs.items():
            viewer.page.goto(f"/threecommas/liquidation.html?dag_id={dag_id}&run_id={quote(run_id, safe='')}")
            expect(viewer.page.locator(".tc-message")).to_contain_text(message)
            traces.see(viewer.page)
        viewer.picture(f"permissions-{user or 'anonymous'}")
        viewer.close()

        asked = [text for address, text in traces.received if "/api/v2/dags/" in address]
        assert asked
        everything = [text for _, text in (*traces.received, *traces.shown)]
        for fact in ("Grid bots", "Savings", HOSTILE_BEGINNING, "bybit_spot", "Bybit Spot"):
            assert not [text for text in everything if fact in text], fact

    def test_who_may_read_it_sees_the_tab(
        self, airflow: ExampleAirflow, browser: Browser, traces: Traces, screenshots: Path, story: Story
    ) -> None:
        viewer = Viewer(browser, airflow, traces, screenshots)
        viewer.log_in("viewer")
        viewer.open_run(LIQUIDATION, story.runs[LIQUIDATION])
        expect(viewer.open_tab().locator("h1")).to_have_text("Grid bots")
        traces.see(viewer.page)
        viewer.close()


class TestTraces:
    """Of everything above."""

    def test_no_script_ran_and_nothing_complained(self, traces: Traces) -> None:
        assert len(traces.shown) > 20
        assert not traces.alarms

    def test_no_secret_was_in_a_page_or_a_reply(
        self, admin: Viewer, traces: Traces, simulator: Simulator, keys: Keys
    ) -> None:
        again = [
            (url, reply.text())
            for url in dict.fromkeys(traces.unread)
            if "/api/" in url or "/ui/" in url
            if (reply := admin.context.request.get(url)).status != 405
        ]
        assert len([url for url, _ in traces.received if "/api/v2/" in url]) > 50
        everything = [*traces.received, *traces.shown, *again]
        # What is looked for would be found.
        assert [text for _, text in everything if keys.lines in text]
        secrets = keys.secret_texts(simulator.secret)
        assert not [(url, secret) for url, text in everything for secret in secrets if secret in text]

    def test_no_secret_is_in_a_log_or_in_the_database(
        self, airflow: ExampleAirflow, simulator: Simulator, keys: Keys
    ) -> None:
        files = {path: path.read_bytes() for path in airflow.home.rglob("*") if path.is_file()}
        logs = {path: text for path, text in files.items() if path.suffix == ".log"}
        assert len(logs) >= 20
        assert [path for path, text in logs.items() if str(ACCOUNT).encode() in text]
        secrets = keys.secret_texts(simulator.secret)
        assert not [(path, secret) for path, text in files.items() for secret in secrets if secret.encode() in text]
        # Airflow shows the API key, the login, in its form; it is in no log all the same.
        api_keys = (simulator.api_key, keys.lines, keys.password)
        assert not [(path, key) for path, text in logs.items() for key in api_keys if key.encode() in text]
