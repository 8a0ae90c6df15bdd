"""What a wait ends with, in all three modes: the result, or a failure that names what is left."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowSensorTimeout,
    AirflowSkipException,
)
from airflow.sdk import AssetAlias
from structlog.testing import capture_logs

from airflow_provider_3commas.api.errors import (
    AccountNotFound,
    BalancesStalled,
    OutcomeUnknown,
    SettlementFailed,
)
from tests.fakes import ACCOUNT, SETTLED, UNSOLD, View, row


def test_the_result_is_what_has_settled(harness, exchange):
    requests = exchange((0, UNSOLD), (100, SETTLED)).counts
    result = harness.run()
    assert {**result, "settled_at": "", "waited_seconds": 0} == {
        "account_id": ACCOUNT,
        "target": "BTC",
        "settled_at": "",
        "target_amount": "1.09",
        "btc_value": "1.09003",
        "usd_value": "65000",
        "residual": [{"currency": "DOGE", "amount": "21.7", "btc_value": "0.00003"}],
        "reads": 4,
        "waited_seconds": 0,
    }
    assert 180 <= result["waited_seconds"] < 220
    assert [value for _, value in harness.ti.xcoms["settlement_history"]] == ["0.09", "0.00003"]
    assert requests() == {"load_balances": 4, "get_balances": 4, "get_active_entities": 1}


def test_dollars_and_stablecoins_are_the_target_of_usd(harness, exchange):
    exchange((0, View([row("USDT", "60000", "0.9"), row("USDC", "5", "0.0001")])))
    assert harness.run(target="USD")["target_amount"] == "60005"


def test_stall_is_a_failure_that_names_what_is_left(harness, exchange):
    exchange((0, UNSOLD))
    with pytest.raises(BalancesStalled, match=r"unsold: 2 ETH \(0.09 BTC\)") as failure:
        harness.run()
    assert 600 <= harness.elapsed() < 680
    assert failure.value.result["residual"] == [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}]
    assert harness.ti.xcoms["settlement_history"] == [[0.0, "0.09"]]


def test_a_bot_that_runs_on_is_a_stall(harness, exchange):
    exchange((0, View([row("BTC", "1")], entities={"active_bots_count": 1})))
    with pytest.raises(BalancesStalled, match="running: 1 bot"):
        harness.run()
    assert 600 <= harness.elapsed() < 680


def test_an_account_that_its_owner_has_emptied_is_a_failure(harness, exchange):
    exchange((0, UNSOLD), (100, View([], account={"btc_amount": "0"})))
    with pytest.raises(SettlementFailed, match="has been withdrawn"):
        harness.run()


def test_timeout_names_what_is_left(harness, exchange):
    exchange((0, UNSOLD))
    with pytest.raises(AirflowSensorTimeout, match=r"within 150 s: unsold: 2 ETH \(0.09 BTC\)"):
        harness.run(timeout=150)
    assert 150 <= harness.elapsed() < 152


def test_soft_fail_skips_on_a_timeout_and_says_so(harness, exchange):
    exchange((0, UNSOLD))
    with capture_logs() as log, pytest.raises(AirflowSkipException, match="2 ETH"):
        harness.run(timeout=150, soft_fail=True)
    left, skipped = [line["event"] for line in log if line["log_level"] == "error"]
    assert "2 ETH (0.09 BTC)" in left
    assert "soft_fail" in skipped
    facts = harness.ti.xcoms["settlement_facts"]
    assert "within 150 s: unsold: 2 ETH (0.09 BTC)" in facts["skipped"]
    assert facts["result"]["residual"][0]["currency"] == "ETH"


def test_a_timeout_without_soft_fail_is_not_reported_as_skipped(harness, exchange):
    exchange((0, UNSOLD))
    with capture_logs() as log, pytest.raises(AirflowSensorTimeout):
        harness.run(timeout=150)
    assert not [line for line in log if "soft_fail" in line["event"]]
    assert "skipped" not in harness.ti.xcoms["settlement_facts"]


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ([(0, UNSOLD)], BalancesStalled),
        ([(0, UNSOLD), (30, View([], account={"is_locked": True}))], SettlementFailed),
        ([(0, UNSOLD), (30, View([], account={"api_key_invalid": True}))], SettlementFailed),
        ([(0, UNSOLD), (30, AccountNotFound("404 not_found"))], SettlementFailed),
        ([(0, UNSOLD), (30, OutcomeUnknown("502"))], SettlementFailed),
    ],
    ids=["stalled", "locked", "keys", "not found", "unreadable"],
)
def test_soft_fail_does_not_skip_on_anything_else(harness, exchange, script, kind):
    exchange(*script)
    with pytest.raises(kind) as failure:
        harness.run(soft_fail=True)
    assert not isinstance(failure.value, AirflowException)
    assert "2 ETH" in str(failure.value)


@pytest.mark.parametrize("dry_run", [True, "True"])
def test_dry_run_polls_once_and_succeeds(harness, exchange, dry_run):
    requests = exchange((0, UNSOLD)).counts
    result = harness.run(dry_run=dry_run, outlets=[AssetAlias("accounts")])
    assert result["settled_at"] is None
    assert result["residual"] == [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}]
    assert requests() == {"load_balances": 1, "get_balances": 1}
    assert harness.ti.xcoms["settlement_facts"]["requests"] == 2


def test_a_dry_run_fails_where_the_wait_would(harness, exchange):
    exchange((0, View([], account={"is_locked": True})))
    with pytest.raises(SettlementFailed, match="locked"):
        harness.run(dry_run=True)
