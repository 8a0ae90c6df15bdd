"""Lists of bots and deals, and calls that change bots, with what they do to the account."""

from __future__ import annotations

from decimal import Decimal

import pytest

ID = 32402783


@pytest.fixture
def busy(sim):
    sim.reset("busy")
    return sim


def counts(api):
    return api("GET", f"/ver1/accounts/{ID}/active_trading_entities").json["data"]


def bots(api, query=""):
    return api("GET", f"/ver1/bots{query}").json


def deals(api, query=""):
    return api("GET", f"/ver1/deals{query}").json


class TestPanicSell:
    def test_it_sells_what_the_deals_of_the_bot_have_bought_and_disables_it(self, busy, api):
        bot = bots(api)[0]
        own = deals(api, f"?bot_id={bot['id']}")
        before = busy.account()["holdings"]
        coin = own[0]["to_currency"]
        bought = sum(Decimal(deal["bought_amount"]) for deal in own)

        reply = api("POST", f"/ver1/bots/{bot['id']}/panic_sell_all_deals")
        assert (reply.status, reply.json["is_enabled"]) == (201, False)
        assert {deal["status"] for deal in reply.json["active_deals"]} == {"panic_sell_pending"}
        assert counts(api)["active_deals_count"] == 4

        busy.advance(10)
        after = busy.account()["holdings"]
        assert Decimal(before[coin]["amount"]) - Decimal(after[coin]["amount"]) == bought
        assert Decimal(after[coin]["on_orders"]) == Decimal(before[coin]["on_orders"])
        assert Decimal(after["USDT"]["amount"]) > Decimal(before["USDT"]["amount"])
        assert counts(api)["active_deals_count"] == 4 - len(own)
        closed = deals(api, f"?bot_id={bot['id']}&scope=finished")
        assert [deal["status"] for deal in closed] == ["panic_sold"] * len(own)
        assert all(deal["sold_amount"] == deal["bought_amount"] and deal["closed_at"] for deal in closed)
        assert busy.sells() == []

    def test_other_bots_and_their_deals_go_on(self, busy, api):
        first, *others = bots(api)
        api("POST", f"/ver1/bots/{first['id']}/panic_sell_all_deals")
        busy.advance(10)
        assert [(bot["is_enabled"], bot["active_deals_count"]) for bot in bots(api)[1:]] == [
            (True, bot["active_deals_count"]) for bot in others
        ]

    def test_what_was_taken_away_meanwhile_is_not_sold(self, busy, api):
        bot = bots(api)[0]
        coin = deals(api, f"?bot_id={bot['id']}")[0]["to_currency"]
        busy.change_account(holdings={coin: None})
        assert api("POST", f"/ver1/bots/{bot['id']}/panic_sell_all_deals").status == 201
        busy.advance(10)
        assert coin not in busy.account()["holdings"]

    def test_twice_sells_once(self, busy, api):
        path = f"/ver1/bots/{bots(api)[0]['id']}/panic_sell_all_deals"
        api("POST", path)
        busy.advance(10)
        before = busy.account()["holdings"]
        assert api("POST", path).json["active_deals"] == []
        busy.advance(10)
        assert busy.account()["holdings"] == before


def test_cancelled_deals_leave_the_coins_and_a_disabled_bot(busy, api):
    bot = bots(api)[0]
    before = busy.account()["holdings"]
    reply = api("POST", f"/ver1/bots/{bot['id']}/cancel_all_deals")
    assert (reply.status, reply.json["is_enabled"]) == (200, False)
    assert {deal["status"] for deal in reply.json["active_deals"]} == {"cancel_pending"}
    busy.advance(10)
    assert busy.account()["holdings"] == before
    assert {deal["status"] for deal in deals(api, f"?bot_id={bot['id']}")} == {"cancelled"}
    assert bots(api)[0]["active_deals_count"] == 0
    assert bots(api)[0]["deletable?"] is True


def test_disabled_bot_keeps_its_deals(busy, api):
    bot = bots(api)[0]
    api("POST", f"/ver1/bots/{bot['id']}/disable")
    busy.advance(1000)
    assert counts(api)["active_deals_count"] == 4
    assert counts(api)["active_bots_count"] == 2


def test_bot_alone(busy, api):
    bot = bots(api)[0]
    alone = api("GET", f"/ver1/bots/{bot['id']}/show").json
    assert {name: alone[name] for name in bot} == bot
    assert len(alone["active_deals"]) == bot["active_deals_count"]


def test_grid_bots_are_switched(busy, api):
    bot = api("GET", "/ver1/grid_bots").json[0]
    path = f"/ver1/grid_bots/{bot['id']}"
    assert api("POST", f"{path}/disable").json["is_enabled"] is False
    assert counts(api)["active_grid_bots_count"] == 1
    assert api("POST", f"{path}/enable").json["is_enabled"] is True
    assert counts(api)["active_grid_bots_count"] == 2


