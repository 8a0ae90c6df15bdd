"""Every reply has the fields that 3Commas documents, with values that agree with the simulated account."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.simulator import documented
from tests.simulator.documented import differences

ID = 32402783
#: Seen in real replies of earlier years, and a credential: clients have to hide it.
LEAKED = ["api_key is not documented"]


@pytest.fixture
def busy(sim):
    sim.reset("busy")
    return sim


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "accounts"),
        ("POST", f"accounts/{ID}/load_balances"),
        ("POST", f"accounts/{ID}/sell_all_to_btc"),
        ("POST", f"accounts/{ID}/sell_all_to_usd"),
    ],
)
def test_account(busy, api, method, path):
    reply = api(method, f"/ver1/{path}").json
    assert differences(documented.ACCOUNT, reply[0] if isinstance(reply, list) else reply) == LEAKED


def test_account_alone_has_a_field_more(busy, api):
    assert differences(documented.ACCOUNT, api.account()) == [*LEAKED, "auto_balance_portfolio is not documented"]


@pytest.mark.parametrize(
    ("method", "path", "fields"),
    [
        ("POST", f"accounts/{ID}/account_table_data", documented.ROW),
        ("POST", f"accounts/{ID}/pie_chart_data", documented.SHARE),
        ("GET", "accounts/market_list", documented.MARKET),
        ("GET", "bots", documented.DCA_BOT),
        ("GET", "grid_bots", documented.GRID_BOT),
        ("GET", "deals", documented.DEAL),
    ],
)
def test_each_item_of_a_list(busy, api, method, path, fields):
    items = api(method, f"/ver1/{path}").json
    assert items
    assert [differences(fields, item) for item in items] == [[]] * len(items)


def test_smart_trades(busy, api):
    trades = api("GET", "/v2/smart_trades").json
    assert [differences(documented.SMART_TRADE, trade) for trade in trades] == [[]]
    trade = trades[0]
    assert trade["account"] == {
        "id": ID,
        "type": "binance",
        "name": "My Binance",
        "market": "Binance Spot",
        "link": f"/accounts/{ID}",
    }
    assert (trade["status"]["basic_type"], trade["data"]["finished"]) == ("waiting_targets", False)


@pytest.mark.parametrize("call", ["disable", "enable", "cancel_all_deals", "panic_sell_all_deals"])
def test_bot_after_a_change_comes_with_its_deals(busy, api, call):
    bot = api("GET", "/ver1/bots").json[0]
    changed = api("POST", f"/ver1/bots/{bot['id']}/{call}").json
    assert differences(documented.DCA_BOT_WITH_DEALS, changed) == []
    assert len(changed["active_deals"]) == changed["active_deals_count"] == bot["active_deals_count"] > 0
    assert [differences(documented.DEAL, deal) for deal in changed["active_deals"]] == [[]] * len(
        changed["active_deals"]
    )


def test_deal_alone_comes_with_its_events(busy, api):
    deal = api("GET", "/ver1/deals").json[0]
    alone = api("GET", f"/ver1/deals/{deal['id']}/show").json
    assert differences(documented.DEAL_IN_FULL, alone) == []
    assert alone["bot_events"]
    assert {name: alone[name] for name in deal} == deal


@pytest.mark.parametrize("call", ["disable", "enable"])
def test_grid_bot_after_a_change(busy, api, call):
    bot = api("GET", "/ver1/grid_bots").json[0]
    changed = api("POST", f"/ver1/grid_bots/{bot['id']}/{call}")
    assert (changed.status, changed.json["is_enabled"]) == (201, call == "enable")
    assert differences(documented.GRID_BOT, changed.json) == []
    assert [differences(documented.GRID_LINE, line) for line in bot["grid_lines"]] == [[]] * 4


def test_deals_are_of_what_the_account_holds(busy, api):
    held = {row["currency_code"]: Decimal(row["position"]) for row in api.rows()}
    bots = {bot["id"]: bot for bot in api("GET", "/ver1/bots").json}
    deals = api("GET", "/ver1/deals").json
    for deal in deals:
        bot = bots[deal["bot_id"]]
        assert deal["pair"] in bot["pairs"]
        assert (deal["account_id"], deal["bot_name"]) == (bot["account_id"], bot["name"])
        assert 0 < Decimal(deal["bought_amount"]) < held[deal["to_currency"]]
        volume = Decimal(deal["bought_amount"]) * Decimal(deal["bought_average_price"])
        assert Decimal(deal["bought_volume"]) == volume
    for bot_id, bot in bots.items():
        own = [deal for deal in deals if deal["bot_id"] == bot_id]
        assert bot["active_deals_count"] == len(own)
        assert Decimal(bot["active_deals_usd_profit"]) == sum(Decimal(deal["actual_usd_profit"]) for deal in own)
        assert bot["deletable?"] is False


def test_coins_of_the_pie_have_their_ticker_in_their_name(api):
    shares = {share["code"]: share for share in api("POST", f"/ver1/accounts/{ID}/pie_chart_data").json}
    assert (shares["BTC"]["name"], shares["BTC"]["coinmarketcapid"]) == ("Bitcoin (BTC)", "1")
    assert shares["BTC"]["y"] == shares["BTC"]["percentage"]


def test_no_address_of_a_real_server_is_told(api):
    markets = api("GET", "/ver1/accounts/market_list").json
    assert all(address.startswith("192.0.2.") for market in markets for address in market["trusted_ips"])
    assert {"okex", "kucoin", "binance_futures_coin", "binance_futures_eea"} <= {
        each["market_code"] for each in markets
    }
