"""Refusals that depend on a state, or on what was asked: 400, 403, 404, 405, 422; each bears the date."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from airflow_provider_3commas.simulator import SimulatorError

ID = 32402783
SUBSCRIPTION = {"error": "Forbidden", "error_description": "Active subscription is required"}

READS = [
    ("GET", f"/ver1/accounts/{ID}"),
    ("POST", f"/ver1/accounts/{ID}/load_balances"),
    ("POST", f"/ver1/accounts/{ID}/account_table_data"),
    ("GET", f"/ver1/accounts/{ID}/active_trading_entities"),
]
WRITES = [
    ("POST", f"/ver1/accounts/{ID}/sell_all_to_btc"),
    ("POST", f"/ver1/accounts/{ID}/sell_all_to_usd"),
    ("POST", "/ver1/bots/{dca}/disable"),
    ("POST", "/ver1/bots/{dca}/panic_sell_all_deals"),
    ("POST", "/ver1/grid_bots/{grid}/enable"),
    ("POST", f"/ver1/accounts/{ID}/convert_dust_to_bnb"),
]


@pytest.fixture
def busy(sim):
    sim.reset("busy")
    return sim


@pytest.fixture
def ids(busy, api):
    return {"dca": api("GET", "/ver1/bots").json[0]["id"], "grid": api("GET", "/ver1/grid_bots").json[0]["id"]}


class TestActiveSubscriptionIsRequired:
    @pytest.mark.parametrize("who", ["account", "key"])
    @pytest.mark.parametrize(("calls", "refused"), [("reads", READS), ("writes", WRITES)])
    def test_for_a_class_of_calls(self, busy, api, ids, who, calls, refused):
        self.forbid(busy, who, [calls])
        for method, path in refused:
            answer = api(method, path.format(**ids))
            assert (answer.status, answer.json) == (403, SUBSCRIPTION), path
        assert busy.sells() == []
        others = WRITES[:1] if calls == "reads" else READS
        assert {api(method, path).status for method, path in others} <= {200, 201}
        self.forbid(busy, who, [])
        assert api(*refused[0]).status in (200, 201)

    def forbid(self, sim, who, calls):
        if who == "account":
            sim.change_account(forbidden=calls)
        else:
            sim.put_key(sim.api_key, forbidden=calls)

    def test_key_is_refused_lists_too_and_an_account_is_listed_all_the_same(self, busy, api):
        busy.change_account(forbidden=["reads"])
        assert [account["id"] for account in api("GET", "/ver1/accounts").json] == [ID]
        busy.put_key(busy.api_key, forbidden=["reads"])
        assert [api("GET", f"/ver1/{path}").status for path in ("accounts", "bots", "deals")] == [403] * 3
        assert api("GET", "/ver1/validate").json == {"valid": True}

    def test_other_accounts_and_keys_go_on(self, busy, api, api_for):
        busy.change_account(7, name="Other", holdings={"ETH": "1"})
        busy.change_account(forbidden=["reads", "writes"])
        assert api.sell(7).status == 201
        busy.put_key(busy.api_key, forbidden=["reads", "writes"])
        assert api_for(busy.read_only_api_key, busy.read_only_secret)("GET", "/ver1/accounts").status == 200

    @pytest.mark.parametrize(
        ("text", "body"),
        [("Plan expired", {"error": "Forbidden", "error_description": "Plan expired"}), (None, {"error": "Forbidden"})],
    )
    def test_in_other_words_or_in_none(self, busy, api, text, body):
        busy.change_account(forbidden=["writes"], forbidden_text=text)
        assert api.sell().json == body

    def test_scenario(self, sim, api):
        sim.reset("no-subscription")
        assert api.account()["id"] == ID
        assert api.rows()
        assert (api.sell().status, api.sell().json) == (403, SUBSCRIPTION)
        assert sim.state()["accounts"][0]["forbidden"] == ["writes"]

    def test_missing_permission_is_told_first(self, busy, api):
        busy.put_key(busy.api_key, permissions=["ACCOUNTS_READ"], forbidden=["writes"])
        assert api.sell().json["error_description"] == "Api key not authorized for this action"


@pytest.mark.parametrize("mode", ["demo", "", "Real"])
def test_bad_mode_has_a_code_of_its_own(sim, api, mode):
    answer = api("POST", f"/ver1/accounts/{ID}/sell_all_to_btc", forced_mode=mode)
    assert (answer.status, answer.json["error"]) == (400, "forced_mode_invalid")
    assert sim.sells() == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", f"/ver1/accounts/{ID}/sell_all_to_btc", "POST"),
        ("GET", "/ver1/accounts/summary/account_table_data", "POST"),
        ("DELETE", f"/ver1/accounts/{ID}", "GET"),
        ("POST", "/ver1/accounts", "GET"),
        ("PUT", "/v2/smart_trades", "GET"),
        ("GET", "/ver1/bots/1/panic_sell_all_deals", "POST"),
    ],
)
def test_wrong_method_is_told_the_right_one(sim, api, method, path, allowed):
    answer = api(method, path)
    assert (answer.status, answer.headers["allow"]) == (405, allowed)
    assert answer.json["error"]
    assert sim.sells() == []


@pytest.mark.parametrize("path", ["/ver1/nothing", "/ver2/accounts", "/v2/accounts", "/ver1/accounts/1/nothing", "/"])
def test_unknown_path_is_not_found_by_any_method(api, path):
    assert {api(method, path).status for method in ("GET", "POST", "DELETE")} == {404}


class TestExchangeThatRefuses:
    def test_unprocessable_entity_does_nothing(self, busy, api):
        busy.change_account(exchange_error="unprocessable_entity")
        answer = api.sell()
        assert (answer.status, answer.json["error"]) == (422, "unprocessable_entity")
        assert busy.sells() == []
        assert busy.account()["bots"] == 3
        assert api.rows()

    def test_unknown_market_api_error_leaves_a_sell_done_in_part(self, busy, api):
        busy.change_account(exchange_error="unknown_market_api_error", exchange_error_after=2)
        answer = api.sell()
        assert (answer.status, answer.json["error"]) == (422, "unknown_market_api_error")
        assert "-9000" in answer.json["error_description"]
        sell = busy.sells()[0]
        assert (set(sell["orders"]), set(sell["left"])) == ({"ETH", "SOL"}, {"USDT", "DOGE"})
        busy.advance(10)
        assert set(busy.account()["holdings"]) == {"BTC", "USDT", "DOGE"}
        assert (busy.account()["bots"], busy.sell_attempts()[0]["applied"]) == (0, True)

    def test_before_the_first_order_nothing_is_sold(self, busy, api):
        busy.change_account(exchange_error="unknown_market_api_error")
        assert api.sell().status == 422
        busy.advance(10)
        assert {"ETH", "SOL"} < set(busy.account()["holdings"])
        assert busy.sells() == []

    @pytest.mark.parametrize("call", ["bots/{dca}/panic_sell_all_deals", f"accounts/{ID}/convert_dust_to_bnb"])
    def test_other_calls_that_reach_the_exchange(self, busy, api, ids, call):
        busy.change_account(exchange_error="unknown_market_api_error")
        assert api("POST", f"/ver1/{call.format(**ids)}").json["error"] == "unknown_market_api_error"

    def test_error_that_is_none_is_refused(self, sim):
        with pytest.raises(SimulatorError, match="exchange_error"):
            sim.change_account(exchange_error="made up")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (422, "unprocessable_entity"),
        (422, "bnb_dust_limit_error"),
        (422, "unknown_market_api_error"),
        (400, "forced_mode_invalid"),
        (403, "Forbidden"),
    ],
)
@pytest.mark.parametrize("when", ["before", "after"])
def test_each_code_can_be_ordered_as_a_fault(sim, api, status, error, when):
    sim.fault("status", path="sell_all", status=status, error=error, when=when)
    answer = api.sell()
    assert (answer.status, answer.json["error"]) == (status, error)
    assert sim.journal(limit=1)[0]["error"] == error
    assert len(sim.sells()) == (when == "after")


def test_every_reply_bears_the_date_of_the_clock(sim, api):
    sim.fault("html", path="ping")
    sim.fault("status", path="validate")
    sim.rate_limit(requests=7, window_seconds=3600)
    paths = ["ping", "validate", "accounts", "accounts/1", "nothing", "bots?scope=x", "deals", "grid_bots", "accounts"]
    answers = [api("GET", f"/ver1/{path}") for path in paths]
    assert {answer.status for answer in answers} == {502, 200, 404, 400, 429}
    dates = {parsedate_to_datetime(answer.headers["date"]) for answer in answers}
    assert (max(dates) - min(dates)).total_seconds() < 5
