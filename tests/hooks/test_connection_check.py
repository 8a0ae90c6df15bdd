"""The connection test says what to change, within seconds, without a write, and never a secret."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import time
from types import SimpleNamespace

import pytest
from airflow.sdk import Connection
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import NameOID

from airflow_provider_3commas.api import IpBanned, RateLimitExceeded
from airflow_provider_3commas.budget import Priority, gates
from airflow_provider_3commas.hooks import connection_check
from airflow_provider_3commas.hooks.connection import client_from
from airflow_provider_3commas.hooks.connection_check import diagnose
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
from airflow_provider_3commas.simulator import Simulator
from tests.conftest import connection_to

TIME = ("GET", "/public/api/ver1/time")
ACCOUNTS = ("GET", "/public/api/ver1/accounts?page=1&per_page=100")
#: Longer than the simulator's own, so that no text holds it by chance.
SECRET = "a-secret-of-which-nothing-may-be-shown"


@pytest.fixture
def simulator(simulate):
    return simulate()


@pytest.fixture(autouse=True)
def own_budget(monkeypatch, tmp_path):
    """A pause in one test must not reach the next."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))


def connection(simulator, *, extra=None, **fields):
    value = {**connection_to(simulator, **{"requests_per_minute": 10_000, **(extra or {})}), **fields}
    return Connection(conn_id="c", **{**value, "extra": json.dumps(value["extra"])})


def asked(simulator):
    return [(entry["method"], entry["path"]) for entry in simulator.journal()]


def budget_of(connection):
    budgets = []
    client_from(connection, lambda budget: budgets.append(budget) or SimpleNamespace())
    return budgets[0]


class TestGood:
    def test_names_mode_and_accounts_after_two_reads(self, simulator):
        ok, message = diagnose(connection(simulator))
        assert ok, message
        assert "in real mode" in message
        assert "can read 1 exchange account, 1 of them with sell-all" in message
        assert "only reads" in message
        assert asked(simulator) == [TIME, ACCOUNTS]

    def test_key_goes_only_where_3commas_has_answered(self, simulator):
        diagnose(connection(simulator))
        first, second = simulator.journal()
        assert not {"apikey", "signature"} & {name.lower() for name in first["headers"]}
        assert {"apikey", "signature"} <= {name.lower() for name in second["headers"]}

    def test_rsa_key_with_and_without_its_line_breaks(self, simulator):
        key = rsa.generate_private_key(65537, 2048)
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        simulator.put_key("an-rsa-key", public_key=public)
        for fields in (
            {"password": None, "extra": {"private_key": pem}},
            {"password": pem.replace("\n", " ")},
        ):
            ok, message = diagnose(connection(simulator, login="an-rsa-key", **fields))
            assert ok, message

    def test_read_only_key_is_enough(self, simulator):
        ok, message = diagnose(
            connection(simulator, login=simulator.read_only_api_key, password=simulator.read_only_secret)
        )
        assert ok, message

    def test_counts_the_accounts_of_all_pages(self, simulate):
        simulator = simulate({"extends": "fleet", "fleet": {"count": 130}})
        ok, message = diagnose(connection(simulator))
        assert ok, message
        assert f"can read {len(simulator.state()['accounts'])} exchange accounts" in message
        assert len(asked(simulator)) == 3

    def test_mode_without_accounts_is_told(self, simulate):
        simulator = simulate({"extends": "calm", "accounts": []})
        ok, message = diagnose(connection(simulator, extra={"mode": "paper"}))
        assert ok, message
        assert "Connected in paper mode" in message
        assert "none in this mode" in message

    @pytest.mark.filterwarnings("ignore:Connection 'c' has unknown keys")
    def test_names_fields_that_are_ignored(self, simulator):
        ok, message = diagnose(connection(simulator, extra={"paper_mode": True}))
        assert ok, message
        assert "the extra fields paper_mode" in message


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
    key = rsa.generate_private_key(65537, 2048)
    return {"password": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()}


def no_permission(simulator):
    simulator.put_key(simulator.api_key, permissions=["BOTS_READ"])
    return {}


def other_form_of_no_permission(simulator):
    simulator.put_key(simulator.api_key, permissions=[], denial="Forbidden")
    return {}


def plan_without_api(simulator):
    simulator.put_key(simulator.api_key, plan="free")
    return {}


def rate_limit(simulator):
    headers = {"Retry-After": "222"}
    simulator.fault("status", status=429, path="/ver1/accounts", headers=headers)
    return {}


def rate_limit_of_the_address(simulator):
    simulator.fault("status", status=429, path="/ver1/time", headers={"Retry-After": "222"})
    return {}


def ban(simulator):
    simulator.fault("status", status=418, path="/ver1/time", headers={"Retry-After": "7400"})
    return {}


def ban_at_the_second_request(simulator):
    simulator.fault("status", status=418, path="/ver1/accounts", headers={"Retry-After": "7400"})
    return {}


def outage(simulator):
    simulator.fault("html", status=502, path="/ver1/time")
    return {}


