"""A trigger crosses the database: JSON only, no secret, and readable by other versions."""

from __future__ import annotations

import inspect
import json

import msgspec

from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import as_json, new_progress
from airflow_provider_3commas.triggers.balances import BalancesSettledTrigger
from tests.fakes import ACCOUNT, SETTLED, START, ScriptedClient
from tests.triggers.helpers import deadline_in, fire, make_trigger
from tests.virtual_time import run_in_virtual_time


def test_a_trigger_survives_the_database():
    original = make_trigger(
        criteria=as_json(Criteria.parse(target="USD", dust_btc="0.001", ignore_currencies=["LUNA"])),
        progress=as_json(new_progress(START)),
        poll_interval=5.5,
        exponential_backoff=True,
        max_wait=60.0,
    )
    path, arguments = original.serialize()
    assert path == "airflow_provider_3commas.triggers.balances.BalancesSettledTrigger"
    again = BalancesSettledTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (path, arguments)
    assert msgspec.convert(again.criteria, Criteria).target == "USD"


def test_every_argument_survives():
    arguments = {
        "account_id": 7,
        "threecommas_conn_id": "paper",
        "criteria": {"target": "USD"},
        "progress": {"reads": 3},
        "poll_interval": 5.5,
        "deadline": deadline_in(90),
        "timeout": 90.0,
        "exponential_backoff": True,
        "max_wait": 60.0,
    }
    parameters = inspect.signature(BalancesSettledTrigger).parameters
    assert all(arguments[name] != parameter.default for name, parameter in parameters.items())
    assert BalancesSettledTrigger(**arguments).serialize()[1] == arguments


def test_arguments_hold_no_secret():
    _, arguments = make_trigger().serialize()
    assert set(arguments) == {
        "account_id",
        "threecommas_conn_id",
        "criteria",
        "progress",
        "poll_interval",
        "deadline",
        "timeout",
        "exponential_backoff",
        "max_wait",
    }


def test_every_argument_but_the_account_has_a_default(clock, connected):
    connected(ScriptedClient((0, SETTLED)))
    assert run_in_virtual_time(clock, fire(BalancesSettledTrigger(account_id=ACCOUNT)))["status"] == "settled"


def test_arguments_of_other_versions_are_accepted(clock, connected):
    connected(ScriptedClient((0, SETTLED)))
    known = make_trigger(criteria={"target": "BTC", "later": 1}, progress={"started_at": START, "later": 1})
    assert run_in_virtual_time(clock, fire(known))["status"] == "settled"
