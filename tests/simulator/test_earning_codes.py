"""Staked and earning coins, which exchanges give codes of their own, and accounts that 3Commas rebalances."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_3commas.simulator import SimulatorError
from airflow_provider_3commas.simulator.scenarios import PriceSpec

ID, KRAKEN = 32402783, 32402784


@pytest.mark.parametrize(
    ("code", "coin"),
    [
        ("ADA.F", "ADA"),
        ("ETH.S", "ETH"),
        ("DOT28.S", "DOT"),
        ("LDBTC", "BTC"),
        ("ETH", "ETH"),
        ("LDO", "LDO"),
        *((code, None) for code in ("NOPE.F", "LDNOPE", "LD", "ETH.", ".F")),
    ],
)
def test_code_of_an_earning_coin_leads_to_the_coin(code, coin):
    prices = PriceSpec(usd=dict.fromkeys(("BTC", "ETH", "ADA", "DOT", "LDO"), Decimal(1)))
    assert prices.coin_of(code) == coin


@pytest.fixture
def staked(sim):
    sim.reset("earning-codes")
    return sim


@pytest.mark.parametrize(
    ("account_id", "earning"), [(ID, {"LDBTC": "BTC", "LDETH": "ETH"}), (KRAKEN, {"ADA.F": "ADA", "ETH.S": "ETH"})]
)
def test_they_stay_at_the_price_of_the_coin_and_are_not_available(staked, api, account_id, earning):
    staked.change_account(account_id, holdings=dict.fromkeys(earning.values(), "100"))
    rows = {row["currency_code"]: row for row in api.rows(account_id)}
    for code, coin in earning.items():
        assert Decimal(rows[code]["current_price"]) == Decimal(rows[coin]["current_price"])
        assert Decimal(rows[code]["position_available"]) == 0 < Decimal(rows[code]["position"])
        assert rows[code]["currency_name"] == rows[coin]["currency_name"]
    assert api.sell(account_id, target="usd").status == 201
    staked.advance(60)
    assert set(staked.account(account_id)["holdings"]) == {*earning, "USDT" if account_id == ID else "USD"}
    assert set(staked.sells()[0]["left"]) == set(earning)


def test_sell_to_btc_leaves_btc_that_earns(staked, api):
    api.sell()
    staked.advance(60)
    assert set(staked.account()["holdings"]) == {"BTC", "LDBTC", "LDETH"}


def test_they_are_no_dust(staked, api):
    staked.change_account(holdings={"LDETH": "0.0001"})
    assert staked.account()["holdings"]["LDETH"]["state"] == "staked"
    body = '{"codes":["LDETH"]}'
    path = f"/ver1/accounts/{ID}/convert_dust_to_bnb"
    signature = api.sign(f"/public/api{path}{body}")
    assert api("POST", path, body, signature=signature, content_type="application/json").status == 400


def test_code_of_a_coin_without_a_price_is_refused(sim):
    with pytest.raises(SimulatorError, match=r"no price for NOPE\.S"):
        sim.change_account(holdings={"NOPE.S": "1"})
    with pytest.raises(SimulatorError, match=r"NOPE\.S"):
        sim.reset({"extends": "calm", "accounts": [{"id": 1, "name": "x", "holdings": {"NOPE.S": "1"}}]})


def test_account_that_is_rebalanced_says_so(sim, api):
    assert api.account()["autobalance_enabled"] is False
    sim.change_account(autobalance_enabled=True)
    account = api.account()
    assert account["autobalance_enabled"] is True
    assert account["auto_balance_portfolio_id"]
    assert account["auto_balance_method"] == "time"
    sim.reset("autobalance")
    assert api.account()["autobalance_enabled"] is True
    assert sim.state()["accounts"][0]["autobalance_enabled"] is True
