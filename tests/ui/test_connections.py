"""Connect as somebody does without the README: fill in the form, save it, press the Test button."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_provider_3commas.simulator import Simulator
    from tests.ui.browser import BrowserUser
    from tests.ui.inputs import ApiKeys

DEFAULT = "threecommas_default"
SUCCESS = re.compile(r"Connected in real mode: the key can read (\d+) exchange accounts")


@pytest.fixture(autouse=True)
def _never_in_the_page(admin: BrowserUser) -> Iterator[None]:
    yield
    admin.record.record_page(admin.page)


def test_private_key_with_line_breaks(admin: BrowserUser, simulator: Simulator, api_keys: ApiKeys) -> None:
    dialog = admin.fill_form(
        DEFAULT,
        {"Address": simulator.url, "API key": api_keys.lines, "Port": "0"},
        {"private_key": (pem := api_keys.pem(api_keys.lines)), "requests_per_minute": "1000"},
    )
    assert dialog.locator("[name=element_private_key]").input_value() == pem
    admin.save(dialog)

    text = admin.test(DEFAULT)
    assert "Test Connection Successful" in text
    real = [account for account in simulator.state()["accounts"] if account["market_code"] != "paper_trading"]
    assert SUCCESS.search(text).group(1) == str(len(real))
    admin.screenshot("connection-test-success")


def test_private_key_in_the_password_field(admin: BrowserUser, simulator: Simulator, api_keys: ApiKeys) -> None:
    dialog = admin.fill_form(
        "key_in_password",
        {
            "Address": simulator.url,
            "API key": api_keys.password,
            "Port": "0",
            "API secret": api_keys.pem(api_keys.password),
        },
        {},
    )
    # A field of one line makes blanks of line breaks.
    assert "\n" not in dialog.get_by_label("API secret").input_value()
    admin.save(dialog)

    assert SUCCESS.search(admin.test("key_in_password"))


@pytest.mark.parametrize("connection_id", [DEFAULT, "key_in_password"])
def test_saving_again_keeps_the_secrets(admin: BrowserUser, connection_id: str) -> None:
    admin.page.goto("/connections")
    dialog = admin.edit(connection_id)
    admin.fill(dialog, {"Description": "seen again"}, {"timeout": "20"})
    admin.screenshot(f"connection-edit-{connection_id}")
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


def test_only_key_and_secret(admin: BrowserUser, simulator: Simulator) -> None:
    dialog = admin.fill_form("only_key_and_secret", {"API key": simulator.api_key, "API secret": simulator.secret}, {})
    admin.save(dialog)

    stored = admin.get("connections/only_key_and_secret")
    assert (stored["host"], stored["login"], stored["password"]) in [
        (host, simulator.api_key, "***") for host in (None, "")
    ]

    dialog = admin.edit("only_key_and_secret")
    admin.fill(dialog, {"Address": simulator.url, "Port": "0"}, {})
    admin.save(dialog)
    assert SUCCESS.search(admin.test("only_key_and_secret"))


def test_wrong_secret_is_explained(admin: BrowserUser, simulator: Simulator, api_keys: ApiKeys) -> None:
    standard = {"Address": simulator.url, "API key": simulator.api_key, "Port": "0"}
    admin.save(admin.fill_form("wrong", {**standard, "API secret": api_keys.wrong_secret}, {}))

    text = admin.test("wrong")
    assert "Test Connection Failed" in text
    assert "Wrong signature (401 signature_invalid)" in text
    assert "the API secret does not belong to it" in text
    assert api_keys.wrong_secret not in text
    admin.screenshot("connection-test-failure")


def test_what_a_state_forbids_is_told_from_a_missing_permission(
    admin: BrowserUser, simulator: Simulator, api_keys: ApiKeys
) -> None:
    """A key whose user has no active subscription: reads are answered with 403."""
    simulator.put_key(api_keys.forbidden, secret=api_keys.secret_of_forbidden, forbidden=["reads"])
    fields = {"Address": simulator.url, "API key": api_keys.forbidden, "Port": "0"}
    admin.save(admin.fill_form("forbidden", {**fields, "API secret": api_keys.secret_of_forbidden}, {}))

    text = admin.test("forbidden")
    assert "Test Connection Failed" in text
    assert "Key and signature are good" in text
    assert "403 Forbidden: Active subscription is required" in text
    assert "see to the subscription in 3Commas" in text
    assert "lacks a permission" not in text
    assert api_keys.secret_of_forbidden not in text
    admin.screenshot("connection-test-forbidden")


def test_form_looks_like_this(admin: BrowserUser) -> None:
    admin.page.set_viewport_size({"width": 1280, "height": 1250})
    dialog = admin.fill_form("a_picture", {"API key": "the API key"}, {})
    expect(dialog.get_by_label("Port")).to_be_visible()
    expect(dialog.get_by_label("Schema")).to_have_count(0)
    admin.screenshot("form-standard")
    admin.open_extra(dialog)
    admin.screenshot("form-extra")
    admin.page.set_viewport_size({"width": 1280, "height": 900})
