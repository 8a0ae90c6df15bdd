"""Dust into BNB: on Binance Spot alone, once in six hours, with the codes in a JSON body."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from tests.simulator import documented

ID = 32402783
PATH = f"/ver1/accounts/{ID}/convert_dust_to_bnb"


@pytest.fixture
def dust(sim):
    sim.reset("busy")
    sim.change_account(holdings={"XRP": "9.8", "SHIB": "54000"})
    return sim


def convert(api, codes, path=PATH):
    body = json.dumps({"codes": codes})
    signature = api.sign(f"/public/api{path}?{body}")
    return api("POST", path, body, signature=signature, content_type="application/json")


def test_dust_becomes_bnb_but_for_a_service_charge(dust, api):
    worth = {row["currency_code"]: Decimal(row["btc_value"]) for row in api.rows()}
    answer = convert(api, ["DOGE", "XRP"])
    assert answer.status == 201
    assert documented.differences(documented.DUST, answer.json) == []
    results = answer.json["transferResult"]
    assert [documented.differences(documented.CONVERTED, one) for one in results] == [[], []]
    assert [(one["fromAsset"], Decimal(one["amount"])) for one in results] == [
        ("DOGE", Decimal("21.7")),
        ("XRP", Decimal("9.8")),
    ]
    held = dust.account()["holdings"]
    assert set(held) == {"BTC", "ETH", "SOL", "USDT", "SHIB", "BNB"}
    total = Decimal(answer.json["totalTransfered"])
    assert Decimal(held["BNB"]["amount"]) == total == sum(Decimal(one["transferedAmount"]) for one in results)
    charge = Decimal(answer.json["totalServiceCharge"])
    assert charge == sum(Decimal(one["serviceChargeAmount"]) for one in results)
    assert charge / (total + charge) == pytest.approx(Decimal("0.02"), rel=Decimal("0.001"))
    bnb = {row["currency_code"]: Decimal(row["btc_value"]) for row in api.rows()}["BNB"]
    assert bnb == pytest.approx((worth["DOGE"] + worth["XRP"]) * Decimal("0.98"), rel=Decimal("0.001"))


def test_once_in_six_hours(dust, api):
    assert convert(api, ["DOGE"]).status == 201
    refused = convert(api, ["XRP"])
    assert (refused.status, refused.json["error"]) == (422, "bnb_dust_limit_error")
    dust.advance(6 * 3600 - 60)
    assert convert(api, ["XRP"]).status == 422
    dust.advance(61)
    assert convert(api, ["XRP"]).status == 201


@pytest.mark.parametrize("codes", [[], None, "DOGE", [1], ["NOPE"], ["ETH"], ["DOGE", "ADA"], ["BNB"]])
def test_codes_that_are_none_not_held_or_no_dust(dust, api, codes):
    before = dust.account()
    answer = convert(api, codes)
    assert (answer.status, answer.json["error_attributes"]) == (400, {"codes": ["is invalid"]})
    assert dust.account() == before


def test_codes_in_a_form(dust, api):
    body = "codes[]=DOGE&codes[]=XRP"
    answer = api("POST", PATH, body, signature=api.sign(f"/public/api{PATH}?{body}"))
    assert [one["fromAsset"] for one in answer.json["transferResult"]] == ["DOGE", "XRP"]


def test_other_exchanges_have_none(sim, api):
    answer = convert(api, ["DOGE"])
    assert (answer.status, answer.json) == (403, {"error": "Forbidden. Unavailable for this account type."})


def test_it_needs_the_permission_and_never_means_all_accounts(dust, api, api_for):
    reader = api_for(dust.read_only_api_key, dust.read_only_secret)
    assert convert(reader, ["DOGE"]).status == 403
    assert convert(api, ["DOGE"], "/ver1/accounts/summary/convert_dust_to_bnb").status == 404
