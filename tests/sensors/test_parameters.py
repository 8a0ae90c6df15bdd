"""Parameters are refused when the DAG is parsed, or when they are rendered, but before anything is sent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_3commas.api.errors import (
    ConfigurationError,
    InvalidAccountId,
)
from airflow_provider_3commas.sensors.balances import BalancesSettledSensor
from airflow_provider_3commas.settlement.criteria import Criteria
from tests.fakes import ACCOUNT, SETTLED


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"account_id": "summary"}, "account_id"),
        ({"account_id": 0}, "account_id"),
        ({"account_id": None}, "account_id"),
        ({"account_id": True}, "account_id"),
        ({"target": "EUR"}, "target"),
        ({"dust_btc": "-1"}, "dust_btc"),
        ({"dust_btc": 0.0001}, "dust_btc"),
        ({"stable_reads": 0}, "stable_reads"),
        ({"stall_after": -5}, "stall_after"),
        ({"ignore_currencies": ["BTC"]}, "ignore_currencies"),
        ({"dry_run": "maybe"}, "dry_run"),
        ({"deferrable": "False"}, "deferrable"),
        ({"deferrable": 0}, "deferrable"),
        ({"require_no_entities": "False"}, "require_no_entities"),
        ({"stall_after": "ten minutes"}, "stall_after"),
        ({"stable_for": -1}, "stable_for"),
        ({"stable_for": "soon"}, "stable_for"),
        ({"stable_for": 7 * 86400, "timeout": 3600}, "stable_for .* shorter than timeout"),
        ({"ignore_currencies": "*"}, "ignore_currencies has '\\*'"),
        ({"ignore_currencies": ["*.F", "?*"]}, "ignore_currencies has '\\?\\*'"),
        ({"silent_fail": True}, "silent_fail"),
        ({"never_fail": True}, "never_fail"),
    ],
)
def test_literals_are_refused_at_parse_time(wrong, expected):
    with pytest.raises(ValueError, match=expected):
        BalancesSettledSensor(**{"task_id": "settled", "account_id": ACCOUNT, **wrong})


def test_templates_are_not_refused_at_parse_time():
    sensor = BalancesSettledSensor(
        task_id="settled",
        account_id="{{ params.account_id }}",
        target="{{ params.target }}",
        dry_run="{% if x %}True{% endif %}",
        ignore_currencies=["{{ params.stuck }}"],
    )
    assert set(sensor.template_fields) == {
        "account_id",
        "threecommas_conn_id",
        "target",
        "ignore_currencies",
        "dry_run",
    }


def test_defaults_are_those_of_the_criteria_and_need_no_check():
    defaults = BalancesSettledSensor._DEFAULTS
    criteria = {name: defaults[name] for name in Criteria.__struct_fields__}
    assert Criteria.parse() == Criteria.parse(**criteria) == Criteria()


def test_deferrable_is_by_default_what_airflow_says(monkeypatch):
    code = (
        "from airflow_provider_3commas.sensors.balances import BalancesSettledSensor as S;"
        "print(S(task_id='t', account_id=1).deferrable)"
    )
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("True")


@pytest.mark.parametrize("wrong", [{"soft_fail": "False"}, {"deferrable": "True"}, {"require_no_entities": "no"}])
def test_text_is_no_truth_value(harness, wrong):
    ((name, _),) = wrong.items()
    with pytest.raises(ValueError, match=f"{name} must be True or False"):
        harness.sensor(**wrong)


def test_templates_are_checked_before_anything_is_sent(harness, exchange):
    requests = exchange((0, SETTLED)).requests
    for arguments, error in [
        ({"account_id": "summary"}, InvalidAccountId),
        ({"account_id": "None"}, InvalidAccountId),
        ({"target": "EUR"}, ConfigurationError),
        ({"dry_run": ""}, ConfigurationError),
        ({"ignore_currencies": "BTC"}, ConfigurationError),
    ]:
        ((name, rendered),) = arguments.items()
        sensor = harness.sensor(**{name: "{{ params.x }}"})
        setattr(sensor, name, rendered)
        with pytest.raises(error):
            sensor.execute(harness.context)
    assert not requests


def test_a_timeout_that_was_shortened_later_is_checked_before_anything_is_sent(harness, exchange):
    requests = exchange((0, SETTLED)).requests
    sensor = harness.sensor(stable_for=600)
    sensor.timeout = 600
    with pytest.raises(ConfigurationError, match="shorter than timeout"):
        sensor.execute(harness.context)
    assert not requests


@pytest.mark.parametrize("fails_the_run", [None, False, True])
def test_a_teardown_has_to_fail_the_run(harness, exchange, fails_the_run):
    sensor = harness.sensor()
    if fails_the_run:
        assert sensor.as_teardown(on_failure_fail_dagrun=True) is sensor
    else:
        with pytest.raises(ValueError, match="on_failure_fail_dagrun=True"):
            sensor.as_teardown(on_failure_fail_dagrun=fails_the_run)


@pytest.mark.parametrize("fails_the_run", [False, True])
def test_a_teardown_by_another_way_is_refused_before_anything_is_sent(harness, exchange, fails_the_run):
    requests = exchange((0, SETTLED)).requests
    sensor = harness.sensor(dry_run=True)
    sensor.is_teardown, sensor.on_failure_fail_dagrun = True, fails_the_run
    if fails_the_run:
        assert sensor.execute(harness.context)["target_amount"] == "1.09"
        return
    with pytest.raises(ConfigurationError, match="would go unnoticed"):
        sensor.execute(harness.context)
    assert not requests
