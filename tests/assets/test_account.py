"""An account has one asset URI, however it is written, and its events say what happened to it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.definitions.context import Context

from airflow_provider_3commas.assets.account import account_asset, emit_account_event, sanitize

URI = "threecommas://account/32402783"
FACTS = {"account_id": 32402783, "target": "BTC"}


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
            ("threecommas://account/\uff11\uff12", "no positive integer"),
            ("threecommas://account/{{ params.account_id }}", "no positive integer"),
            ("threecommas:/account/12", "is not about an account"),
            ("threecommas://bot/12", "is not about an account"),
            ("threecommas://12", "is not about an account"),
            ("threecommas://account:443/12", "has a port"),
            ("threecommas://account/12?mode=paper", "has a query"),
        ],
    )
    def test_airflow_refuses_what_is_none(self, written, says):
        with pytest.raises(ValueError, match=says) as caught:
            Asset(written)
        assert "Expected threecommas://account/ID." in str(caught.value)

    @pytest.mark.parametrize("credentials", ["someone", "someone:hunter22"])
    def test_credentials_are_refused_and_not_repeated(self, credentials):
        """Airflow takes some of them away before, with a warning."""
        with pytest.raises(ValueError, match="has credentials") as caught:
            sanitize(urlsplit(f"threecommas://{credentials}@account/12"))
        assert credentials not in str(caught.value)

    def test_own_asset_is_in_that_form(self):
        asset = account_asset(32402783)
        assert (asset.name, asset.uri) == (URI, URI)
        assert asset == Asset(URI) == Asset(name=URI, uri="THREECOMMAS://account/032402783/")


class Event:
    def __init__(self):
        self.extra, self.added = {}, []

    def add(self, asset, extra):
        self.added.append((asset, extra))


class Events:
    """Airflow's ``outlet_events``: the events that the task's success will emit."""

    def __init__(self):
        self.accessed = []

    def __getitem__(self, outlet):
        self.accessed.append(Event())
        return self.accessed[-1]


class TestEvent:
    def emit(self, *outlets):
        events = Events()
        emit_account_event(Context(outlet_events=events), outlets, 32402783, FACTS)
        return events.accessed

    def test_alias_gets_the_accounts_asset(self):
        (event,) = self.emit(AssetAlias("threecommas_settled"))
        assert event.added == [(account_asset(32402783), FACTS)]

    def test_asset_of_an_account_gets_the_facts(self):
        (event,) = self.emit(Asset(f"{URI}/"))
        assert event.extra == FACTS

    def test_other_outlets_are_left_alone(self):
        assert self.emit(Asset("s3://bucket/report"), "something else") == []
