"""No credential leaves the client with a reply."""

from __future__ import annotations

from airflow_provider_3commas.api.redaction import redact_credentials


def test_credentials_are_replaced_wherever_they_are():
    account = {
        "id": 1,
        "api_key": "exchange-key",
        "apiKey": "exchange-key",
        "api_secret": "s",
        "passphrase": "p",
        "nested": [{"secret": "s", "access_token": "t"}],
        "api_key_invalid": False,
        "api_keys_state": "ok",
        "name": "My account",
    }
    assert redact_credentials(account) == {
        "id": 1,
        "api_key": "***",
        "apiKey": "***",
        "api_secret": "***",
        "passphrase": "***",
        "nested": [{"secret": "***", "access_token": "***"}],
        "api_key_invalid": False,
        "api_keys_state": "ok",
        "name": "My account",
    }
    assert account["api_key"] == "exchange-key", "the original is left alone"


def test_missing_credentials_stay_missing():
    assert redact_credentials({"api_key": None, "secret": ""}) == {"api_key": None, "secret": ""}
