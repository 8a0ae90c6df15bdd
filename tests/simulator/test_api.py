from __future__ import annotations

from decimal import Decimal

import pytest


@pytest.mark.parametrize(
    "account_id",
    ["summary", "abc", "-1", "0", "1e3", "32402783x", "%33%32", "12%2F..%2F13", "\uff11\uff12", "999999999"],
)
def test_sell_takes_nothing_but_the_id_of_an_account(sim, api, account_id):
    from urllib.parse import quote

    answer = api.sell(quote(account_id, safe="%"))
    assert (answer.status, answer.json["error"]) == (404, "not_found")
    assert sim.sells() == []
    attempt = sim.sell_attempts()[0]
    assert (attempt["sell"], attempt["applied"], attempt["status"]) == (True, False, 404)


@pytest.mark.parametrize(
    ("scenario", "status", "error"),
    [
        ("unsupported", 403, {"error": "Forbidden. Unavailable for this account."}),
        (
            "keys-expired",
            422,
            {
                "error": "invalid_api_key",
                "error_description": "API keys are no longer valid or incorrect.",
            },
        ),
        ("locked", 400, None),
    ],
)
@pytest.mark.parametrize("target", ["btc", "usd"])
def test_account_that_can_not_be_sold(sim, api, scenario, status, error, target):
    sim.reset(scenario)
    answer = api.sell(target=target)
    assert answer.status == status
    if error:
        assert answer.json == error
    assert sim.sells() == []


def test_flags_of_those_accounts(sim, api):
    sim.reset("unsupported")
    assert api.account()["fast_convert_available"] is False
    sim.reset("locked")
    assert (api.account()["is_locked"], api.account()["lock_reason"]) == (True, "Subscription expired")
    sim.reset("keys-expired")
    assert (api.account()["api_key_invalid"], api.account()["api_keys_state"]) == (True, "expired")
    assert api("POST", "/ver1/accounts/32402783/load_balances").status == 422


def test_account_is_like_the_documented_one(api):
    account = api.account()
    assert len(account) >= 55
    assert (account["id"], account["name"], account["market_code"]) == (32402783, "My Binance US", "binance_us")
    assert account["api_key"].startswith("simulator-LEAKED-exchange-api-key")
    assert isinstance(account["btc_amount"], str)
    assert isinstance(account["primary_display_currency_amount"]["amount"], str)
    assert isinstance(account["total_primary_display_currency_profit"]["amount"], Decimal)
    assert Decimal("0.7") < Decimal(account["btc_amount"]) < Decimal("0.9")


def test_rows_mix_strings_and_numbers_and_add_up_to_the_account(api):
    rows, account = api.rows(), api.account()
    assert {type(row["position"]) for row in rows} == {str, Decimal}
    total = sum(Decimal(row["btc_value"]) for row in rows)
    assert abs(total - Decimal(account["btc_amount"])) < Decimal("1E-12")
    raw = api("POST", "/ver1/accounts/32402783/account_table_data").body
    assert b"E-5" in raw


def test_replies_bear_the_headers_of_the_cdn(sim, api):
    first, second = api("GET", "/ver1/validate"), api("GET", "/ver1/validate")
    assert first.headers["server"] == "cloudflare"
    assert {"date", "cf-ray", "x-request-id"} <= first.headers.keys()
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert [entry["request_id"] for entry in sim.journal()] == [
        first.headers["x-request-id"],
        second.headers["x-request-id"],
    ]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "accounts", 200),
        ("GET", "accounts/32402783", 200),
        ("POST", "accounts/32402783/load_balances", 201),
        ("POST", "accounts/32402783/account_table_data", 201),
        ("POST", "accounts/32402783/pie_chart_data", 201),
        ("GET", "accounts/32402783/active_trading_entities", 200),
        ("GET", "accounts/32402783/balance_chart_data?date_from=2026-01-01T00:00:00.000Z", 200),
        ("GET", "accounts/32402783/balance_chart_data", 400),
        ("GET", "accounts/32402783/balance_chart_data?date_from=yesterday", 400),
        ("GET", "accounts/summary", 200),
        ("POST", "accounts/summary/account_table_data", 201),
        ("POST", "accounts/summary/pie_chart_data", 201),
        ("GET", "accounts/summary/active_trading_entities", 200),
        ("POST", "accounts/summary/load_balances", 201),
        ("GET", "accounts?page=x", 400),
        ("GET", "accounts?page=0", 400),
        ("GET", "bots?scope=some", 400),
        ("GET", "accounts/1", 404),
        ("GET", "nothing", 404),
        ("GET", "accounts/32402783/sell_all_to_btc", 405),
        ("DELETE", "accounts/32402783", 405),
    ],
)
def test_status_of_every_call(sim, api, method, path, status):
    answer = api(method, f"/ver1/{path}")
    assert answer.status == status
    if status == 400:
        assert answer.json["error"] == "record_invalid"
        assert answer.json["error_attributes"]
    assert sim.sells() == []


def test_list_of_accounts_has_at_most_100_a_page(sim, api):
    sim.reset("fleet")
    pages = [api("GET", f"/ver1/accounts?page={page}&per_page=500").json for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [100, 100, 0]
    ids = {account["id"] for page in pages for account in page}
    assert len(ids) == 200
    assert all(account["fast_convert_available"] for page in pages for account in page)
    assert len({account["market_code"] for page in pages for account in page}) > 3
    assert len(api("GET", "/ver1/accounts?page=3&per_page=7").json) == 7


def test_bots_are_listed_switched_and_counted(api):
    path = "/ver1/bots?account_id=32402783&scope=enabled&limit=100&offset=0"
    bots = api("GET", path).json
    assert [bot["is_enabled"] for bot in bots] == [True] * 3
    assert api("POST", f"/ver1/bots/{bots[0]['id']}/disable").json["is_enabled"] is False
    assert len(api("GET", path).json) == 2
    assert len(api("GET", path.replace("enabled", "disabled")).json) == 1
    counts = api("GET", "/ver1/accounts/32402783/active_trading_entities").json["data"]
    assert (counts["active_bots_count"], counts["active_deals_count"]) == (2, 2)
    assert api("POST", f"/ver1/bots/{bots[0]['id']}/enable").status == 201
    assert len(api("GET", path).json) == 3
    assert api("POST", "/ver1/bots/1/enable").status == 404


def test_grid_bots_are_separate(sim, api):
    sim.change_account(grid_bots=2)
    assert len(api("GET", "/ver1/grid_bots?account_id=32402783&state=enabled&limit=1000&offset=0").json) == 2
    assert len(api("GET", "/ver1/bots?account_id=32402783").json) == 3


def test_fields_of_an_account_can_be_overridden(sim, api):
    sim.change_account(fields={"api_keys_state": None, "surprise": [1]}, name="Renamed")
    account = api.account()
    assert (account["api_keys_state"], account["surprise"], account["name"]) == (None, [1], "Renamed")
