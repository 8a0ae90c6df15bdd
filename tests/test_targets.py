"""What counts as the target decides whether an account is sold and settled: a change has to be meant."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from airflow_provider_3commas.liquidation.snapshot import Snapshot
from airflow_provider_3commas.report import build_report
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import Status
from airflow_provider_3commas.targets import TARGETS
from tests.fakes import row
from tests.settlement.readings import reading, run


def snapshot(view) -> Snapshot:
    return Snapshot.of(view.account, view.rows, view.entities, datetime(2026, 11, 20, tzinfo=UTC))


def test_each_target_is_made_of_these_coins():
    assert {name: set(target.currencies) for name, target in TARGETS.items()} == {
        "BTC": {"BTC"},
        "USD": {"USD", "USDT", "USDC", "FDUSD", "USDP", "PYUSD", "GUSD", "RLUSD", "USD1"},
    }


@pytest.mark.parametrize("retired", ["BUSD", "TUSD", "DAI"])
def test_what_is_left_of_a_retired_dollar_is_left_unsold(retired):
    view = reading(row("USDT", "60000", "0.9"), row(retired, "500", "0.0075"))
    decision = run(Criteria.parse(target="USD"), view, view)
    assert decision.status is Status.WAITING
    assert f"unsold: 500 {retired} (0.0075 BTC)" in decision.message
    assert decision.result["target_amount"] == "60000"
    assert list(snapshot(view).sellable("USD")) == [retired]
    named = Criteria.parse(target="USD", target_currencies=["USDT", retired])
    assert run(named, view, view).result["target_amount"] == "60500"


@pytest.mark.parametrize(
    ("target", "code"), [("BTC", "LDBTC"), ("BTC", "BTC.F"), ("USD", "LDUSDT"), ("USD", "USDC.M"), ("USD", "USD.F")]
)
def test_a_coin_that_earns_is_not_the_plain_coin(target, code):
    plain = TARGETS[target]
    view = reading(row("BTC" if target == "BTC" else "USDT", "1", "0.9"), row(code, "0.5", "0.05"))
    decision = run(Criteria.parse(target=target), view, view)
    assert decision.status is Status.WAITING
    assert decision.result["target_amount"] == "1"
    assert [item["currency"] for item in decision.result["residual"]] == [code]
    assert list(snapshot(view).sellable(target)) == [code]
    assert code not in plain.currencies
    pattern = f"{code[:2]}??*" if code.startswith("LD") else f"*{code[-2:]}"
    ignored = run(Criteria.parse(target=target, ignore_currencies=pattern), view, view)
    assert (ignored.status, ignored.result["target_amount"]) == (Status.SETTLED, "1")
    report = build_report(settlement=ignored.result, facts={"criteria": {"ignore_currencies": [pattern]}})
    assert [(item["currency"], item["kind"]) for item in report["unsold"]["items"]] == [(code, "ignored")]
