"""The connection, from wherever Airflow keeps it, becomes a client or a clear refusal."""

from __future__ import annotations

import inspect
import json
import traceback
import warnings
from unittest import mock

import pytest
from airflow.sdk import Connection

from airflow_provider_3commas import api
from airflow_provider_3commas.api import ConfigurationError, LiquidationRefused, ThreeCommasError
from airflow_provider_3commas.api.request_rules import METHODS
from airflow_provider_3commas.hooks.connection import EXTRA_KEYS, ConnectionFields
from airflow_provider_3commas.hooks.connection import client_from as client_from_fields
from airflow_provider_3commas.hooks.threecommas import ThreeCommasHook
from tests.api.test_request_rules import ELSEWHERE, EVERY_ACCOUNT, SELLS
from tests.conftest import connection_to
from tests.hooks.checking import rsa_pem

SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"


@pytest.fixture(scope="module")
def pem():
    return rsa_pem()


def connection(**fields):
    extra = fields.pop("extra", None)
    return Connection(
        conn_id="c",
        conn_type="threecommas",
        **{"login": "the-key", "password": SECRET, **fields},
        extra=json.dumps(extra) if extra is not None else None,
    )


def client_from(connection):
    return client_from_fields(ConnectionFields.of(connection))


class TestConnection:
    def test_key_and_secret_are_enough(self):
        client = client_from(connection())
        assert (client.base_url, client.mode) == ("https://api.3commas.io", "real")

    @pytest.mark.parametrize(
        ("fields", "base_url"),
        [
            ({"host": "https://api.3commas.io"}, "https://api.3commas.io"),
            ({"host": "api.3commas.io"}, "https://api.3commas.io"),
            ({"host": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"),
            ({"host": "127.0.0.1", "port": 8080, "schema": "http"}, "http://127.0.0.1:8080"),
            ({"host": "http://127.0.0.1", "port": 8080}, "http://127.0.0.1:8080"),
            ({"host": ""}, "https://api.3commas.io"),
        ],
    )
    def test_host_port_and_schema_become_the_base_url(self, fields, base_url):
        assert client_from(connection(**fields)).base_url == base_url

    def test_the_uri_form_of_the_environment_is_read(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_C", f"threecommas://the-key:{SECRET}@127.0.0.1:8080/http?mode=paper&timeout=7")
        client = ThreeCommasHook("c").get_conn()
        assert (client.base_url, client.mode, client.timeouts[1]) == ("http://127.0.0.1:8080", "paper", 7)

    def test_the_json_form_of_the_environment_is_read(self, monkeypatch, pem):
        value = {"conn_type": "threecommas", "login": "the-key", "extra": {"private_key": pem, "mode": "paper"}}
        monkeypatch.setenv("AIRFLOW_CONN_C", json.dumps(value))
        assert ThreeCommasHook("c").get_conn().mode == "paper"

    @pytest.mark.parametrize("where", ["password", "private_key"])
    @pytest.mark.parametrize("one_line", [False, True])
    def test_an_rsa_key_may_be_in_either_field(self, pem, where, one_line):
        text = pem.replace("\n", " ") if one_line else pem
        fields = {"password": text} if where == "password" else {"password": "", "extra": {"private_key": text}}
        assert "RsaSigner" in repr(client_from(connection(**fields)).transport._credentials)

    def test_unset_fields_of_the_form_are_unset(self):
        client = client_from(connection(extra=dict.fromkeys(EXTRA_KEYS)))
        assert client.mode == "real"

    @pytest.mark.parametrize(
        ("fields", "says"),
        [
            ({"login": None}, "no API key"),
            ({"password": None}, "no API secret"),
            ({"host": "https://api.3commas.io/public/api"}, "path"),
            ({"host": "http://api.3commas.io"}, "unencrypted"),
            ({"host": "https://u:p@api.3commas.io"}, "credentials"),
            ({"extra": {"mode": "demo"}}, "mode"),
            ({"extra": {"timeout": "soon"}}, "timeout"),
            ({"extra": {"timeout": 0}}, "timeout"),
            ({"extra": {"timeout": True}}, "timeout"),
            ({"password": "", "extra": {"private_key": "hmac-secret"}}, "not a PEM"),
            ({"extra": {"private_key": "-----BEGIN X-----"}}, "both a password and a private key"),
            ({"password": "", "extra": {"private_key": "***"}}, "mask"),
            ({"extra": {"api_key": "the-other-key"}}, "in login and another in extra"),
            ({"login": "", "extra": {"api_key": 12}}, "no text"),
        ],
    )
    def test_an_unusable_connection_is_refused_before_anything_is_sent(self, fields, says):
        with pytest.raises(api.ConfigurationError, match=says) as caught:
            client_from(connection(**fields))
        assert SECRET not in str(caught.value)

    @pytest.mark.parametrize(
        "fields",
        [
            {"login": "the-k3y with a blank"},
            {"password": "s3cr3t with a blank"},
            {"password": "s3cr3t", "extra": {"private_key": "-----BEGIN s3cr3t"}},
            {"password": "", "extra": {"private_key": "s3cr3t"}},
            {"password": "", "extra": {"private_key": "-----BEGIN PRIVATE KEY-----s3cr3t-----END PRIVATE KEY-----"}},
            {"host": "https://the-k3y:s3cr3t@api.3commas.io"},
            {"host": "http://api.3commas.io", "login": "the-k3y", "password": "s3cr3t"},
            {"extra": {"api_key": "the-k3y"}},
            {"extra": {"timeout": "soon"}, "login": "the-k3y", "password": "s3cr3t"},
            {"extra": {"budget_url": "redis://:s3cr3t/x@host"}},
            {"extra": {"budget_url": "redis://:s3cr3t@127.0.0.1/0?socket_timeout=1"}},
        ],
    )
    def test_no_refusal_shows_a_secret_to_what_prints_values(self, monkeypatch, fields):
        monkeypatch.setenv("AIRFLOW_CONN_C", connection(**fields).as_json())
        with pytest.raises(api.ConfigurationError) as caught:
            ThreeCommasHook("c").get_conn()
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True, compact=False)
        # The first is this one, which has them.
        frames.stack = traceback.StackSummary.from_list(frames.stack[1:])
        shown = "".join(frames.format()) + repr(vars(caught.value))
        assert "ConfigurationError" in shown
        for secret in ("k3y", "s3cr3t", SECRET):
            assert secret not in shown

    def test_api_key_may_be_in_extra_which_airflow_does_not_show(self):
        with mock.patch("airflow_provider_3commas.hooks.connection.mask_secret") as mask:
            client = client_from(connection(login=None, extra={"api_key": "the-hidden-key"}))
        assert client.transport._credentials.api_key == "the-hidden-key"
        assert mock.call("the-hidden-key") in mask.call_args_list

    def test_unknown_extra_is_named(self):
        with pytest.warns(UserWarning, match="paper_mode, request_timeout"):
            client_from(connection(extra={"request_timeout": 5, "paper_mode": True, "mode": "real"}))

    def test_known_extra_warns_of_nothing(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            client_from(connection(extra={"mode": "paper", "timeout": "20"}))

    def test_nothing_happens_before_the_first_call(self):
        with mock.patch.object(ThreeCommasHook, "get_connection", side_effect=AssertionError):
            ThreeCommasHook("not-there")

    def test_secrets_are_registered_in_every_form_a_log_could_show(self, pem):
        with mock.patch("airflow_provider_3commas.hooks.connection.mask_secret") as mask:
            client_from(connection(password=pem))
            client_from(connection())
        masked = {call.args[0] for call in mask.call_args_list}
        assert {"the-key", SECRET, *[line for line in pem.splitlines() if not line.startswith("-----")]} <= masked
        assert not {form for form in masked if form.startswith("-----BEGIN") and "\n" not in form and len(form) < 40}

    def test_password_of_the_budget_store_is_registered(self):
        with mock.patch("airflow_provider_3commas.hooks.connection.mask_secret") as mask:
            client_from(connection(extra={"budget_url": "redis://user:p%40ssword@127.0.0.1:6379/0"}))
        masked = {call.args[0] for call in mask.call_args_list}
        assert {"p%40ssword", "p@ssword"} <= masked


class TestMethods:
    @pytest.fixture
    def hook(self, simulator):
        return ThreeCommasHook()

    def test_each_method_calls_its_endpoint(self, simulator, hook):
        account_id = simulator.account_id
        assert hook.validate() is True
        assert [account["id"] for account in hook.list_accounts()] == [account_id]
        assert hook.get_account(account_id)["api_key"] == "***"
        assert hook.load_balances(str(account_id))["id"] == account_id
        assert {row.currency_code for row in hook.get_balances(account_id)} >= {"BTC", "ETH"}
        assert hook.get_active_entities(account_id)["active_bots_count"] == 3
        assert hook.sell_all_to_btc(account_id, unguarded=True)["id"] == account_id
        assert hook.sell_all_to_usd(account_id, unguarded=True)["id"] == account_id
        assert [sell["target"] for sell in simulator.sells()] == ["BTC", "USD"]
        assert len({entry["connection"] for entry in simulator.journal()}) == 1

    def test_the_methods_have_their_fixed_signatures(self):
        about_one = ["get_account", "load_balances", "get_balances", "get_active_entities"]
        methods = {name: ["account_id"] for name in about_one}
        methods |= {name: ["account_id", "unguarded"] for name in ["sell_all_to_btc", "sell_all_to_usd"]}
        methods |= {"run": ["method", "path", "params", "writes"]}
        methods |= {name: [] for name in ["validate", "list_accounts", "test_connection", "get_conn"]}
        for name, parameters in methods.items():
            signature = inspect.signature(getattr(ThreeCommasHook, name))
            assert list(signature.parameters)[1:] == parameters

    @pytest.mark.parametrize("sell", ["sell_all_to_btc", "sell_all_to_usd"])
    @pytest.mark.parametrize("options", [{}, {"unguarded": False}, {"unguarded": "True"}, {"unguarded": 1}])
    def test_a_sell_that_nothing_guards_is_refused_before_any_request(self, simulator, hook, sell, options):
        with pytest.raises(LiquidationRefused, match=r"a retried task sells again.* Use SellAllToBtcOperator"):
            getattr(hook, sell)(simulator.account_id, **options)
        assert simulator.journal() == []

    def test_run_reads_what_has_no_method_of_its_own(self, simulator, hook):
        bots = hook.run("GET", "/ver1/bots", {"account_id": simulator.account_id, "scope": None, "limit": 2})
        assert {bot["url_secret"] for bot in bots} == {"***"}
        assert len(bots) == 2
        shares = hook.run("POST", f"/ver1/accounts/{simulator.account_id}/pie_chart_data")
        assert "BTC" in {share["code"] for share in shares}
        with pytest.raises(ConfigurationError, match="writes=True"):
            hook.run("POST", f"/ver1/bots/{bots[0]['id']}/disable")
        assert hook.run("POST", f"/ver1/bots/{bots[0]['id']}/disable", writes=True)["is_enabled"] is False
        assert [entry["method"] for entry in simulator.journal()] == ["GET", "POST", "POST"]

    def test_run_writes_only_through_a_connection_that_is_understood_in_full(self, simulator, monkeypatch):
        value = connection_to(simulator, paper_mode=True)
        monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps(value))
        with pytest.warns(UserWarning, match="paper_mode"), pytest.raises(ConfigurationError, match="paper_mode"):
            ThreeCommasHook().run("POST", "/ver1/bots/1/disable", writes=True)
        assert simulator.journal() == []

    def test_credentials_among_the_parameters_are_registered_as_they_are_and_as_they_are_sent(self, simulator, hook):
        params = {"type": "binance", "api_key": "an exchange/key", "secret": "shh", "name": "no secret"}
        masker = mock.patch("airflow_provider_3commas.hooks.threecommas.mask_secret")
        with masker as mask, pytest.raises(ThreeCommasError):
            hook.run("GET", "/ver1/accounts/types_to_connect", params)
        assert {call.args[0] for call in mask.call_args_list} == {"an exchange/key", "an+exchange%2Fkey", "shh"}

    @pytest.mark.parametrize("path", [*SELLS, *EVERY_ACCOUNT, *ELSEWHERE])
    def test_what_run_refuses_never_leaves_the_machine(self, simulator, hook, path):
        for method in METHODS:
            with pytest.raises(ConfigurationError):
                hook.run(method, path, {"x": 1}, writes=True)
        assert simulator.journal() == []
        assert simulator.sells() == []

    def test_connection_test_reads_only(self, simulator, hook):
        ok, message = hook.test_connection()
        assert ok, message
        assert "real mode" in message
        assert "1 exchange account" in message
        assert {entry["method"] for entry in simulator.journal()} == {"GET"}

    def test_connection_test_says_what_is_wrong_without_the_secret(self, simulator, monkeypatch, tmp_path):
        value = connection_to(simulator, budget_url=f"sqlite:///{tmp_path}/budget.sqlite")
        monkeypatch.setenv("AIRFLOW_CONN_THREECOMMAS_DEFAULT", json.dumps({**value, "password": "wrong-secret"}))
        ok, message = ThreeCommasHook().test_connection()
        assert not ok
        assert "signature_invalid" in message
        assert "wrong-secret" not in message
        assert simulator.api_key not in message
