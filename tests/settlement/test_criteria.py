"""What settled means can be written in few ways, and wrong in none."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from airflow_provider_3commas.api.errors import (
    ConfigurationError,
)
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import (
    Progress,
    as_json,
)


class TestCriteria:
    @pytest.mark.parametrize(
        ("wrong", "expected"),
        [
            ({"target": "EUR"}, "one of BTC, USD, got 'EUR'"),
            ({"target": None}, "got 'None'"),
            ({"dust_btc": "-0.1"}, "between 0"),
            ({"dust_btc": "NaN"}, "exact number"),
            ({"dust_btc": "Infinity"}, "exact number"),
            ({"dust_btc": 0.0001}, "Write it as text"),
            ({"dust_btc": "a little"}, "exact number"),
            ({"dust_btc": True}, "exact number"),
            ({"dust_btc": None}, "exact number"),
            ({"stable_reads": 0}, "between 1"),
            ({"stable_reads": 1.5}, "whole number"),
            ({"stable_reads": True}, "whole number"),
            ({"stable_for": -1}, "from 0 up to"),
            ({"stable_for": float("inf")}, "from 0 up to"),
            ({"stable_for": True}, "from 0 up to"),
            ({"stable_for": "ten minutes"}, "timedelta or a number of seconds"),
            ({"stable_for": timedelta(days=4000)}, "from 0 up to"),
            ({"stall_after": 0}, "above 0"),
            ({"stall_after": None}, "above 0"),
            ({"stall_after": 0.5}, "between 1"),
            ({"stall_after": float("nan")}, "above 0"),
            ({"stall_after": "10 minutes"}, "timedelta or a number of seconds"),
            ({"max_failures": -1}, "between 0"),
            ({"require_no_entities": "yes"}, "True or False"),
            ({"view_tolerance": "2"}, "between 0 and 1"),
            ({"ignore_currencies": 5}, "list of currency codes"),
            ({"ignore_currencies": "None"}, "list of currency codes"),
            ({"ignore_currencies": "{{ params.x }}"}, "list of currency codes"),
            ({"ignore_currencies": ["BTC"]}, "counts as the target"),
            ({"target": "USD", "ignore_currencies": ["usdt"]}, "USDT, which counts as the target"),
            ({"ignore_currencies": ["b?c"]}, "BTC, which counts as the target"),
            ({"target": "USD", "ignore_currencies": "FD*"}, "FDUSD, which counts as the target"),
            ({"ignore_currencies": ["LUNA", "*"]}, "names no coin in particular"),
            ({"target_currencies": "*USD"}, "whole currency codes and no patterns"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, wrong, expected):
        with pytest.raises(ConfigurationError, match=expected):
            Criteria.parse(**wrong)

    def test_takes_what_people_write(self):
        criteria = Criteria.parse(
            target=" USD ",
            dust_btc=0,
            ignore_currencies="luna, ust,",
            stall_after=timedelta(minutes=5),
            target_currencies=None,
            max_failures=0,
        )
        assert (criteria.target, criteria.dust_btc, criteria.stall_after) == ("USD", Decimal(0), 300)
        assert criteria.ignore_currencies == ("LUNA", "UST")

    @pytest.mark.parametrize(
        ("written", "seconds"),
        [(None, 0), (0, 0), ("0", 0), (timedelta(0), 0), (timedelta(minutes=10), 600), (90.5, 90.5), ("90", 90)],
    )
    def test_stable_for_is_a_duration_or_none(self, written, seconds):
        assert Criteria.parse(stable_for=written).stable_for == seconds

    def test_stable_for_has_to_fit_into_the_timeout(self):
        for fits in (Criteria.parse(), Criteria.parse(stable_for=599)):
            fits.check_timeout(600)
        for longer in (600, 7200):
            with pytest.raises(
                ConfigurationError, match=r"stable_for \(.*\) has to be shorter than timeout \(10 min\)"
            ):
                Criteria.parse(stable_for=longer).check_timeout(600)

    def test_survives_json(self):
        criteria = Criteria.parse(dust_btc="0.001", ignore_currencies=["X"], stall_after=timedelta(minutes=5))
        assert msgspec.convert(json.loads(json.dumps(as_json(criteria))), Criteria) == criteria

    def test_reads_what_older_and_newer_versions_wrote(self):
        assert msgspec.convert({"target": "USD", "new": 1}, Criteria) == Criteria.parse(target="USD")
        assert msgspec.convert({"started_at": 5, "new": 1}, Progress) == Progress(started_at=5.0)