def outage_at_the_second_request(simulator):
    simulator.fault("html", status=502, path="/ver1/accounts")
    return {}


def other_server(simulator):
    simulator.fault("html", status=200, path="/ver1/time")
    return {}


def other_json_server(simulator):
    simulator.fault("status", status=404, path="/ver1/time")
    return {}


def redirect(simulator):
    simulator.fault("redirect", path="/ver1/time")
    return {}


def redirect_of_the_second_request(simulator):
    simulator.fault("redirect", path="/ver1/accounts")
    return {}


def login_page(simulator):
    simulator.fault("html", status=200, path="/ver1/accounts")
    return {}


def dropped(simulator):
    simulator.fault("drop", path="/ver1/time", reset=True)
    return {}


BAD = [
    (bad_key, ["API key refused (401 api_key_invalid_or_expired)", "IP address that is not on the key's list"], 2),
    (expired_key, ["API key refused", "an expired one"], 2),
    (address_not_allowed, ["API key refused", "IP address that is not on the key's list"], 2),
    (wrong_secret, ["Wrong signature (401 signature_invalid)", "API secret does not belong", "IP addresses"], 2),
    (wrong_private_key, ["Wrong signature", "RSA private key does not belong"], 2),
    (no_permission, ["must not read accounts (403 access_denied)", "ACCOUNTS_READ"], 2),
    (other_form_of_no_permission, ["must not read accounts (403 Forbidden)", "ACCOUNTS_READ"], 2),
    (plan_without_api, ["subscription plan", "Waiting does not help"], 2),
    (rate_limit, ["Rate limit (429", "3 min 42 s left"], 2),
    (rate_limit_of_the_address, ["Rate limit (429", "3 min 42 s left"], 1),
    (ban, ["is banned", "2 h 3 min left"], 1),
    (ban_at_the_second_request, ["is banned", "2 h 3 min left"], 2),
    (outage, ["trouble of its own (status 502)", "Try again"], 1),
    (outage_at_the_second_request, ["trouble of its own (status 502)", "Try again"], 2),
    (other_server, ["is not the 3Commas API", "HTML page", "The key was not sent there"], 1),
    (other_json_server, ["is not the 3Commas API", "status 404", "The key was not sent there"], 1),
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
    def test_connection_that_cannot_be_used_sends_nothing(self, simulator, fields, says):
        ok, message = diagnose(connection(simulator, **fields))
        assert (ok, asked(simulator)) == (False, [])
        assert message.startswith("Nothing was sent.")
        assert says in message

    def test_secret_in_the_wrong_field_is_not_shown(self, simulator):
        tested = connection(simulator, password=SECRET, extra={"mode": SECRET})
        ok, message = diagnose(tested)
        assert not ok
        assert_shows_no_secret(message, tested)

    def test_mistake_of_our_own_shows_no_secret(self, simulator, monkeypatch):
        def fail(_):
            raise RuntimeError(f"unexpected: {SECRET}, {pem}")

        pem = rsa.generate_private_key(65537, 2048)
        pem = pem.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        monkeypatch.setattr(connection_check, "_measure_clock_offset", fail)
        tested = connection(simulator, login=SECRET, password=pem)
        ok, message = diagnose(tested)
        assert not ok
        assert "RuntimeError: unexpected: ***" in message
        assert_shows_no_secret(message, tested)


class TestClock:
    @pytest.mark.parametrize(
        ("seconds", "says"),
        [(-7325, "2 h 2 min ahead of"), (7325, "2 h 2 min behind"), (-90, "ahead of"), (3 * 86400, "behind")],
    )
    def test_far_off_is_told_with_the_difference(self, simulator, seconds, says):
        simulator.fault("json", path="/ver1/time", body={"server_time": int(time.time()) + seconds})
        ok, message = diagnose(connection(simulator))
        assert not ok
        assert "can read 1 exchange account" in message
        assert "Clock far off" in message
        assert says in message

    def test_little_off_is_nothing(self, simulator):
        simulator.fault("json", path="/ver1/time", body={"server_time": int(time.time()) - 30})
        ok, message = diagnose(connection(simulator))
        assert ok, message

    def test_is_told_with_another_failure_too(self, simulator):
        simulator.fault("json", path="/ver1/time", body={"server_time": 1732269600})
        _, message = diagnose(connection(simulator, password=SECRET))
        assert "Wrong signature" in message
        assert "Clock far off" in message


class TestBudget:
    def test_during_a_pause_nothing_is_sent_and_the_time_left_is_told(self, simulator):
        tested = connection(simulator)
        budget_of(tested).report(RateLimitExceeded("429", retry_after=250, status_code=429))
        started = time.monotonic()
        ok, message = diagnose(tested)
        assert time.monotonic() - started < 1
        assert (ok, asked(simulator)) == (False, [])
        assert "Rate limit pause, 4 min" in message

    def test_during_a_ban_too(self, simulator):
        tested = connection(simulator)
        budget_of(tested).report(IpBanned("418", retry_after=7200, status_code=418))
        ok, message = diagnose(tested)
        assert (ok, asked(simulator)) == (False, [])
        assert "Rate limit pause, 2 h" in message

    def test_refusal_makes_everybody_else_pause(self, simulator):
        simulator.fault("status", status=429, path="/ver1/accounts", headers={"Retry-After": "222"})
        tested = connection(simulator)
        diagnose(tested)
        assert 200 < budget_of(tested).status().paused_for <= 230

    def test_both_requests_are_counted(self, simulator):
        tested = connection(simulator)
        diagnose(tested)
        assert budget_of(tested).status().used == 2

    def test_used_up_budget_is_told_and_not_waited_for(self, simulator):
        tested = connection(simulator, extra={"requests_per_minute": 5})
        budget = budget_of(tested)
        while budget.reserve(Priority.POLL).granted:
            pass
        started = time.monotonic()
        ok, message = diagnose(tested)
        assert time.monotonic() - started < 5
        assert (ok, asked(simulator)) == (False, [])
        assert "Try again in" in message

    def test_short_wait_is_waited_for(self, simulator, monkeypatch):
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


class TestNetwork:
    @pytest.fixture
    def at(self, simulator):
        def at(host):
            return diagnose(connection(simulator, host=host))

        return at

    def test_name_that_does_not_exist(self, at):
        ok, message = at("https://api.3commas.invalid")
        assert not ok
        assert "the name api.3commas.invalid can't be resolved" in message

    def test_refused(self, at):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        ok, message = at(f"http://127.0.0.1:{port}")
        assert not ok
        assert "connection refused" in message

    def test_no_answer(self, at, monkeypatch):
        monkeypatch.setattr(connection_check, "REQUEST_TIMEOUT", 0.5)
        with socket.create_server(("127.0.0.1", 0)) as server:
            ok, message = at(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert not ok
        assert "within 0.5 s" in message

    def test_name_server_that_does_not_answer(self, at, monkeypatch):
        monkeypatch.setattr(connection_check, "DEADLINE", 0.5)
        monkeypatch.setattr(connection_check, "_measure_clock_offset", lambda _: time.sleep(2))
        started = time.monotonic()
        ok, message = at("http://127.0.0.1:9")
        assert time.monotonic() - started < 1.5
        assert not ok
        assert "No result within 0.5 s" in message

    def test_answers_that_hang_one_after_the_other_end_in_time(self, simulator):
        simulator.fault("delay", path="/ver1/time", seconds=3.5)
        simulator.fault("hang", path="/ver1/accounts")
        started = time.monotonic()
        ok, message = diagnose(connection(simulator))
        assert time.monotonic() - started < 10
        assert not ok
        assert "no answer from" in message
        simulator.release(discard=True)

    def test_proxy_that_does_not_work(self, at, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        monkeypatch.delenv("https_proxy", raising=False)
        ok, message = at("https://api.3commas.invalid")
        assert not ok
        assert "the proxy on the way" in message

    def test_no_tls_at_the_other_end(self, simulator):
        ok, message = diagnose(connection(simulator, host=simulator.url.replace("http://", "https://")))
        assert not ok
        assert message.startswith("TLS failure: no encrypted connection")

    @pytest.mark.parametrize(
        ("made", "says"),
        [
            ({}, "is not from an authority that this machine trusts"),
            ({"trusted": True, "days": (-9, -1)}, "has expired"),
            ({"trusted": True, "days": (1, 9)}, "is not valid yet"),
            ({"trusted": True, "address": "127.0.0.2"}, "is for another name"),
        ],
        ids=["unknown", "expired", "early", "name"],
    )
    def test_certificate(self, tmp_path, monkeypatch, made, says):
        certificate, key = certificate_files(tmp_path, **{k: v for k, v in made.items() if k != "trusted"})
        if made.get("trusted"):
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with Simulator(tls_cert=certificate, tls_key=key) as simulator:
            ok, message = diagnose(connection(simulator))
            assert not simulator.journal()
        assert not ok
        assert message.startswith("TLS failure")
        assert says in message
        if "expired" in says or "yet" in says:
            assert "Is the clock" in message

    def test_certificate_that_is_good(self, tmp_path, monkeypatch):
        certificate, key = certificate_files(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        with Simulator(tls_cert=certificate, tls_key=key) as simulator:
            ok, message = diagnose(connection(simulator))
        assert ok, message


class TestHook:
    def test_is_what_the_hook_answers(self, simulator):
        assert ThreeCommasHook().test_connection()[1].startswith("Connected in real mode")

    def test_does_not_need_the_hook_to_be_used_before(self, simulator):
        hook = ThreeCommasHook()
        assert hook.test_connection()[0]
        assert hook.get_conn().timeouts[1] == 30.0


def assert_shows_no_secret(message, tested):
    extra = tested.extra_dejson
    for field in (tested.login, tested.password, extra.get("private_key")):
        for line in (field or "").splitlines():
            assert line not in message


def certificate_files(folder, *, days=(-1, 1), address="127.0.0.1"):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now + datetime.timedelta(days=days[0]))
        .not_valid_after(now + datetime.timedelta(days=days[1]))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files
