"""Whatever a reply holds comes in harmless: exact sane numbers, one printable line, no credential."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_3commas.api.decoding import decode_json
from airflow_provider_3commas.api.redaction import Secret, is_credential
from airflow_provider_3commas.printable import MOST_TEXT, one_line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def decoded(value):
    return decode_json(json.dumps(value).encode())


def texts_of(value):
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for part in item for text in texts_of(part)]
    return [text for item in value for text in texts_of(item)] if isinstance(value, list) else []


class TestCredentials:
    def test_are_replaced_wherever_they_are(self):
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
        assert decoded(account) == {
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

    @pytest.mark.parametrize(
        "name",
        ["secretKey", "privateKey", "accessToken", "access_key", "secret_access_key", "api_keys", "credentials",
         "signature", "otp", "mnemonic", "x-api-key", "X-API-KEY", "url_secret", "Passwd", "bearer", "Authorization"],
    )  # fmt: skip
    def test_are_known_by_whatever_name(self, name):
        assert is_credential(name)
        assert decoded({name: "value"}) == {name: "***"}
        assert decoded({name: ["value", {"a": 1}]}) == {name: "***"}
        assert decoded([{"name": name, "value": "v"}]) == [{"name": name, "value": "***"}]

    @pytest.mark.parametrize("name", ["name", "currency_code", "api_keys_state", "position", "passed", "bot_name"])
    def test_other_names_are_left_alone(self, name):
        assert decoded({name: "value"}) == {name: "value"}

    def test_missing_ones_stay_missing(self):
        assert decoded({"api_key": None, "secret": ""}) == {"api_key": None, "secret": ""}

    def test_are_taken_out_of_a_text(self):
        assert decoded({"reason": "proxy http://user:pa@ss@host/ failed"}) == {
            "reason": "proxy http://***@host/ failed"
        }
        assert decoded('got {"apiKey": "abc", "n": "x"}') == 'got {"apiKey": "***", "n": "x"}'

    def test_what_the_client_hides_is_hidden_in_texts_and_names(self):
        found = decode_json(b'{"a KEY": ["\\u004bEY", {"b": "my KEY!"}]}', lambda text: text.replace("KEY", "***"))
        assert found == {"a ***": ["***", {"b": "my ***!"}]}

    def test_secret_is_a_text_that_prints_as_stars(self):
        secret = Secret("abc")
        assert (secret, f"{secret}", secret.encode()) == ("abc", "abc", b"abc")
        assert repr(secret) == repr([secret])[1:-1] == repr(secret[:2]) == "'***'"


class TestNumbers:
    def test_are_exact(self):
        assert decode_json(b"[6.365483686831153, 9.52E-5, 0.10]") == [
            Decimal("6.365483686831153"), Decimal("0.0000952"), Decimal("0.10"),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "number", [b"1e500000000", b"1e9999999999", b"1e99999999999999999999", b"-1e999999", b"1e-999999", b"9" * 50]
    )
    def test_that_can_be_no_amount_are_none(self, number):
        assert decode_json(b'{"id": 1, "x": %s}' % number) == {"id": 1, "x": None}

    @pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
    def test_constants_are_not_json(self, constant):
        with pytest.raises(ValueError, match="is not JSON"):
            decode_json(b"[%s]" % constant)


class TestTexts:
    @given(JSON)
    def test_any_reply_is_harmless_and_can_be_stored(self, value):
        for text in texts_of(decoded(value)):
            assert text == one_line(text)
            assert len(text) <= MOST_TEXT
            text.encode()

    @pytest.mark.parametrize("levels", [60, 500, 100_000])
    def test_absurd_nesting_is_refused(self, levels):
        with pytest.raises(ValueError, match="nested too deeply"):
            decode_json(b"[" * levels + b"]" * levels)