def test_each_kind_of_bot_has_paths_of_its_own(busy, api):
    dca, grid = bots(api)[0]["id"], api("GET", "/ver1/grid_bots").json[0]["id"]
    assert api("POST", f"/ver1/grid_bots/{dca}/disable").status == 404
    assert [api("POST", f"/ver1/bots/{grid}/{call}").status for call in ("disable", "panic_sell_all_deals")] == [
        404
    ] * 2


@pytest.mark.parametrize(
    "path",
    [
        "bots/{dca}/enable",
        "bots/{dca}/disable",
        "bots/{dca}/panic_sell_all_deals",
        "bots/{dca}/cancel_all_deals",
        "grid_bots/{grid}/enable",
        "grid_bots/{grid}/disable",
    ],
)
def test_changes_need_the_permission_to_write_bots(busy, api_for, api, path):
    dca, grid = bots(api)[0]["id"], api("GET", "/ver1/grid_bots").json[0]["id"]
    reader = api_for(busy.read_only_api_key, busy.read_only_secret)
    assert reader("GET", "/ver1/bots").status == reader("GET", "/ver1/deals").status == 200
    assert reader("POST", f"/ver1/{path.format(dca=dca, grid=grid)}").status == 403
    assert reader("GET", "/v2/smart_trades").status == 403


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        ("enable", [True] * 2),
        ("enabled", [True] * 2),
        ("disable", [False]),
        ("disabled", [False]),
        ("", [True] * 2 + [False]),
    ],
)
def test_scope_in_the_documented_form_and_in_that_of_public_clients(busy, api, scope, found):
    api("POST", f"/ver1/bots/{bots(api)[2]['id']}/disable")
    assert [bot["is_enabled"] for bot in bots(api, f"?scope={scope}")] == found


def test_scope_may_be_ignored(busy, api):
    busy.reset({"extends": "busy", "ignores_scope": True})
    api("POST", f"/ver1/bots/{bots(api)[0]['id']}/disable")
    assert [bot["is_enabled"] for bot in bots(api, "?scope=enable")] == [False, True, True]
    grid = api("GET", "/ver1/grid_bots").json[0]["id"]
    api("POST", f"/ver1/grid_bots/{grid}/disable")
    assert len(api("GET", "/ver1/grid_bots?state=enabled").json) == 2


@pytest.mark.parametrize(
    ("path", "limits"),
    [("bots", {"offset=0": 50, "limit=7": 7, "limit=100": 100, "limit=900": 100, "limit=100&offset=100": 20}),
     ("grid_bots", {"offset=0": 10, "limit=60": 60, "limit=1000": 120, "limit=1000&offset=100": 20})],
)  # fmt: skip
def test_lists_are_as_long_as_documented(busy, api, path, limits):
    busy.change_account(**{path: 120})
    assert {query: len(api("GET", f"/ver1/{path}?{query}").json) for query in limits} == limits


def test_grid_bots_of_several_accounts(busy, api):
    for account_id in (1, 2):
        busy.change_account(account_id, name=f"Account {account_id}", holdings={"ETH": "1"}, grid_bots=account_id)

    def found(query):
        return [bot["account_id"] for bot in api("GET", f"/ver1/grid_bots?account_id={query}").json]

    assert found("1,2") == [1, 2, 2]
    assert found(f"2,{ID}") == [ID, ID, 2, 2]
    assert found("") == [ID, ID, 1, 2, 2]
    assert api("GET", "/ver1/grid_bots?account_id=1,x").status == 400
    assert api("GET", "/ver1/bots?account_id=1,2").status == 400


def test_bots_of_accounts_that_follow_each_other_have_ids_of_their_own(busy, api):
    for account_id in (1, 2):
        busy.change_account(account_id, name="x", holdings={"ETH": "1"}, bots=40, deals=40)
    ids = [bot["id"] for bot in bots(api, "?limit=100")]
    assert len(set(ids)) == len(ids) == 83
    numbers = [deal["id"] for deal in deals(api, "?limit=1000")]
    assert len(set(numbers)) == len(numbers) == 84


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", 4),
        ("?scope=active", 4),
        ("?scope=null", 4),
        ("?scope=finished", 0),
        ("?limit=3", 3),
        ("?offset=3", 1),
        ("?account_id=1", 0),
    ],
)
def test_deals_are_listed(busy, api, query, found):
    assert len(deals(api, query)) == found


def test_deal_that_does_not_exist(busy, api):
    assert api("GET", "/ver1/deals/1/show").status == 404
    assert api("GET", "/ver1/deals?scope=some").status == 400


def test_sell_all_ends_deals_and_smart_trades(busy, api):
    assert counts(api)["active_smart_trades_count"] == 1
    api.sell()
    busy.advance(10)
    assert counts(api) == dict.fromkeys(counts(api), 0)
    assert deals(api, "?scope=active") == api("GET", "/v2/smart_trades?status=active").json == []
    assert len(api("GET", "/v2/smart_trades?status=cancelled").json) == 1
