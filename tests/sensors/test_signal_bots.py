"""A Signal Bot survives a sell-all, no call shows it, and it buys back: noticed by ``stable_for`` alone."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_3commas.api.errors import BalancesStalled

#: When the bot buys, in seconds after the sell-all, and when it sells, in the scenario.
BUYS, SELLS = 300, 420


def bought(history: list[list[Any]]) -> list[float]:
    """Return when the unsold value was that of more than dust, after it had fallen to that."""
    flat = next(index for index, (_, value) in enumerate(history) if float(value) < 0.001)
    return [seconds for seconds, value in history[flat:] if float(value) > 0.001]


def test_reads_alone_settle_before_it_buys(harness, sell):
    sell("signal-bot")
    result = harness.run()
    assert result["waited_seconds"] < BUYS
    assert not bought(harness.ti.xcoms["settlement_history"])


def test_it_is_noticed_and_the_account_has_to_be_settled_for_as_long_again(harness, sell):
    sell("signal-bot")
    result = harness.run(stable_for=BUYS + 60)
    assert result["waited_seconds"] >= SELLS + BUYS + 60
    assert bought(harness.ti.xcoms["settlement_history"])
    assert [item["currency"] for item in result["residual"]] == ["DOGE"]


def test_bot_that_holds_what_it_has_bought_is_a_failure_that_names_it(harness, sell):
    sell("signal-bot", signal={"after_seconds": BUYS, "open_seconds": None, "currency": "SOL", "fraction": "0.3"})
    with pytest.raises(BalancesStalled, match=r"SOL .*running: 1 smart trade.*had been settled for .*Signal Bots"):
        harness.run(stable_for=1200, timeout=7200)


def test_timeout_says_for_how_long_it_was_settled(harness, sell):
    sell("signal-bot", signal_bots=0)
    with pytest.raises(AirflowSensorTimeout, match=r"2 of 2 times in a row, for 7 min .* of 8 min 20 s"):
        harness.run(stable_for=500, timeout=510)
