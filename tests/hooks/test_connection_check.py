"""The connection test reads twice, within the budget, and says what works and whether the clock is right."""

from __future__ import annotations

import time
from email.utils import formatdate
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from airflow_provider_3commas.api import IpBanned, RateLimitExceeded
from airflow_provider_3commas.budget import Priority, gates
from airflow_provider_3commas.hooks.connection import ConnectionFields, client_from
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
from tests.hooks.checking import SECRET, asked, connection, diagnose, rsa_pem

pytestmark = pytest.mark.usefixtures("own_budget")

VALIDATE = ("GET", "/public/api/ver1/validate")
ACCOUNTS = ("GET", "/public/api/ver1/accounts?page=1&per_page=100")


def budget_of(connection):
    budgets = []
    client_from(ConnectionFields.of(connection), lambda budget: budgets.append(budget) or SimpleNamespace())
    return budgets[0]


def answer_at(simulator, seconds=0.0, date=None):
    """Answer the first request as 3Commas would at another time."""
    date = formatdate(seconds, usegmt=True) if date is None else date
    error = {"error": "api_key_invalid_or_expired"}
    simulator.fault("json", status=401, path="/ver1/validate", body=error, headers={"Date": date})


class TestGood:
    def test_ping_and_time_are_not_needed(self, simulator):
        simulator.settings(ping_and_time=False)
        ok, message = diagnose(connection(simulator))
        assert ok, message

    def test_mode_and_accounts_are_named_after_two_reads(self, simulator):
        ok, message = diagnose(connection(simulator))
        assert ok, message
        assert "in real mode" in message
        assert "can read 1 exchange account, 1 of them with sell-all" in message
        assert "only reads" in message
        assert asked(simulator) == [VALIDATE, ACCOUNTS]

    def test_the_key_goes_only_where_3commas_has_answered(self, simulator):
        diagnose(connection(simulator))
        first, second = simulator.journal()
        assert not {"apikey", "signature"} & {name.lower() for name in first["headers"]}
        assert {"apikey", "signature"} <= {name.lower() for name in second["headers"]}

    def test_an_rsa_key_works_with_and_without_its_line_breaks(self, simulator):
        key = rsa.generate_private_key(65537, 2048)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        pem = rsa_pem(key)
        simulator.put_key("an-rsa-key", public_key=public)
        for fields in (
            {"password": None, "extra": {"private_key": pem}},
            {"password": pem.replace("\n", " ")},
        ):
            ok, message = diagnose(connection(simulator, login="an-rsa-key", **fields))
            assert ok, message

    def test_a_read_only_key_is_enough(self, simulator):
        ok, message = diagnose(
            connection(simulator, login=simulator.read_only_api_key, password=simulator.read_only_secret)
        )
        assert ok, message

    def test_the_accounts_of_all_pages_are_counted(self, simulate):
        simulator = simulate({"extends": "fleet", "fleet": {"count": 130}})
        ok, message = diagnose(connection(simulator))
        assert ok, message
        assert f"can read {len(simulator.state()['accounts'])} exchange accounts" in message
        assert len(asked(simulator)) == 3

    def test_a_mode_without_accounts_is_named(self, simulate):
        simulator = simulate({"extends": "calm", "accounts": []})
        ok, message = diagnose(connection(simulator, extra={"mode": "paper"}))
        assert ok, message
        assert "Connected in paper mode" in message
        assert "none in this mode" in message

    @pytest.mark.filterwarnings("ignore:Connection 'c' has unknown keys")
    def test_fields_that_are_ignored_are_named(self, simulator):
        ok, message = diagnose(connection(simulator, extra={"paper_mode": True}))
        assert ok, message
        assert "the extra fields paper_mode" in message


