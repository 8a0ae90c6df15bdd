"""What may name an account in a request."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.api import InvalidAccountId, parse_account_id


@pytest.mark.parametrize(
    ("value", "account_id"),
    [(1, 1), (32402783, 32402783), ("32402783", 32402783), (" 7\n", 7), ("007", 7), (2**63 - 1, 2**63 - 1)],
)
def test_an_account_id_is_a_positive_integer_or_its_digits(value, account_id):
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
