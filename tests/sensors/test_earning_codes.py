"""Coins that earn have codes of their own and stay: patterns let them be left, and they never count as the target."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_3commas.api.errors import BalancesStalled

KRAKEN = 32402784


def test_they_are_named_as_unsold(harness, sell):
    sell("earning-codes", KRAKEN)
    with pytest.raises(BalancesStalled, match=r"unsold: 0\.8 ETH\.S .*2400 ADA\.F"):
        harness.run(account_id=KRAKEN)


def test_patterns_let_them_be_left(harness, sell):
    sell("earning-codes", KRAKEN)
    result = harness.run(account_id=KRAKEN, ignore_currencies="*.f, *.s")
    assert [item["currency"] for item in result["residual"]] == ["ETH.S", "ADA.F"]
    assert harness.ti.xcoms["settlement_facts"]["criteria"]["ignore_currencies"] == ["*.F", "*.S"]


def test_btc_that_earns_is_no_btc(harness, sell):
    sell("earning-codes")
    result = harness.run(ignore_currencies=["LD??*"])
    assert {item["currency"]: item["amount"] for item in result["residual"]} == {"LDETH": "1.2", "LDBTC": "0.05"}
    left = sum(Decimal(item["btc_value"]) for item in result["residual"])
    assert Decimal(result["target_amount"]) + left == Decimal(result["btc_value"])
