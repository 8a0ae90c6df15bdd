"""Deferrable mode: what the trigger's event, or its silence, means to the task."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferred,
)

from airflow_provider_3commas.api.errors import (
    SettlementFailed,
)
from airflow_provider_3commas.budget import RaisingGate, SleepingGate
from airflow_provider_3commas.settlement.sensor_run import SensorRun
from tests.fakes import ACCOUNT, SETTLED, UNSOLD

pytestmark = pytest.mark.parametrize("mode", ["deferrable"], indirect=True)


def test_an_account_that_has_settled_at_the_first_poll_is_not_deferred(harness, exchange):
    exchange((0, SETTLED))
    assert harness.run(stable_reads=1)["reads"] == 1
    assert not harness.deferrals


def test_waiting_for_the_budget_does_not_hold_the_worker(harness):
    waiting, sleeping = harness.sensor(), harness.sensor(dry_run=True)
    for sensor, kind in ((waiting, RaisingGate), (sleeping, SleepingGate)):
        sensor._sensor_run = SensorRun(sensor, harness.context)
        assert isinstance(sensor._gate(None), kind)


def test_airflow_ends_the_deferral_a_little_later_than_the_trigger(harness, exchange):
    exchange((0, SETTLED))
    harness.run(timeout=1000)
    (deferral,) = harness.deferrals
    assert 1000 < deferral.timeout.total_seconds() < 1200
    assert deferral.method_name == "execute_complete"


def test_trigger_that_broke_leaves_what_the_first_poll_saw(harness, exchange):
    exchange((0, UNSOLD))
    sensor = harness.sensor()
    with pytest.raises(TaskDeferred):
        sensor.execute(harness.context)
    with pytest.raises(SettlementFailed, match="the trigger broke"):
        harness.sensor().resume_execution("__fail__", {"error": "Trigger failure"}, harness.context)
    facts = harness.ti.xcoms["settlement_facts"]
    assert facts["result"]["residual"] == [{"currency": "ETH", "amount": "2", "btc_value": "0.09"}]
    # Those of the trigger are not among the sensor's.
    assert facts["requests"] is None


def test_events_of_older_versions_are_accepted(harness, exchange):
    exchange((0, SETTLED))
    harness.edit_event = lambda event: {name: value for name, value in event.items() if name != "facts"}
    assert harness.run()["target_amount"] == "1.09"
    # What was known when the wait was handed over.
    assert harness.ti.xcoms["settlement_facts"]["criteria"]["dust_btc"] == "0.0001"


@pytest.mark.parametrize(
    "event", [None, {}, "settled", {"status": "done"}, {"status": "settled"}, {"status": "settled", "result": {}}]
)
@pytest.mark.parametrize("soft_fail", [False, True])
def test_an_unknown_event_is_a_failure(harness, exchange, event, soft_fail):
    exchange((0, SETTLED))
    harness.edit_event = lambda _: event
    with pytest.raises(SettlementFailed):
        harness.run(soft_fail=soft_fail)


def test_a_missing_event_is_a_failure(harness):
    with pytest.raises(SettlementFailed):
        harness.sensor().resume_execution("execute_complete", None, harness.context)


def test_a_trigger_that_broke_is_a_failure_under_soft_fail_too(harness):
    broke = {"error": "Trigger failure", "traceback": ["boom"]}
    with pytest.raises(SettlementFailed, match="is unknown: the trigger broke"):
        harness.sensor(soft_fail=True).resume_execution("__fail__", broke, harness.context)


def test_airflows_own_timeout_means_the_same_as_the_triggers(harness):
    over = {"error": "Trigger timeout"}
    with pytest.raises(AirflowSensorTimeout):
        harness.sensor().resume_execution("__fail__", over, harness.context)
    harness.ti.xcoms["settlement_facts"] = {"account_id": ACCOUNT, "result": {"reads": 1}}
    with pytest.raises(AirflowSkipException):
        harness.sensor(soft_fail=True).resume_execution("__fail__", over, harness.context)
    # What the first poll saw is kept.
    facts = harness.ti.xcoms["settlement_facts"]
    assert facts["result"] == {"reads": 1}
    assert "the trigger is silent" in facts["skipped"]
