"""A trigger fires one event, whatever happens."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import Progress, as_json
from tests.fakes import SETTLED, START, UNSOLD, ScriptedClient, View
from tests.triggers.helpers import deadline_in, elapsed, fire, make_trigger, nothing_is_shared
from tests.virtual_time import run_in_virtual_time


def test_the_event_of_a_settled_account_carries_the_result(clock, connected):
    exchange = ScriptedClient((0, UNSOLD), (100, SETTLED))
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "settled"
    assert fired["result"]["target_amount"] == "1.09"
    assert fired["result"]["settled_at"]
    assert fired["history"][0][1] == "0.09"
    assert exchange.counts() == {"load_balances": 3, "get_balances": 3, "get_active_entities": 1}
    assert nothing_is_shared()
    assert exchange.closed == 1


def test_the_event_carries_the_facts(clock, connected):
    exchange = ScriptedClient((0, UNSOLD))
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger(criteria=as_json(Criteria.parse(dust_btc="0.01")))))
    assert fired["status"] == "stalled"
    assert fired["facts"]["criteria"]["dust_btc"] == "0.01"
    assert fired["facts"]["requests"] == len(exchange.requests)
    assert fired["facts"]["result"]["residual"] == fired["result"]["residual"]


def test_requests_of_a_wait_that_an_older_version_began_are_unknown(clock, connected):
    connected(ScriptedClient((0, SETTLED)))
    progress = {"started_at": START - 60, "reads": 1}
    fired = run_in_virtual_time(clock, fire(make_trigger(progress=progress)))
    assert fired["facts"]["requests"] is None


def test_a_wait_goes_on_from_what_the_sensor_saw(clock, connected):
    connected(ScriptedClient((0, SETTLED)))
    seen = Progress(started_at=START - 60, reads=1, stable=1, target_amount="1.09", unchanged_since=START)
    fired = run_in_virtual_time(clock, fire(make_trigger(progress=as_json(seen))))
    assert fired["result"]["reads"] == 2
    assert fired["result"]["waited_seconds"] > 119


def test_a_triggerer_that_was_away_is_no_proof_that_nothing_was_bought(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)
    away = START - 7200
    seen = Progress(started_at=away, reads=1, stable=1, stable_since=away, seen_at=away, target_amount="1.09")
    criteria = as_json(Criteria.parse(stable_for=600))
    fired = run_in_virtual_time(clock, fire(make_trigger(progress=as_json(seen), criteria=criteria)))
    assert fired["status"] == "settled"
    assert exchange.polls()[-1] - exchange.polls()[0] >= 300
    assert len(exchange.polls()) >= 5


def test_a_time_to_be_stable_that_does_not_fit_is_an_event_too(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)
    criteria = as_json(Criteria.parse(stable_for=600))
    fired = run_in_virtual_time(clock, fire(make_trigger(timeout=600, criteria=criteria)))
    assert (fired["status"], exchange.requests) == ("error", [])


def test_a_stall_names_what_is_left(clock, connected):
    connected(ScriptedClient((0, UNSOLD)))
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "stalled"
    assert "2 ETH (0.09 BTC)" in fired["message"]


def test_a_timeout_names_what_is_left_and_comes_in_time(clock, connected):
    connected(ScriptedClient((0, UNSOLD)))
    fired = run_in_virtual_time(clock, fire(make_trigger(deadline=deadline_in(150), timeout=150)))
    assert fired["status"] == "timeout"
    assert "within 150 s: unsold: 2 ETH (0.09 BTC)" in fired["message"]
    assert 150 <= elapsed() < 151


def test_the_last_poll_is_at_the_deadline(clock, connected):
    exchange = ScriptedClient((0, UNSOLD), (174, SETTLED))
    connected(exchange)
    criteria = as_json(Criteria.parse(stable_reads=1))
    fired = run_in_virtual_time(clock, fire(make_trigger(deadline=deadline_in(175), criteria=criteria)))
    assert fired["status"] == "settled"


def test_a_locked_account_fails_at_once(clock, connected):
    exchange = ScriptedClient((0, View([], account={"is_locked": True})))
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "failed"
    assert exchange.counts() == {"load_balances": 1}


@pytest.mark.parametrize("broken", [{"account_id": "summary"}, {"criteria": {"target": "EUR"}}, {"deadline": "soon"}])
def test_arguments_that_make_no_sense_are_an_event_too(clock, connected, broken):
    exchange = ScriptedClient((0, SETTLED))
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger(**broken)))
    assert fired["status"] == "error"
    assert not exchange.requests


def test_a_defect_is_an_event_without_its_text(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    exchange.get_balances = lambda _: 1 / 0
    connected(exchange)
    fired = run_in_virtual_time(clock, fire(make_trigger()))
    assert fired["status"] == "error"
    assert "ZeroDivisionError" in fired["message"]
    assert "division by" not in json.dumps(fired)
    assert nothing_is_shared()


def test_a_defect_ends_all_waits_on_the_account(clock, connected):
    exchange = ScriptedClient((0, SETTLED))
    exchange.get_balances = lambda _: 1 / 0
    connected(exchange)

    async def both() -> list[dict]:
        return await asyncio.gather(fire(make_trigger()), fire(make_trigger()))

    assert [fired["status"] for fired in run_in_virtual_time(clock, both())] == ["error", "error"]


def test_the_event_comes_only_when_the_scheduler_can_know_of_the_deferral(clock, connected):
    connected(ScriptedClient((0, View([], account={"is_locked": True}))))
    quick = make_trigger(poll_interval=1)
    quick.task_instance = SimpleNamespace(task_id="settled")
    assert run_in_virtual_time(clock, fire(quick))["status"] == "failed"
    assert elapsed() >= 10


def test_in_dag_test_the_event_waits_for_no_scheduler(clock, connected):
    connected(ScriptedClient((0, View([], account={"is_locked": True}))))
    run_in_virtual_time(clock, fire(make_trigger(poll_interval=1)))
    assert elapsed() < 2
