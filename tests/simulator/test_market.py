from __future__ import annotations

from decimal import Decimal

import pytest

ID = 32402783


def amounts(sim):
    return {code: Decimal(at["amount"]) for code, at in sim.account()["holdings"].items()}


def on_orders(sim):
    return {code: Decimal(at["on_orders"]) for code, at in sim.account()["holdings"].items()}


def test_sell_answers_before_anything_has_filled(sim, api):
    before = amounts(sim)
    answer = api.sell()
    assert (answer.status, answer.json["id"]) == (201, ID)
    assert amounts(sim) == before
    rows = {row["currency_code"]: row for row in api.rows()}
    assert Decimal(rows["ETH"]["on_orders"]) == Decimal("8.25")
    assert Decimal(rows["ETH"]["position_available"]) == 0
    assert Decimal(rows["BTC"]["on_orders"]) == Decimal(rows["DOGE"]["on_orders"]) == 0


def test_orders_fill_over_time_for_a_fee_and_dust_stays(sim, api):
    worth = Decimal(api.account()["btc_amount"])
    api.sell()
    sim.advance(2)
    assert set(amounts(sim)) == {"BTC", "SOL", "USDT", "DOGE"}
    sim.advance(3)
    assert set(amounts(sim)) == {"BTC", "DOGE"}
    assert amounts(sim)["DOGE"] == Decimal("21.7")
    lost = worth - Decimal(api.account()["btc_amount"])
    assert 0 < lost < worth * Decimal("0.002")


def test_sell_to_usd_goes_into_the_exchanges_dollar(sim, api):
    sim.change_account(1, name="Kraken", market_code="kraken", holdings={"ETH": "1", "USDT": "500"})
    api.sell(target="usd")
    api.sell(1, target="usd")
    sim.advance(10)
    assert set(amounts(sim)) == {"USDT", "DOGE"}
    assert set(sim.account(1)["holdings"]) == {"USD"}
    assert Decimal(sim.account(1)["holdings"]["USD"]["amount"]) > 2900


def test_sell_stops_everything_but_signal_bots_within_a_moment(sim, api):
    sim.change_account(grid_bots=2, signal_bots=1, smart_trades=4, orders=2)
    api.sell()
    sim.advance(0.5)
    half = sim.account()
    assert 0 < half["bots"] < 3
    sim.advance(1)
    done = sim.account()
    assert [done[name] for name in ("bots", "grid_bots", "deals", "smart_trades", "orders")] == [0] * 5
    assert done["signal_bots"] == 1


def test_slow_scenario_fills_in_parts(sim, api):
    sim.reset("slow")
    api.sell()
    seen = []
    for _ in range(30):
        sim.advance(10)
        seen.append(amounts(sim).get("ETH", Decimal(0)))
    assert len(set(seen)) == 6
    assert seen == sorted(seen, reverse=True)
    assert set(amounts(sim)) == {"BTC", "DOGE"}
    assert not any(on_orders(sim).values())


@pytest.mark.parametrize(
    ("scenario", "left"),
    [("dust", {"SOL", "XRP", "ADA", "DOGE", "SHIB", "USDT"}), ("unsellable", {"XMR", "DOT"})],
)
def test_what_can_not_be_sold_stays(sim, api, scenario, left):
    sim.reset(scenario)
    api.sell()
    sim.advance(60)
    assert set(amounts(sim)) == {"BTC"} | left
    assert set(sim.sells()[0]["left"]) == left
    dust = {row["currency_code"]: Decimal(row["btc_value"]) for row in api.rows()}
    assert all((value < Decimal("0.0001")) == (scenario == "dust") for code, value in dust.items() if code != "BTC")


def test_staked_coins_are_not_available(sim, api):
    sim.reset("unsellable")
    rows = {row["currency_code"]: row for row in api.rows()}
    assert Decimal(rows["DOT"]["position_available"]) == 0
    assert Decimal(rows["XMR"]["position_available"]) == Decimal("6.4")


def test_orders_may_give_a_rest_back(sim, api):
    sim.reset({"extends": "calm", "fills": {"fraction": "0.6", "steps": 2}})
    api.sell()
    sim.advance(60)
    assert amounts(sim)["ETH"] == Decimal("3.3")
    assert not any(on_orders(sim).values())


def test_second_sell_is_carried_out_and_seen(sim, api):
    sim.reset("slow")
    api.sell()
    sim.advance(100)
    api.sell()
    assert [sell["account_id"] for sell in sim.sells(ID)] == [ID, ID]
    assert sim.summary()["sells"] == {str(ID): 2}
    sim.advance(1000)
    assert set(amounts(sim)) == {"BTC", "DOGE"}


def test_bot_sells_a_tenth_of_one_coin(sim, api):
    sim.trade("ETH", fraction="0.1")
    assert amounts(sim)["ETH"] == Decimal("7.425")
    assert amounts(sim)["SOL"] == Decimal("61.4")
    assert sim.account()["bots"] == 3
    assert sim.sells() == []


def test_prices_move_values_but_not_amounts(sim, api):
    before, worth = amounts(sim), api.account()["btc_amount"]
    sim.advance(10)
    assert amounts(sim) == before
    assert api.account()["btc_amount"] != worth


def test_same_seed_gives_the_same_prices(sim, api):
    def run():
        sim.reset("calm")
        sim.advance(35)
        return api.account()["btc_amount"]

    assert run() == run()


def test_holdings_can_be_changed_removed_and_added(sim, api):
    sim.change_account(holdings={"ETH": None, "SOL": "1", "XMR": {"amount": "2", "state": "delisted"}})
    assert {"BTC", "SOL", "USDT", "DOGE", "XMR"} == set(amounts(sim))
    with pytest.raises(RuntimeError, match="no price for NOPE"):
        sim.change_account(holdings={"NOPE": "1"})
    with pytest.raises(RuntimeError, match="unknown field colour"):
        sim.change_account(colour="red")


def test_stale_view_is_old_then_empty_then_partial_then_right(sim, api):
    sim.reset("stale-view")
    load = "/ver1/accounts/32402783/load_balances"
    api.sell()
    sim.advance(10)  # on the exchange everything has filled
    assert set(amounts(sim)) == {"BTC", "DOGE"}
    old = {row["currency_code"] for row in api.rows()}
    assert old == {"BTC", "ETH", "SOL", "USDT", "DOGE"}

    assert api("POST", load).status == 201
    assert {row["currency_code"] for row in api.rows()} == old
    sim.advance(9)
    assert api.rows() == []
    assert Decimal(api.account()["btc_amount"]) > Decimal("0.7")
    sim.advance(8)
    partial = api.rows()
    assert 0 < len(partial) < 2
    sim.advance(8)
    assert {row["currency_code"] for row in api.rows()} == {"BTC", "DOGE"}

    api("POST", load)
    sim.advance(7)
    assert api.rows(), "only the first refresh after a sell glitches"


def test_stale_view_catches_up_by_itself(sim, api):
    sim.reset("stale-view")
    api.sell()
    sim.advance(59)
    assert len(api.rows()) == 5
    sim.advance(60)
    assert len(api.rows()) == 2


def test_clock_runs_as_fast_as_told(sim):
    sim.reset("calm", speed=1000)
    first = sim.state()["now"]
    assert sim.state()["now"] > first
    sim.control("POST", "time", {"speed": 0})
    stopped = sim.state()["now"]
    assert sim.state()["now"] == stopped
    assert sim.advance(5) == pytest.approx(stopped + 5)
