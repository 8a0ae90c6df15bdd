"""Balance rows keep every digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_3commas.api.balance_rows import BalanceRow, decode_balance_rows


def test_strings_and_numbers_become_the_exact_decimal():
    [row] = decode_balance_rows(
        b'[{"currency_code": "BTC", "position": 0.1234567890123456789012345678901234567890, "on_orders": 9.52E-5,'
        b' "btc_value": "0.00048354921680019174575329051053358334806752", "usd_value": 7, "unheard_of": {"x": []}}]'
    )
    assert row.position == Decimal("0.1234567890123456789012345678901234567890")
    assert row.on_orders == Decimal("0.0000952")
    assert row.btc_value == Decimal("0.00048354921680019174575329051053358334806752")
    assert row.usd_value == 7


def test_missing_and_null_are_unknown_not_zero():
    [row] = decode_balance_rows(b'[{"currency_code": "ETH", "position": null}]')
    assert row.position is None
    assert row.btc_value is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"error": "x"}', b"[1]", b"[null]", b'[{"position": "1"}'])
def test_what_is_not_a_list_of_rows_is_refused(body):
    with pytest.raises(ValueError, match=r".+"):
        decode_balance_rows(body)


AMOUNTS = [name for name in BalanceRow.__struct_fields__ if name != "currency_code"]


@pytest.mark.parametrize(
    "odd", ['"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', '""', '"much"', "true", "[]", '{"x": 1}', '"1 000"']
)
@pytest.mark.parametrize("field", AMOUNTS)
def test_an_amount_that_cannot_be_read_is_unknown_and_costs_no_other(field, odd):
    fields = {name: f'"0.{number}1"' for number, name in enumerate(AMOUNTS)} | {field: odd}
    body = ", ".join(f'"{name}": {value}' for name, value in fields.items())
    odd_row, sound_row = decode_balance_rows(
        f'[{{"currency_code": "X", {body}}}, {{"currency_code": "ETH", "position": 1.10}}]'.encode()
    )
    assert getattr(odd_row, field) is None
    assert [getattr(odd_row, name) for name in AMOUNTS if name != field] == [
        Decimal(f"0.{number}1") for number, name in enumerate(AMOUNTS) if name != field
    ]
    assert sound_row == BalanceRow(currency_code="ETH", position=Decimal("1.10"))


@pytest.mark.parametrize("code", ["null", "5", '""', '"  "', "[]", None])
def test_a_row_without_a_currency_is_kept_and_says_so(code):
    fields = '"position": "3"' if code is None else f'"currency_code": {code}, "position": "3"'
    assert decode_balance_rows(f"[{{{fields}}}]".encode()) == [BalanceRow(currency_code="?", position=Decimal(3))]


def test_every_digit_survives_beside_what_cannot_be_read():
    digits = "0.1234567890123456789012345678901234567890"
    [row] = decode_balance_rows(f'[{{"currency_code": "X", "position": {digits}, "btc_value": ""}}]'.encode())
    assert (row.position, row.btc_value) == (Decimal(digits), None)
