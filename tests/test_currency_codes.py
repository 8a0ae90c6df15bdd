"""Codes are compared whole; a pattern has to name something in particular."""

from __future__ import annotations

import time

import pytest

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.currency_codes import matches
from airflow_provider_3commas.parameters import parse_currencies, parse_currency_patterns


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*.F", ["ADA.F", "ETH2.F", ".F"], ["ADA", "ADA.FX", "ADAXF", "F"]),
        ("LD*", ["LDBTC", "LDO", "LD"], ["LBTC", "GOLD"]),
        ("LD??*", ["LDBTC", "LDETH"], ["LDO", "LD"]),
        ("ETH.?", ["ETH.S", "ETH.F"], ["ETH", "ETH.", "ETH2.S", "ETH.SB"]),
        ("DOT*.S", ["DOT.S", "DOT28.S"], ["DOT", "POLKADOT.S"]),
        ("A[B]*", ["A[B]C"], ["AB", "ABC"]),
        ("LUNA", ["LUNA"], ["LUNA2", "TERRALUNA"]),
    ],
)
def test_pattern_matches_whole_codes(pattern, matching, others):
    (written,) = parse_currency_patterns(pattern.lower(), "ignore_currencies")
    assert written == pattern
    assert [code for code in [*matching, *others] if matches(code, [pattern])] == matching


def test_any_of_several_is_enough():
    patterns = parse_currency_patterns(["*.S", "luna", " ld??* "], "ignore_currencies")
    assert patterns == ("*.S", "LD??*", "LUNA")
    assert all(matches(code, patterns) for code in ("ETH.S", "LUNA", "LDBTC"))
    assert not any(matches(code, patterns) for code in ("ETH", "BTC", "LDO"))
    assert not matches("ETH", ())


@pytest.mark.parametrize("everything", ["*", "**", "?", "???", "?*", " * ", "LUNA,*", ["*.F", "*?"]])
def test_pattern_that_names_nothing_is_refused(everything):
    with pytest.raises(ConfigurationError, match="names no coin in particular"):
        parse_currency_patterns(everything, "ignore_currencies")


def test_too_many_patterns_are_refused_but_no_number_of_codes():
    parse_currency_patterns([f"C{number}" for number in range(500)], "ignore_currencies")
    with pytest.raises(ConfigurationError, match="up to 200 patterns"):
        parse_currency_patterns([f"C{number}*" for number in range(201)], "ignore_currencies")


@pytest.mark.parametrize("code", ["*USD", "US?T", ["USDT", "*"]])
def test_where_whole_codes_are_needed_patterns_are_refused(code):
    with pytest.raises(ConfigurationError, match="whole currency codes and no patterns"):
        parse_currencies(code, "target_currencies")


def test_patterns_of_unknown_origin_take_no_time():
    hostile = [f"{'*A' * 19}{number}"[:40] for number in range(5000)] + ["*" * 100_000]
    began = time.monotonic()
    assert not any(matches("A" * 40, hostile) for _ in range(100))
    assert not matches("A" * 1_000_000, hostile)
    assert time.monotonic() - began < 5
