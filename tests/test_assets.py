"""An account has one asset URI, whoever writes it how, and events say what happened to it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.context import Context

from airflow_provider_3commas.assets import account_asset, emit_account_event, sanitize

URI = "threecommas://account/32402783"


class TestUri:
    @pytest.mark.parametrize(
        "written",
        [
            URI,
            f"{URI}/",
            f"{URI}//",
            "ThreeCommas://account/32402783",
            "threecommas://ACCOUNT/32402783",
            "threecommas://account/0032402783",
            f"{URI}#balances",
        ],
    )
    def test_airflow_keeps_one_form(self, written):
        assert Asset(written).uri == URI

    @pytest.mark.parametrize(
        ("written", "says"),
        [
            ("threecommas://account", "no positive integer"),
            ("threecommas://account/", "no positive integer"),
            ("threecommas://account/0", "no positive integer"),
            ("threecommas://account/-5", "no positive integer"),
            ("threecommas://account/summary", "no positive integer"),
            ("threecommas://account/1e3", "no positive integer"),
            ("threecommas://account/12/btc", "no positive integer"),
            ("threecommas://account/１２", "no positive integer"),
            ("threecommas://account/{{ params.account_id }}", "no positive integer"),
            ("threecommas:/account/12", "is not about an account"),
            ("threecommas://bot/12", "is not about an account"),
            ("threecommas://12", "is not about an account"),
            ("threecommas://account:443/12", "has a port"),
            ("threecommas://account/12?mode=paper", "has a query"),
            ("threecommas://someone@account/12", "has credentials"),
        ],
    )
    def test_airflow_refuses_what_is_none(self, written, says):
        with pytest.raises(ValueError, match=says) as caught:
            Asset(written)
        assert "Expected threecommas://account/ID." in str(caught.value)

    def test_password_is_not_repeated(self):
        with pytest.raises(ValueError, match="has credentials") as caught:
            sanitize(urlsplit("threecommas://someone:hunter22@account/12"))
        assert "hunter22" not in str(caught.value)

    def test_own_asset_is_in_that_form(self):
        asset = account_asset(32402783)
        assert (asset.name, asset.uri) == (URI, URI)
        assert asset == Asset(URI) == Asset(name=URI, uri="THREECOMMAS://account/032402783/")


class Events(dict):
    """What Airflow hands a task for the events that its success will emit."""

    class Event:
        def __init__(self):
            self.extra, self.added = {}, []

        def add(self, asset, extra):
            self.added.append((asset, extra))

    def __missing__(self, outlet):
        self[outlet] = self.Event()
        return self[outlet]


class TestEvent:
    FACTS = {"account_id": 32402783, "target": "BTC"}

    def emit(self, *outlets):
        events = Events()
        emit_account_event(Context(outlet_events=events), outlets, 32402783, self.FACTS)
        return events

    def test_alias_gets_the_accounts_asset(self):
        alias = AssetAlias("threecommas_settled")
        assert self.emit(alias)[alias].added == [(account_asset(32402783), self.FACTS)]

    def test_asset_of_an_account_gets_the_facts(self):
        asset = Asset(f"{URI}/")
        assert self.emit(asset)[asset].extra == self.FACTS

    def test_other_outlets_are_left_alone(self):
        assert self.emit(Asset("s3://bucket/report"), "something else") == {}
