"""What may name an account, and what may leave the client with it."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.api import InvalidAccountId, parse_account_id
from airflow_provider_3commas.api.redaction import redact_credentials


@pytest.mark.parametrize(
    ("value", "account_id"),
    [(1, 1), (32402783, 32402783), ("32402783", 32402783), (" 7\n", 7), ("007", 7), (2**63 - 1, 2**63 - 1)],
)
def test_account_id(value, account_id):
    assert parse_account_id(value) == account_id


@pytest.mark.parametrize(
    "value",
    [
        None, "", " ", "None", True, False, 1.0, "1.0", "1e3", "-1", -1, "0", 0, "+1", "summary", "SUMMARY",
        "12/../13", "12?x=1", "12#", "1 2", "1_000", "0x10", "\uff11\uff12", "\u0663", "12\x00", b"12", [12],
        {"id": 12}, 2**63, "9" * 20, "9" * 5000, "{{ var.value.account }}",
    ],
)  # fmt: skip
def test_everything_else_is_refused_and_shown(value):
    with pytest.raises(InvalidAccountId, match="positive integer") as caught:
        parse_account_id(value)
    assert len(str(caught.value)) < 500
    assert repr(value)[:40] in str(caught.value)


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
