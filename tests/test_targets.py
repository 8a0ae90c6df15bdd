"""What counts as the target decides whether an account is sold and settled: a change has to be meant."""

from __future__ import annotations

from airflow_provider_3commas.targets import TARGETS


def test_each_target_is_made_of_these_coins():
    assert {name: set(target.currencies) for name, target in TARGETS.items()} == {
        "BTC": {"BTC"},
        "USD": {
            "USD", "USDT", "USDC", "FDUSD", "TUSD", "DAI", "BUSD", "USDP", "PYUSD", "GUSD", "RLUSD", "USD1",
        },
    }  # fmt: skip
