"""A wait for something that will never come ends, and names it."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.state import (
    Status,
)
from tests.settlement.readings import BUSY, reading, row, run


class TestStalled:
    def test_when_nothing_moves(self):
        left = reading(row("BTC", "1"), row("DOT", "310", "0.02"), row("OLD", "5"))
        assert run(Criteria.of(), *[left] * 10).status is Status.WAITING
        decision = run(Criteria.of(), *[left] * 11)
        assert decision.status is Status.STALLED
        assert "unsold: 310 DOT (0.02 BTC); incomplete balances: OLD without btc_value" in decision.message
        assert decision.result["settled_at"] is None

    @pytest.mark.parametrize(
        "item",
        [
            reading(row("DOT", "310", "0.02", on_orders="1")),
            reading(row("DOT", "310", "0.02"), entities=BUSY),
        ],
        ids=["in orders", "running"],
    )
    def test_not_while_something_is_going_on(self, item):
        assert run(Criteria.of(), *[item] * 50).status is Status.WAITING

    def test_clock_starts_when_nothing_goes_on_any_more(self):
        busy = reading(row("DOT", "310", "0.02"), entities=BUSY)
        idle = reading(row("DOT", "310", "0.02"))
        assert run(Criteria.of(), *[busy] * 20, *[idle] * 9).status is Status.WAITING
        assert run(Criteria.of(), *[busy] * 20, *[idle] * 10).status is Status.STALLED

    def test_not_while_amounts_change(self):
        selling = [reading(row("BTC", "1"), row("DOT", str(400 - number), "0.02")) for number in range(50)]
        assert run(Criteria.of(), *selling).status is Status.WAITING

    def test_prices_are_no_change(self):
        moving = [reading(row("BTC", "1"), row("DOT", "310", f"0.02{number:02}")) for number in range(11)]
        assert run(Criteria.of(), *moving).status is Status.STALLED

    def test_ignored_rewards_are_no_change(self):
        rewards = [
            reading(row("BTC", "1"), row("DOT", "310", "0.02"), row("STETH", f"1.{number:02}", "0.04"))
            for number in range(11)
        ]
        assert run(Criteria.of(ignore_currencies=["STETH"]), *rewards).status is Status.STALLED

    def test_not_on_an_empty_view(self):
        left, gone = reading(row("DOT", "310", "0.02")), reading(total="0.02")
        assert run(Criteria.of(), *[left] * 3, *[gone] * 20).status is Status.WAITING
        decision = run(Criteria.of(), *[left] * 3, *[gone] * 20, left)
        assert decision.status is Status.STALLED
        assert "310 DOT" in decision.message

    def test_when_the_view_was_never_more_than_empty(self):
        decision = run(Criteria.of(), *[reading(total="0.02")] * 11)
        assert decision.status is Status.STALLED
        assert "worth 0.02000000 BTC" in decision.message
