"""What is remembered of a wait, and how it is told."""

from __future__ import annotations

import json
from decimal import Decimal

import msgspec
import pytest

from airflow_provider_3commas.api.errors import (
    SettlementFailed,
)
from airflow_provider_3commas.money import plain
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import (
    as_json,
    history_points,
    last_result,
    residual_btc,
    wait_facts,
)
from tests.fakes import ACCOUNT, row
from tests.settlement.readings import SETTLED_ROWS, reading, run


class TestHistory:
    def test_keeps_what_changes(self):
        amounts = ["0.3", "0.2", "0.2", "0"]
        readings = [reading(row("BTC", "1"), row("ETH", "2", amount)) for amount in amounts]
        assert history_points(run(Criteria.parse(), *readings).progress) == [[0.0, "0.3"], [60.0, "0.2"], [180.0, "0"]]

    def test_stays_small_and_keeps_the_ends(self):
        readings = [reading(row("BTC", "1"), row("ETH", str(n + 1), f"0.{n + 1:04}")) for n in range(1500)]
        progress = run(Criteria.parse(), *readings).progress
        points = history_points(progress)
        assert len(points) <= 100
        assert points[0] == [0.0, "0.0001"]
        assert points[-1] == [1499 * 60.0, "0.15"]
        assert len(json.dumps(as_json(progress))) < 3000


class TestFacts:
    def test_two_hundred_coins_stay_small(self):
        coins = [row(f"COIN{number}", "123.45678901", "0.00123456") for number in range(200)]
        decision = run(Criteria.parse(), reading(*coins))
        assert len(last_result(Criteria.parse(), ACCOUNT, decision.progress)["residual"]) == 200
        assert len(json.dumps(as_json(decision.progress))) < 12_000

    def test_an_empty_view_is_not_remembered_as_nothing_left(self):
        empty = run(Criteria.parse(), reading(total="1"))
        assert last_result(Criteria.parse(), ACCOUNT, empty.progress) is None
        later = run(Criteria.parse(), reading(row("BTC", "1"), row("ETH", "2", "0.09")), reading(total="1.09"))
        assert last_result(Criteria.parse(), ACCOUNT, later.progress)["residual"][0]["currency"] == "ETH"

    def test_unknown_number_of_requests_stays_unknown(self):
        decision = run(Criteria.parse(), reading(row("BTC", "1")))
        assert decision.add_requests(3).add_requests(2).progress.requests == 5
        forgotten = decision._replace(progress=msgspec.structs.replace(decision.progress, requests=None))
        assert forgotten.add_requests(3).progress.requests is None

    def test_what_is_settled_has_its_outcome_elsewhere(self):
        decision = run(Criteria.parse(), *[reading(*SETTLED_ROWS)] * 2)
        told = wait_facts(Criteria.parse(), ACCOUNT, decision.progress, settled=True)
        assert (told["result"], told["criteria"]["view_tolerance"]) == (None, "0.01")


def test_failure_takes_the_details_over():
    error = SettlementFailed("left: 1 ETH", result={"reads": 1}, retry_after=30, status_code=429)
    assert (error.retry_after, error.status_code, error.result) == (30, 429, {"reads": 1})


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("1.500", "1.5"), ("-0.0", "0"), ("1E-9", "0.000000001")]
)
def test_plain(number, text):
    assert plain(Decimal(number)) == text


def test_residual_value_adds_up():
    assert residual_btc({"residual": [{"btc_value": "0.1"}, {"btc_value": "0.0000002"}]}) == "0.1000002"
