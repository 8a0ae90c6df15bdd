"""What is wrong with a parameter or a connection is refused when the DAG is parsed, or before anything is sent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_3commas import api
from airflow_provider_3commas.operators.sell_all import SellAllToBtcOperator
from tests.operators.task_run import connect

WRONG = [
    ({"account_id": "summary"}, "positive integer"),
    ({"account_id": None}, "positive integer"),
    ({"account_id": True}, "positive integer"),
    ({"dry_run": "maybe"}, "dry_run"),
    ({"dry_run": None}, "dry_run"),
    ({"dry_run": 1}, "dry_run"),
    ({"preflight": "best"}, "preflight must be True, False or 'best_effort'"),
    ({"preflight": 0}, "preflight"),
    ({"allow_backfill": "False"}, "allow_backfill must be True or False"),
    ({"allow_backfill": "{{ params.x }}"}, "allow_backfill"),
    ({"allow_backfill": None}, "allow_backfill"),
    ({"max_lateness": "1 hour"}, "max_lateness must be a timedelta or a number of seconds"),
    ({"max_lateness": True}, "max_lateness"),
    ({"max_lateness": -5}, "max_lateness"),
    ({"max_lateness": float("inf")}, "max_lateness"),
    ({"not_within": 0}, "not_within"),
    ({"not_within": "None"}, "not_within"),
    ({"reconcile_for": None}, "reconcile_for"),
    ({"reconcile_for": "soon"}, "reconcile_for"),
    ({"reconcile_for": timedelta(days=2)}, "reconcile_for"),
    ({"account_name": " "}, "account_name"),
    ({"account_name": 5}, "account_name"),
    ({"account_name": "Main", "preflight": False}, "account_name needs preflight"),
    ({"execution_timeout": timedelta(minutes=2)}, "execution_timeout .* must be longer than reconcile_for"),
    ({"execution_timeout": timedelta(minutes=3), "reconcile_for": 180}, "execution_timeout"),
]


@pytest.mark.parametrize(("parameters", "says"), WRONG)
def test_a_wrong_literal_is_refused_when_the_dag_is_parsed(parameters, says):
    with pytest.raises((api.ConfigurationError, api.InvalidAccountId), match=says):
        SellAllToBtcOperator(task_id="liquidate", **{"account_id": 12, **parameters})


@pytest.mark.parametrize(
    "parameters",
    [
        {"account_id": "{{ var.value.account }}"},
        {"account_id": 12, "max_lateness": 3600, "not_within": 600.0, "reconcile_for": 120},
        {"account_id": " 12 ", "max_lateness": None, "not_within": None},
        {"account_id": 12, "max_lateness": "{{ params.lateness }}", "not_within": "{% if x %}1{% endif %}"},
        {"account_id": 12, "preflight": "{{ params.preflight }}", "account_name": "Main"},
        {"account_id": 12, "preflight": "Best_Effort", "dry_run": "True", "allow_backfill": True},
        {"account_id": 12, "execution_timeout": timedelta(minutes=10)},
    ],
)
def test_a_right_literal_and_a_template_are_not_refused(parameters):
    SellAllToBtcOperator(task_id="liquidate", **parameters)


@pytest.mark.parametrize("seconds", [3600, "3600", " 3600.5 ", timedelta(hours=1)])
def test_seconds_or_a_timedelta_work_in_a_scheduled_run(simulator, run, seconds):
    run.dag_run.run_type = "scheduled"
    run.attempt(max_lateness=seconds, not_within=seconds)
    assert len(simulator.sells()) == 1


@pytest.mark.filterwarnings("ignore:.*unknown keys in extra")
@pytest.mark.parametrize("extra", [{"Mode": "paper"}, {"forced_mode": "paper"}, {"mode ": "paper"}])
def test_a_connection_that_sells_has_to_be_understood_in_full(simulator, run, monkeypatch, extra):
    connect(monkeypatch, simulator, **extra)
    with pytest.raises(AirflowFailException, match="keys in extra that are not known"):
        run.attempt()
    assert simulator.journal() == []
    assert run.outcome == "refused"


@pytest.mark.filterwarnings("ignore:.*unknown keys in extra")
def test_a_connection_that_only_reads_need_not(simulator, monkeypatch):
    from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook

    connect(monkeypatch, simulator, Mode="paper")
    assert ThreeCommasHook().validate()
    with pytest.raises(api.ConfigurationError, match="not known"):
        ThreeCommasHook().sell_all_to_btc(simulator.account_id, unguarded=True)
    assert simulator.sell_attempts() == []


def test_a_teardown_has_to_fail_the_run_when_the_dag_is_parsed():
    with pytest.raises(ValueError, match="on_failure_fail_dagrun=True"):
        SellAllToBtcOperator(task_id="liquidate", account_id=12).as_teardown()


@pytest.mark.parametrize("fails_the_run", [False, True])
def test_a_liquidation_whose_failure_goes_unnoticed_is_refused(simulator, run, fails_the_run):
    class Teardown(SellAllToBtcOperator):
        def __init__(self, **parameters):
            super().__init__(**parameters)
            self.is_teardown = True
            self.on_failure_fail_dagrun = fails_the_run

    run.operator_class = Teardown
    if fails_the_run:
        run.attempt()
        assert len(simulator.sells()) == 1
        return
    with pytest.raises(AirflowFailException, match="would go unnoticed"):
        run.attempt()
    assert simulator.journal() == []
