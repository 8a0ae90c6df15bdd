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


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"{}", b'{"error": "x"}', b"[1]", b'[{"position": "1"}]', b'[{"currency_code": null}]',
        b'[{"currency_code": "X", "position": "NaN"}]', b'[{"currency_code": "X", "btc_value": "Infinity"}]',
        b'[{"currency_code": "X", "position": "much"}]', b'[{"currency_code": "X", "position": true}]',
    ],
)  # fmt: skip
def test_anything_else_is_refused(body):
    with pytest.raises(ValueError, match=r".+"):
        decode_balance_rows(body)


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", [name for name in BalanceRow.__struct_fields__ if name != "currency_code"])
def test_no_field_takes_what_is_not_a_finite_number(field, amount):
    with pytest.raises(ValueError, match="amount of X is not a finite number"):
        decode_balance_rows(f'[{{"currency_code": "X", "{field}": "{amount}"}}]'.encode())
