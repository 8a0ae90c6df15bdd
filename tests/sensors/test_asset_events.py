"""The asset event carries what has settled."""

from __future__ import annotations

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors

from tests.fakes import ACCOUNT, SETTLED


def test_asset_events_carry_what_has_settled(harness, exchange):
    exchange((0, SETTLED))
    alias, asset = AssetAlias("accounts"), Asset(f"threecommas://account/{ACCOUNT}")
    other = Asset("s3://bucket/report")
    events = OutletEventAccessors()
    outlets = [alias, asset, other]
    harness.outlet_events = events
    harness.run(outlets=outlets)
    facts = {
        "account_id": ACCOUNT,
        "target": "BTC",
        "target_amount": "1.09",
        "residual_btc": "0.00003",
        "dag_id": "risk_off",
        "run_id": "manual__1",
    }
    (added,) = events[alias].asset_alias_events
    assert added.dest_asset_key.uri == f"threecommas://account/{ACCOUNT}"
    assert added.extra == facts
    assert events[asset].extra == facts
    assert events[other].extra == {}


@pytest.mark.parametrize("mode", ["poke"], indirect=True)
def test_a_dry_run_emits_no_asset_event(harness, exchange):
    exchange((0, SETTLED))
    alias, events = AssetAlias("accounts"), OutletEventAccessors()
    harness.outlet_events = events
    harness.run(outlets=[alias], dry_run=True)
    assert not events[alias].asset_alias_events