class TestClock:
    @pytest.mark.parametrize("date", ["", "yesterday"])
    def test_without_a_date_the_clock_was_not_tried(self, simulator, date):
        answer_at(simulator, date=date)
        ok, message = diagnose(connection(simulator))
        assert ok, message
        assert "The clock was not tried" in message

    @pytest.mark.parametrize(
        ("seconds", "says"),
        [(-7325, "2 h 2 min ahead of"), (7325, "2 h 2 min behind"), (-90, "ahead of"), (3 * 86400, "behind")],
    )
    def test_a_clock_that_is_far_off_fails_with_the_difference(self, simulator, seconds, says):
        answer_at(simulator, time.time() + seconds)
        ok, message = diagnose(connection(simulator))
        assert not ok
        assert "can read 1 exchange account" in message
        assert "Clock far off" in message
        assert says in message

    def test_a_clock_that_is_a_little_off_passes(self, simulator):
        answer_at(simulator, time.time() - 30)
        ok, message = diagnose(connection(simulator))
        assert ok, message

    def test_a_wrong_clock_is_named_with_another_failure_too(self, simulator):
        answer_at(simulator, 1732269600)
        _, message = diagnose(connection(simulator, password=SECRET))
        assert "Wrong signature" in message
        assert "Clock far off" in message


class TestBudget:
    def test_during_a_pause_nothing_is_sent_and_the_time_left_is_named(self, simulator):
        tested = connection(simulator)
        budget_of(tested).report(RateLimitExceeded("429", retry_after=250, status_code=429))
        started = time.monotonic()
        ok, message = diagnose(tested)
        assert time.monotonic() - started < 1
        assert (ok, asked(simulator)) == (False, [])
        assert "Rate limit pause, 4 min" in message

    def test_during_a_ban_nothing_is_sent_and_the_time_left_is_named(self, simulator):
        tested = connection(simulator)
        budget_of(tested).report(IpBanned("418", retry_after=7200, status_code=418))
        ok, message = diagnose(tested)
        assert (ok, asked(simulator)) == (False, [])
        assert "Rate limit pause, 2 h" in message

    def test_a_refusal_pauses_everything_that_uses_the_key(self, simulator):
        simulator.fault("status", status=429, path="/ver1/accounts", headers={"Retry-After": "422"})
        tested = connection(simulator)
        diagnose(tested)
        assert 400 < budget_of(tested).status().paused_for <= 430

    def test_both_requests_are_counted(self, simulator):
        tested = connection(simulator)
        diagnose(tested)
        assert budget_of(tested).status().used == 2

    def test_a_used_up_budget_is_named_and_not_waited_for(self, simulator):
        tested = connection(simulator, extra={"requests_per_minute": 5})
        budget = budget_of(tested)
        while budget.reserve(Priority.POLL).granted:
            pass
        started = time.monotonic()
        ok, message = diagnose(tested)
        assert time.monotonic() - started < 5
        assert (ok, asked(simulator)) == (False, [])
        assert "Try again in" in message

    def test_a_short_wait_for_the_budget_is_waited_for(self, simulator, monkeypatch):
        slept = []
        waits = iter([0.2, 0.0, 0.0])

        def reserve(self, priority, ticket=None):
            wait = next(waits)
            return SimpleNamespace(granted=not wait, wait=wait, reason="busy", ticket=None, remaining=1)

        monkeypatch.setattr("airflow_provider_3commas.budget.budget.RequestBudget.reserve", reserve)
        monkeypatch.setattr(gates, "time", SimpleNamespace(monotonic=time.monotonic, sleep=slept.append))
        ok, message = diagnose(connection(simulator))
        assert ok, message
        assert slept == [0.2]


class TestHook:
    def test_the_hook_returns_the_result_of_the_check(self, simulator):
        assert ThreeCommasHook().test_connection()[1].startswith("Connected in real mode")

    def test_the_check_leaves_the_hooks_own_client_alone(self, simulator):
        hook = ThreeCommasHook()
        assert hook.test_connection()[0]
        assert hook.get_conn().timeouts[1] == 30.0
