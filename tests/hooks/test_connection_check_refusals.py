"""The connection test says what to change for each refusal, within seconds, without a write, and never a secret."""

from __future__ import annotations

import time

import pytest

from airflow_provider_3commas.hooks import connection_check
from tests.hooks.checking import SECRET, asked, assert_shows_no_secret, connection, diagnose, rsa_pem

pytestmark = pytest.mark.usefixtures("own_budget")


def bad_key(simulator):
    return {"login": "no-such-key-at-3commas"}


def expired_key(simulator):
    simulator.put_key(simulator.api_key, state="expired")
    return {}


def address_not_allowed(simulator):
    simulator.put_key(simulator.api_key, ip_allowed=False)
    return {}


def wrong_secret(simulator):
    return {"password": SECRET}


def wrong_private_key(simulator):
    return {"password": rsa_pem()}


def no_permission(simulator):
    simulator.put_key(simulator.api_key, permissions=["BOTS_READ"])
    return {}


def other_form_of_no_permission(simulator):
    simulator.put_key(simulator.api_key, permissions=[], denial="Forbidden")
    return {}


def no_subscription(simulator):
    simulator.put_key(simulator.api_key, forbidden=["reads"])
    return {}


def forbidden_without_a_reason(simulator):
    simulator.put_key(simulator.api_key, forbidden=["reads"], forbidden_text=None)
    return {}


def plan_without_api(simulator):
    simulator.put_key(simulator.api_key, plan="free")
    return {}


def rate_limit(simulator):
    headers = {"Retry-After": "422"}
    simulator.fault("status", status=429, path="/ver1/accounts", headers=headers)
    return {}


def rate_limit_of_the_address(simulator):
    simulator.fault("status", status=429, path="/ver1/validate", headers={"Retry-After": "2"})
    return {}


def ban(simulator):
    simulator.fault("status", status=418, path="/ver1/validate", headers={"Retry-After": "7400"})
    return {}


def ban_at_the_second_request(simulator):
    simulator.fault("status", status=418, path="/ver1/accounts", headers={"Retry-After": "7400"})
    return {}


def outage(simulator):
    simulator.fault("html", status=502, path="/ver1/validate")
    return {}


def outage_at_the_second_request(simulator):
    simulator.fault("html", status=502, path="/ver1/accounts")
    return {}


def other_server(simulator):
    simulator.fault("html", status=200, path="/ver1/validate")
    return {}


def other_json_server(simulator):
    simulator.fault("status", status=404, path="/ver1/validate")
    return {}


def server_that_needs_no_key(simulator):
    simulator.fault("json", status=200, path="/ver1/validate", body={"valid": True})
    return {}


def server_with_a_login_of_its_own(simulator):
    simulator.fault("html", status=401, path="/ver1/validate")
    return {}


def redirect(simulator):
    simulator.fault("redirect", path="/ver1/validate")
    return {}


def redirect_of_the_second_request(simulator):
    simulator.fault("redirect", path="/ver1/accounts")
    return {}


def login_page(simulator):
    simulator.fault("html", status=200, path="/ver1/accounts")
    return {}


def dropped(simulator):
    simulator.fault("drop", path="/ver1/validate", reset=True)
    return {}


BAD = [
    (bad_key, ["API key refused (401 api_key_invalid_or_expired)", "IP address that is not on the key's list"], 2),
    (expired_key, ["API key refused", "an expired one"], 2),
    (address_not_allowed, ["API key refused", "IP address that is not on the key's list"], 2),
    (wrong_secret, ["Wrong signature (401 signature_invalid)", "API secret does not belong", "IP addresses"], 2),
    (wrong_private_key, ["Wrong signature", "RSA private key does not belong"], 2),
    (no_permission, ["signature are good", "403 access_denied", "lacks a permission", "ACCOUNTS_READ"], 2),
    (other_form_of_no_permission, ["403 Forbidden", "lacks a permission", "ACCOUNTS_READ"], 2),
    (no_subscription, ["403 Forbidden: Active subscription is required", "see to the subscription"], 2),
    (forbidden_without_a_reason, ["403 Forbidden.", "ACCOUNTS_READ", "Or 3Commas does not allow", "current state"], 2),
    (plan_without_api, ["subscription plan", "Waiting does not help"], 2),
    (rate_limit, ["Rate limit (429", "7 min 2 s left"], 2),
    (rate_limit_of_the_address, ["Rate limit (429", "5 min left"], 1),
    (ban, ["is banned", "2 h 3 min left"], 1),
    (ban_at_the_second_request, ["is banned", "2 h 3 min left"], 2),
    (outage, ["trouble of its own (status 502)", "Try again"], 1),
    (outage_at_the_second_request, ["trouble of its own (status 502)", "Try again"], 2),
    (other_server, ["is not the 3Commas API", "HTML page", "The key was not sent there"], 1),
    (other_json_server, ["is not the 3Commas API", "status 404", "The key was not sent there"], 1),
    (server_that_needs_no_key, ["is not the 3Commas API", "status 200", "The key was not sent there"], 1),
    (server_with_a_login_of_its_own, ["is not the 3Commas API", "status 401", "The key was not sent there"], 1),
    (redirect, ["is not the 3Commas API", "status 302", "The key was not sent there"], 1),
    (redirect_of_the_second_request, ["a redirect, which is never followed"], 2),
    (login_page, ["not as the 3Commas API does", "HTML page"], 2),
    (dropped, ["Host unreachable"], 1),
]


class TestBad:
    @pytest.mark.parametrize(("prepare", "says", "requests"), BAD, ids=[case[0].__name__ for case in BAD])
    def test_each_cause_has_its_explanation(self, simulator, prepare, says, requests):
        tested = connection(simulator, **prepare(simulator))
        started = time.monotonic()
        ok, message = diagnose(tested)
        assert time.monotonic() - started < 5
        assert not ok
        for part in says:
            assert part in message
        assert [method for method, _ in asked(simulator)] == ["GET"] * requests
        assert not simulator.sell_attempts()
        assert_shows_no_secret(message, tested)

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"password": None}, "no API secret"),
            ({"login": ""}, "no API key"),
            ({"extra": {"private_key": "-----BEGIN PRIVATE KEY-----"}}, "both a password and a private key"),
            ({"extra": {"mode": "demo"}}, "mode must be"),
            ({"extra": {"requests_per_minute": 1}}, "requests_per_minute must be"),
            ({"host": "http://api.3commas.io"}, "unencrypted"),
            ({"password": "***"}, "is the mask"),
        ],
    )
    def test_a_connection_that_cannot_be_used_sends_nothing(self, simulator, fields, says):
        ok, message = diagnose(connection(simulator, **fields))
        assert (ok, asked(simulator)) == (False, [])
        assert message.startswith("Nothing was sent.")
        assert says in message

    def test_a_secret_in_the_wrong_field_is_not_shown(self, simulator):
        tested = connection(simulator, password=SECRET, extra={"mode": SECRET})
        ok, message = diagnose(tested)
        assert not ok
        assert_shows_no_secret(message, tested)

    def test_a_defect_of_the_check_shows_no_secret(self, simulator, monkeypatch):
        def fail(_):
            raise RuntimeError(f"unexpected: {SECRET}, {pem}")

        pem = rsa_pem()
        monkeypatch.setattr(connection_check, "_measure_clock_offset", fail)
        tested = connection(simulator, login=SECRET, password=pem)
        ok, message = diagnose(tested)
        assert not ok
        assert "RuntimeError: unexpected: ***" in message
        assert_shows_no_secret(message, tested)
