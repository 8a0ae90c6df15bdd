"""The documented mitigation periods, by endpoint."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.api.pauses import documented_pause


@pytest.mark.parametrize(
    ("method", "path", "seconds"),
    [
        ("GET", "/ver1/deals", 60),
        ("GET", "/ver1/deals/12/show", 60),
        ("GET", "/ver1/smart_trades", 10),
        ("GET", "/v2/smart_trades", 10),
        ("GET", "/ver1/accounts", 300),
        ("POST", "/ver1/accounts/12/sell_all_to_btc", 300),
        ("POST", "/ver1/deals", 300),
        ("POST", "/ver1/deals/12/panic_sell", 300),
        ("GET", "/ver1/deals/12/market_orders", 300),
        ("GET", "/ver1/deals/12/34/show", 300),
        ("GET", "/ver1/deals/", 300),
        ("POST", "/v2/smart_trades", 300),
        ("GET", "/v2/smart_trades/12", 300),
        ("GET", "/v3/smart_trades", 300),
        ("GET", "/ver1/bots?x=/ver1/deals", 300),
        ("GET", "", 300),
    ],
)
def test_an_endpoint_has_its_own_pause_where_that_is_documented(method, path, seconds):
    assert documented_pause(method, path) == seconds
