"""Signal Bots: they survive a sell-all, no call shows them, and they buy back through SmartTrades."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_3commas.simulator import SimulatorError

ID = 32402783


def counts(api):
    return api("GET", f"/ver1/accounts/{ID}/active_trading_entities").json["data"]


def held(api):
    return {row["currency_code"] for row in api.rows()}


def test_no_call_shows_a_signal_bot(sim, api):
    sim.change_account(bots=0, deals=0, signal_bots=2)
    assert counts(api) == dict.fromkeys(counts(api), 0)
    assert api("GET", "/ver1/bots").json == api("GET", "/ver1/grid_bots").json == []
    assert api("GET", "/v2/smart_trades").json == []
    first_bot = ID * 1000 + 1
    assert api("POST", f"/ver1/bots/{first_bot}/disable").status == 404
    assert sim.account()["signal_bots"] == 2


class TestBuyBack:
    """The scenario: settled within seconds, bought back five minutes later, flat again after two more."""

    @pytest.fixture(autouse=True)
    def sold(self, sim, api):
        sim.reset("signal-bot")
        assert api.sell().status == 201
        sim.advance(60)

    def test_account_is_settled_and_looks_flat_at_first(self, sim, api):
        assert held(api) == {"BTC", "DOGE"}
        assert counts(api) == dict.fromkeys(counts(api), 0)
        sim.advance(230)
        assert held(api) == {"BTC", "DOGE"}

    def test_it_is_bought_back_through_a_smart_trade(self, sim, api):
        before = Decimal(sim.account()["holdings"]["BTC"]["amount"])
        sim.advance(250)
        assert held(api) == {"BTC", "DOGE", "ETH"}
        assert counts(api) == {**dict.fromkeys(counts(api), 0), "active_smart_trades_count": 1}
        trade = api("GET", "/v2/smart_trades?status=active").json[0]
        assert (trade["pair"], trade["account"]["id"]) == ("BTC_ETH", ID)
        assert trade["position"]["units"]["value"] == sim.account()["holdings"]["ETH"]["amount"]
        spent = before - Decimal(sim.account()["holdings"]["BTC"]["amount"])
        assert spent == pytest.approx(before * Decimal("0.3"), rel=Decimal("1E-7"))

    def test_it_shows_only_while_it_is_open(self, sim, api):
        sim.advance(360)
        assert held(api) == {"BTC", "DOGE"}
        assert counts(api) == dict.fromkeys(counts(api), 0)
        assert api("GET", "/v2/smart_trades?status=active").json == []
        assert [trade["status"]["type"] for trade in api("GET", "/v2/smart_trades").json] == ["finished"]

    def test_jump_over_all_of_it_ends_flat_too(self, sim, api):
        before = Decimal(sim.account()["holdings"]["BTC"]["amount"])
        sim.advance(10_000)
        assert held(api) == {"BTC", "DOGE"}
        assert 0 < before - Decimal(sim.account()["holdings"]["BTC"]["amount"]) < before / 100

    def test_another_sell_ends_the_trade_and_it_buys_again(self, sim, api):
        sim.advance(250)
        api.sell()
        sim.advance(60)
        assert held(api) == {"BTC", "DOGE"}
        assert counts(api)["active_smart_trades_count"] == 0
        sim.advance(250)
        assert held(api) == {"BTC", "DOGE", "ETH"}

    def test_disabled_bot_buys_nothing(self, sim, api):
        sim.change_account(signal_bots=0)
        sim.advance(1000)
        assert api("GET", "/v2/smart_trades").json == []


def test_coins_may_stay_when_the_trade_ends(sim, api):
    sim.reset("signal-bot")
    sim.change_account(signal={"after_seconds": 100, "open_seconds": 60, "currency": "SOL", "sells_back": False})
    api.sell(target="usd")
    sim.advance(110)
    assert counts(api)["active_smart_trades_count"] == 1
    sim.advance(100)
    assert counts(api)["active_smart_trades_count"] == 0
    assert held(api) == {"USDT", "DOGE", "SOL"}


def test_trade_may_stay_open_for_good(sim, api):
    sim.reset("signal-bot")
    sim.change_account(signal={"after_seconds": 100, "open_seconds": None})
    api.sell()
    sim.advance(100_000)
    assert counts(api)["active_smart_trades_count"] == 1
    assert "ETH" in held(api)


def test_bot_that_wants_what_was_sold_into_buys_nothing(sim, api):
    sim.reset("signal-bot")
    sim.change_account(signal={"after_seconds": 100, "currency": "BTC"})
    api.sell()
    sim.advance(60)
    before = sim.account()
    sim.advance(1000)
    assert sim.account() == before


def test_each_signal_bot_buys(sim, api):
    sim.reset("signal-bot")
    sim.change_account(signal_bots=3)
    api.sell()
    sim.advance(310)
    assert counts(api)["active_smart_trades_count"] == 3


def test_signal_may_come_at_any_time(sim, api):
    sim.change_account(signal_bots=1)
    account = sim.signal(currency="SOL", fraction="0.5", open_seconds=30)
    assert account["smart_trades"] == 1
    assert api("GET", "/v2/smart_trades").json[0]["pair"] == "USDT_SOL"
    assert Decimal(account["holdings"]["USDT"]["amount"]) == Decimal("3670.275")
    sim.advance(31)
    assert sim.account()["smart_trades"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [({"currency": "NOPE"}, "NOPE"), ({"fraction": "2"}, "fraction"), ({"colour": "red"}, "colour")],
)
def test_signal_that_makes_no_sense_is_refused(sim, change, message):
    before = sim.account()
    for send in (lambda: sim.signal(**change), lambda: sim.change_account(signal={"after_seconds": 1, **change})):
        with pytest.raises(SimulatorError, match=message):
            send()
    assert sim.account() == before
