"""Amounts, points in time and durations, as people and machines read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_3commas import money
from airflow_provider_3commas.in_words import describe_duration
from airflow_provider_3commas.report import times
from airflow_provider_3commas.report.charts import ceiling


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("9.52E-5", "0.0000952"),
        ("1.500", "1.5"),
        ("-0.0", "0"),
        (7, "7"),
        ("1e3", "1000"),
    ],
)
def test_decimal_texts_and_integers_are_amounts(value, text):
    assert money.plain_or_none(money.read_amount(value)) == text


@pytest.mark.parametrize(
    "value", [None, True, 0.1, "", " 1", "1_000", "\uff11", "NaN", "inf", "1e99", "0." + "1" * 101, "1" * 61, {}, 2**60]
)
def test_anything_else_is_no_amount(value):
    assert money.read_amount(value) is None


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1234567.891", "1,234,567.891"),
        ("0.00000000123456", "0.00000000123"),
        ("0.123456789", "0.12345679"),
        ("-2.5", "\N{MINUS SIGN}2.5"),
        ("100", "100"),
        ("0", "0"),
    ],
)
def test_amounts_are_grouped_and_rounded_for_people(amount, text):
    assert money.short(Decimal(amount)) == text


def test_a_loss_that_rounds_to_nothing_has_no_sign():
    assert money.in_usd(Decimal("-0.001")) == "0.00 USD"
    assert money.signed(money.in_usd(Decimal("0.5"))) == "+0.50 USD"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-11-06T21:00:02.800+00:00", "2026-11-06 21:00:02 UTC"),
        ("2026-11-06T23:30:00+02:30", "2026-11-06 21:00:00 UTC"),
        ("2026-11-06T21:00:02", "?"),
        ("2026-02-30T21:00:02Z", "?"),
        ("0001-01-01T00:00:00+23:00", "?"),
        (None, "?"),
    ],
)
def test_timestamps_are_written_in_utc(value, text):
    assert times.format_timestamp(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "?"), (0, "0 s"), (4.25, "4.3 s"), (59.4, "59 s"), (60, "1 min"), (126, "2 min 6 s"), (3600, "1 h"),
        (3900, "1 h 5 min"), (190_000, "2 days 4 h"),
    ],
)  # fmt: skip
def test_durations_are_written_in_their_two_largest_units(seconds, text):
    assert describe_duration(seconds) == text


def test_a_settlement_before_the_sale_has_no_duration():
    assert times.seconds_between("2026-11-06T21:00:02Z", "2026-11-06T21:00:01Z") is None


@pytest.mark.parametrize(
    ("most", "top"), [("0.6", "0.6"), ("0.61", "0.8"), ("0.00041", "0.0005"), ("0", "1"), ("9", "10")]
)
def test_axes_end_with_round_numbers(most, top):
    assert ceiling(Decimal(most)) == Decimal(top)
