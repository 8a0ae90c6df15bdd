"""A wait for something that will never come ends, and names it."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.decide import decide, needs_entities, on_timeout
from airflow_provider_3commas.settlement.state import Status, last_result, new_progress
from tests.fakes import ACCOUNT, START, row
from tests.settlement.readings import BUSY, SETTLED_ROWS, reading, reading_without, run

STALLS = {
    "unsold": (reading(row("BTC", "1"), row("DOT", "310", "0.02")), "unsold: 310 DOT (0.02 BTC)"),
    "an order that never fills": (reading(row("BTC", "1", on_orders="0.5")), "in orders: 0.5 BTC"),
    "a sell order that never fills": (
        reading(row("BTC", "1"), row("DOT", "310", "0.02", on_orders="310")),
        "unsold: 310 DOT (0.02 BTC); in orders: 310 DOT",
    ),
    "staked, shown as not available": (
        reading(row("BTC", "1"), row("DOT", "30", "0.02", on_orders=None, position_available="0")),
        "in orders: 30 DOT",
    ),
    "a value that never comes": (reading(*SETTLED_ROWS, row("OLD", "5")), "incomplete balances: OLD without btc_value"),
    "a coin without a name": (
        reading(*SETTLED_ROWS, row("?", "5", "0")),
        "incomplete balances: ? without currency_code",
    ),
    "a view that never adds up": (reading(row("BTC", "1"), total="1.5"), "add up to 1.00000000 BTC"),
    "an empty view of something": (reading(total="0.02"), "empty, but the account is worth 0.02"),
    "a total that never comes": (reading(*SETTLED_ROWS, btc_amount=None), "btc_amount is missing"),
    "debt": (reading(row("BTC", "1", borrowed="0.5")), "owed (debt is not settled): BTC"),
    "unsold beside what runs": (
        reading(row("DOT", "310", "0.02"), entities=BUSY),
        "310 DOT (0.02 BTC); running: 2 bots",
    ),
    "a bot that runs on": (reading(*SETTLED_ROWS, entities=BUSY), "running: 2 bots"),
    "a count that never comes": (
        reading(*SETTLED_ROWS, entities={"active_bots_count": None, "active_deals_count": 0}),
        "incomplete counts: bots",
    ),
    "much dust": (
        reading(row("BTC", "1"), *[row(f"C{number:03}", "7", "0.00009") for number in range(100)]),
        "dust worth 0.009 BTC together",
    ),
}


class TestStalled:
    @pytest.mark.parametrize("case", STALLS)
    def test_when_nothing_has_changed_for_as_long_as_asked_for(self, case):
        item, why = STALLS[case]
        assert run(Criteria.parse(), *[item] * 10).status is Status.WAITING
        decision = run(Criteria.parse(), *[item] * 11)
        assert decision.status is Status.STALLED
        assert "for 600 s" in decision.message
        assert why in decision.message
        assert decision.result["settled_at"] is None

    def test_says_what_to_do_about_what_runs_on(self):
        message = run(Criteria.parse(), *[reading(*SETTLED_ROWS, entities=BUSY)] * 11).message
        assert "still runs" in message
        assert "require_no_entities=False" in message
        assert "ignore_currencies" not in message

    def test_says_what_to_do_about_what_is_left(self):
        message = run(Criteria.parse(), *[reading(row("DOT", "310", "0.02"))] * 11).message
        assert "ignore_currencies" in message
        assert "require_no_entities" not in message

    def test_names_what_runs_where_it_is_allowed_to(self):
        criteria = Criteria.parse(require_no_entities=False)
        message = run(criteria, *[reading(row("DOT", "310", "0.02"), entities=BUSY)] * 11).message
        assert "Still running: 2 bots" in message

    def test_what_runs_is_no_stall_where_it_is_allowed_to(self):
        criteria = Criteria.parse(require_no_entities=False)
        assert run(criteria, *[reading(*SETTLED_ROWS, entities=BUSY)] * 2).status is Status.SETTLED

    @pytest.mark.parametrize(
        "change",
        [
            reading(row("BTC", "1"), row("DOT", "309", "0.02", on_orders="9"), entities=BUSY),
            reading(row("BTC", "1.1"), row("DOT", "310", "0.02", on_orders="9"), entities=BUSY),
            reading(row("BTC", "1"), row("DOT", "310", "0.02", on_orders="8"), entities=BUSY),
            reading(
                row("BTC", "1"), row("DOT", "310", "0.02", on_orders="9"), entities={**BUSY, "active_deals_count": 1}
            ),
            reading(
                row("BTC", "1"), row("DOT", "310", "0.02", on_orders="9"), entities={**BUSY, "active_deals_count": None}
            ),
        ],
        ids=["amount", "target", "order", "count", "unknown count"],
    )
    def test_a_change_of_any_of_them_restarts_the_clock(self, change):
        left = reading(row("BTC", "1"), row("DOT", "310", "0.02", on_orders="9"), entities=BUSY)
        assert run(Criteria.parse(), *[left] * 9, *[change] * 10).status is Status.WAITING
        assert run(Criteria.parse(), *[left] * 9, *[change] * 11).status is Status.STALLED

    def test_prices_are_no_change(self):
        moving = [reading(row("BTC", "1"), row("DOT", "310", f"0.02{number:02}")) for number in range(11)]
        assert run(Criteria.parse(), *moving).status is Status.STALLED

    def test_noise_of_floats_is_no_change(self):
        noisy = [
            reading(
                row("BTC", "1"),
                row("DOT", "30", "0.02", on_orders=None, position_available=f"29.{'9' * 13}{number % 7}"),
            )
            for number in range(11)
        ]
        assert run(Criteria.parse(), *noisy).status is Status.STALLED

    @pytest.mark.parametrize("position", ["30", "0.000000031", "310000000"])
    def test_noise_of_floats_in_a_large_order_is_no_change(self, position):
        # What a float of that size loses in its last digits, as a difference of position and available.
        noise = Decimal(position) * Decimal("1E-16")
        noisy = [
            reading(
                row("BTC", "1"),
                row("DOT", position, "0.02", on_orders=None, position_available=str(number % 7 * noise)),
            )
            for number in range(11)
        ]
        assert run(Criteria.parse(), *noisy).status is Status.STALLED

    @pytest.mark.parametrize("position", ["30", "0.000000031", "310000000"])
    def test_an_order_that_fills_by_a_millionth_is_a_change(self, position):
        filling = [
            reading(
                row("BTC", "1"),
                row("DOT", position, "0.02", on_orders=str(Decimal(position) * (1 - number * Decimal("1E-6")))),
            )
            for number in range(30)
        ]
        assert run(Criteria.parse(), *filling).status is Status.WAITING

    def test_ignored_rewards_are_no_change(self):
        rewards = [
            reading(row("BTC", "1"), row("DOT", "310", "0.02"), row("STETH", f"1.{number:02}", "0.04"))
            for number in range(11)
        ]
        assert run(Criteria.parse(ignore_currencies=["STETH"]), *rewards).status is Status.STALLED

    def test_an_empty_view_in_between_is_no_change(self):
        left, gone = reading(row("DOT", "310", "0.02")), reading(total="0.02")
        assert run(Criteria.parse(), *[left] * 3, *[gone] * 8).status is Status.WAITING
        decision = run(Criteria.parse(), *[left] * 3, *[gone] * 8, left)
        assert decision.status is Status.STALLED
        assert "310 DOT" in decision.message

    def test_a_view_that_stays_empty_is_told_with_what_was_there_before(self):
        left, gone = reading(row("DOT", "310", "0.02")), reading(total="0.02")
        decision = run(Criteria.parse(), *[left] * 3, *[gone] * 11)
        assert decision.status is Status.STALLED
        assert "empty, but the account is worth 0.02" in decision.message
        assert "Before that: unsold: 310 DOT" in decision.message

    def test_a_settled_account_whose_view_blinks_is_not_settled(self):
        sold = reading(*SETTLED_ROWS)
        assert run(Criteria.parse(), sold, reading(total="1.5"), sold).status is Status.WAITING


class TestOrders:
    def test_worth_less_than_dust_block_nothing(self):
        rows = (row("BTC", "1", on_orders="0.0001"), row("DOGE", "21.7", "0.00003", on_orders="21.7"))
        assert run(Criteria.parse(), *[reading(*rows)] * 2).status is Status.SETTLED

    def test_worth_more_than_dust_do(self):
        rows = (row("BTC", "1", on_orders="0.00010001"),)
        assert "in orders: 0.00010001 BTC" in run(Criteria.parse(), *[reading(*rows)] * 3).message

    def test_of_a_coin_that_is_worth_nothing_block_nothing(self):
        rows = (row("BTC", "1"), row("SCAM", "50", "0", on_orders="5"))
        assert run(Criteria.parse(), *[reading(*rows)] * 2).status is Status.SETTLED

    def test_of_unknown_worth_do(self):
        rows = (row("BTC", "1"), row("ETH", "0", "0", on_orders="5"))
        assert "in orders: 5 ETH" in run(Criteria.parse(), *[reading(*rows)] * 3).message


class TestDust:
    def rows(self, number: int) -> list:
        return [row("BTC", "1"), *[row(f"C{index:03}", "7", "0.0001") for index in range(number)]]

    def test_is_bounded_in_sum_and_named(self):
        assert run(Criteria.parse(), *[reading(*self.rows(20))] * 2).status is Status.SETTLED
        decision = run(Criteria.parse(), *[reading(*self.rows(21))] * 2)
        assert decision.status is Status.WAITING
        assert "dust worth 0.0021 BTC together (more than 0.002): 7 C000 (0.0001 BTC), " in decision.message
        assert "and 11 more" in decision.message

    def test_that_may_be_left_is_not_counted(self):
        criteria = Criteria.parse(ignore_currencies=["C000"])
        assert run(criteria, *[reading(*self.rows(21))] * 2).status is Status.SETTLED


EMPTY = {
    "no rows": reading(total="0"),
    "rows of nothing": reading(row("BTC", "0"), row("ETH", "0", "0")),
    "nothing worth anything": reading(row("BTC", "0"), row("SCAM", "5000000", "0")),
}


class TestEmptied:
    @pytest.mark.parametrize("case", EMPTY)
    @pytest.mark.parametrize(
        "before", [reading(row("ETH", "2", "0.09")), reading(*SETTLED_ROWS)], ids=["unsold", "sold"]
    )
    def test_ends_loudly_when_it_is_seen_often_enough(self, case, before):
        gone = EMPTY[case]
        decision = run(Criteria.parse(), before, gone)
        assert decision.status is Status.WAITING
        assert "empty" in decision.message
        decision = run(Criteria.parse(), before, gone, gone)
        assert decision.status is Status.FAILED
        assert "the account is empty: what was on it has been withdrawn" in decision.message
        assert decision.result["settled_at"] is None
        # What the account held is not forgotten.
        assert last_result(Criteria.parse(), ACCOUNT, decision.progress)["residual"] == [
            {**item} for item in run(Criteria.parse(), before).result["residual"]
        ]

    @pytest.mark.parametrize(
        "before", [reading(row("ETH", "2", "0.09")), reading(*SETTLED_ROWS)], ids=["unsold", "sold"]
    )
    @pytest.mark.parametrize("target", ["0", "0.00005"])
    def test_but_for_dust_is_no_settlement_with_next_to_nothing(self, before, target):
        gone = reading(row("BTC", target), row("DOGE", "21.7", "0.00003"))
        assert run(Criteria.parse(), before, gone).status is Status.WAITING
        decision = run(Criteria.parse(), before, gone, gone)
        assert decision.status is Status.FAILED
        assert "the account is empty but for dust: what was on it has been withdrawn" in decision.message

    def test_an_account_that_never_held_more_than_dust_settles(self):
        tiny = reading(row("BTC", "0.00005"), row("DOGE", "21.7", "0.00003"))
        assert run(Criteria.parse(), tiny, tiny).status is Status.SETTLED
        before = reading(row("DOGE", "1000", "0.0019"))
        assert run(Criteria.parse(), before, tiny, tiny).status is Status.SETTLED

    def test_what_may_be_left_is_something(self):
        kept = reading(row("BTC", "0"), row("DOT", "7", "0.2"))
        criteria = Criteria.parse(ignore_currencies=["DOT"])
        assert run(criteria, reading(*SETTLED_ROWS, row("DOT", "7", "0.2")), kept, kept).status is Status.SETTLED

    def test_needs_as_many_polls_in_a_row_as_a_settlement_and_never_one(self):
        left, gone = reading(row("ETH", "2", "0.09")), EMPTY["no rows"]
        assert run(Criteria.parse(stable_reads=3), left, gone, gone).status is Status.WAITING
        assert run(Criteria.parse(stable_reads=3), left, gone, gone, gone).status is Status.FAILED
        assert run(Criteria.parse(stable_reads=1), left, gone).status is Status.WAITING
        assert run(Criteria.parse(), left, gone, left, gone).status is Status.WAITING
        assert run(Criteria.parse(), left, gone, reading(total="0.09"), gone).status is Status.WAITING

    @pytest.mark.parametrize("case", EMPTY)
    def test_from_the_first_poll_on_is_not_settled_either(self, case):
        assert run(Criteria.parse(), *[EMPTY[case]] * 10).status is Status.WAITING
        decision = run(Criteria.parse(), *[EMPTY[case]] * 11)
        assert decision.status is Status.FAILED
        assert "empty" in decision.message
        assert "Check" in decision.message

    def test_is_not_filled_by_a_coin_that_may_be_left_and_has_no_price(self):
        item = reading(row("BTC", "0"), row("LUNA", "5", None), total="0")
        criteria = Criteria.parse(ignore_currencies=["LUNA"])
        assert run(criteria, *[item] * 10).status is Status.WAITING
        assert run(criteria, *[item] * 11).status is Status.FAILED

    def test_is_not_what_owes_something(self):
        item = reading(row("BTC", "0"), row("ETH", "0", "0", borrowed="2", current_price="0.04"), total="0")
        decision = run(Criteria.parse(), reading(*SETTLED_ROWS), *[item] * 11)
        assert decision.status is Status.STALLED
        assert "owed (debt is not settled): ETH (0.08 BTC)" in decision.message

    def test_is_not_what_came_late(self):
        decision = run(Criteria.parse(), *[EMPTY["no rows"]] * 9, *[reading(*SETTLED_ROWS)] * 2)
        assert decision.status is Status.SETTLED

    def test_what_is_worth_something_by_a_row_alone_is_not_empty(self):
        decision = run(Criteria.parse(), reading(*SETTLED_ROWS), *[reading(row("ETH", "2", None), total="0")] * 3)
        assert decision.status is Status.WAITING


class TestEntitiesAreAskedFor:
    def asked(self, item, polls: int, every: float = 60, **criteria) -> list[int]:
        """Return at which polls the entities were asked for."""
        wanted, progress, found = Criteria.parse(**criteria), new_progress(START), []
        for number in range(polls):
            now = START + number * every
            without = reading_without(item)
            if needs_entities(wanted, progress, without, now):
                found.append(number)
                without = item
            progress = decide(wanted, progress, without, now).progress
        return found

    def test_not_while_amounts_move(self):
        wanted, progress = Criteria.parse(), new_progress(START)
        for number in range(50):
            item = reading(row("DOT", str(400 - number), "0.02"), entities=None)
            assert not needs_entities(wanted, progress, item, START + number * 60)
            progress = decide(wanted, progress, item, START + number * 60).progress

    def test_now_and_then_while_nothing_moves_and_when_it_is_to_end(self):
        left = reading(row("DOT", "310", "0.02"), entities=BUSY)
        assert self.asked(left, 11) == [2, 4, 6, 8, 10]
        assert len(self.asked(left, 121, every=5)) <= 6

    def test_when_the_account_is_to_settle(self):
        assert self.asked(reading(*SETTLED_ROWS), 2) == [1]
        assert self.asked(reading(*SETTLED_ROWS), 2, require_no_entities=False) == []

    def test_not_while_an_account_only_has_to_be_seen_settled_once_more(self):
        assert self.asked(reading(*SETTLED_ROWS), 29, stable_reads=30) == []
        assert self.asked(reading(*SETTLED_ROWS), 29, stable_reads=30, require_no_entities=False) == []
        assert self.asked(reading(*SETTLED_ROWS), 30, stable_reads=30) == [29]

    def test_a_count_that_changes_is_found_in_time(self):
        left = reading(row("DOT", "310", "0.02"), entities=BUSY)
        fewer = reading(row("DOT", "310", "0.02"), entities={**BUSY, "active_bots_count": 1})
        wanted, progress, polls = Criteria.parse(), new_progress(START), 0
        for _ in range(40):
            item, now = left if polls < 5 else fewer, START + polls * 60
            if not needs_entities(wanted, progress, reading_without(item), now):
                item = reading_without(item)
            decision = decide(wanted, progress, item, now)
            if decision.final:
                break
            progress, polls = decision.progress, polls + 1
        assert decision.status is Status.STALLED
        assert "running: 1 bot" in decision.message
        assert 15 <= polls <= 17


class TestTimeoutNamesTheReason:
    def test_of_the_bot_at_every_poll(self):
        progress, item = new_progress(START), reading(*SETTLED_ROWS, entities=BUSY)
        for number in range(9):
            asks = needs_entities(Criteria.parse(), progress, reading_without(item), START + number * 60)
            decision = decide(Criteria.parse(), progress, item if asks else reading_without(item), START + number * 60)
            progress = decision.progress
            if number:
                assert "running: 2 bots" in on_timeout(Criteria.parse(), progress, ACCOUNT, 60).message
                assert "running: 2 bots" in decision.message

    def test_before_a_poll_that_looked_settled(self):
        progress = run(Criteria.parse(), reading(row("ETH", "2", "0.09")), reading(*SETTLED_ROWS)).progress
        message = on_timeout(Criteria.parse(), progress, ACCOUNT, 60).message
        assert "seen settled 1 of 2 times in a row" in message
        assert "Before that: unsold: 2 ETH" in message

    @pytest.mark.parametrize("case", EMPTY)
    def test_of_an_account_that_looks_empty(self, case):
        message = on_timeout(Criteria.parse(), run(Criteria.parse(), EMPTY[case]).progress, ACCOUNT, 60).message
        assert "the account looked empty on the last poll" in message
        assert "seen settled" not in message
        left = reading(row("ETH", "2", "0.09"))
        for gone in (EMPTY[case], reading(total="0.09")):
            message = on_timeout(Criteria.parse(), run(Criteria.parse(), left, gone).progress, ACCOUNT, 60).message
            assert "the account looked empty on the last poll. Before that: unsold: 2 ETH (0.09 BTC)." in message

    def test_of_what_older_versions_remembered(self):
        old = msgspec.convert(
            {"reads": 3, "left": "unsold: 2 ETH", "running": True, "stable": 0}, type(new_progress(START))
        )
        assert "unsold: 2 ETH" in on_timeout(Criteria.parse(), old, ACCOUNT, 60).message
