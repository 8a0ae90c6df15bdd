"""When is an account settled, stalled, or not yet: by example."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.api.errors import (
    AccountNotFound,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    ExchangeKeysInvalid,
    IpBanned,
    OutcomeUnknown,
    PermissionDenied,
    PlanLimitReached,
    RateLimitExceeded,
)
from airflow_provider_3commas.settlement.assessment import Reading
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.decide import decide, needs_entities, next_interval, on_failed_poll, on_timeout
from airflow_provider_3commas.settlement.state import (
    Progress,
    Status,
    final_event,
    new_progress,
)
from tests.fakes import ACCOUNT, START, row
from tests.settlement.readings import BUSY, IDLE, SETTLED_ROWS, reading, run


class TestSettled:
    def test_needs_as_many_reads_as_asked_for(self):
        assert run(Criteria.parse(), reading(*SETTLED_ROWS)).status is Status.WAITING
        assert run(Criteria.parse(), *[reading(*SETTLED_ROWS)] * 2).status is Status.SETTLED
        assert run(Criteria.parse(stable_reads=3), *[reading(*SETTLED_ROWS)] * 2).status is Status.WAITING
        assert run(Criteria.parse(stable_reads=1), reading(*SETTLED_ROWS)).status is Status.SETTLED

    def test_result_has_exactly_the_documented_form(self):
        assert run(Criteria.parse(), *[reading(*SETTLED_ROWS, row("XRP", "1E-7", "1E-12"))] * 2).result == {
            "account_id": ACCOUNT,
            "target": "BTC",
            "settled_at": "2026-09-21T14:14:20+00:00",
            "target_amount": "1.5",
            "btc_value": "1.500030000001",
            "usd_value": "60000.5",
            "residual": [
                {"currency": "DOGE", "amount": "21.7", "btc_value": "0.00003"},
                {"currency": "XRP", "amount": "0.0000001", "btc_value": "0.000000000001"},
            ],
            "reads": 2,
            "waited_seconds": 60.0,
        }

    def test_a_changed_target_amount_starts_over(self):
        late_fill = (row("BTC", "1.6"), row("DOGE", "21.7", "0.00003"))
        readings = [reading(*SETTLED_ROWS), reading(*late_fill)]
        assert run(Criteria.parse(), *readings).status is Status.WAITING
        assert run(Criteria.parse(), *readings, reading(*late_fill)).status is Status.SETTLED

    def test_prices_may_move_between_the_reads(self):
        other_price = (row("BTC", "1.5"), row("DOGE", "21.7", "0.00009"))
        assert run(Criteria.parse(), reading(*SETTLED_ROWS), reading(*other_price)).status is Status.SETTLED

    def test_a_failed_read_in_between_is_no_state(self):
        first = decide(Criteria.parse(), new_progress(START), reading(*SETTLED_ROWS), START)
        failed = on_failed_poll(Criteria.parse(), first.progress, ConnectionFailed("down"), ACCOUNT, START + 60)
        assert failed.status is Status.WAITING
        assert decide(Criteria.parse(), failed.progress, reading(*SETTLED_ROWS), START + 120).status is Status.SETTLED

    def test_fifty_places_are_kept(self):
        exact = "1.12345678901234567890123456789012345678901234567891"
        other = exact[:-1] + "2"
        readings = [reading(row("BTC", exact)), reading(row("BTC", other)), reading(row("BTC", other))]
        assert run(Criteria.parse(), *readings[:2]).status is Status.WAITING
        settled = run(Criteria.parse(), *readings)
        assert settled.result["target_amount"] == other

    def test_rows_of_one_currency_add_up(self):
        twice = (row("BTC", "1"), row("btc", "0.5", "0.5"))
        assert run(Criteria.parse(), *[reading(*twice)] * 2).result["target_amount"] == "1.5"

    def test_dollars_are_the_target_of_usd(self):
        rows = (row("USDT", "60000", "0.9"), row("USDC", "40", "0.0006"), row("BTC", "0.00005"))
        settled = run(Criteria.parse(target="USD"), *[reading(*rows)] * 2)
        assert settled.status is Status.SETTLED
        assert settled.result["target_amount"] == "60040"
        assert [item["currency"] for item in settled.result["residual"]] == ["BTC"]

    def test_currencies_of_the_target_can_be_chosen(self):
        rows = (row("EUR", "60000", "0.9"),)
        criteria = Criteria.parse(target="USD", target_currencies="eur, usdt")
        assert run(criteria, *[reading(*rows)] * 2).status is Status.SETTLED
        assert run(Criteria.parse(target="USD"), *[reading(*rows)] * 2).status is Status.WAITING


WAITING = {
    "unsold": (reading(*SETTLED_ROWS, row("ETH", "2", "0.09")), "unsold: 2 ETH (0.09 BTC)"),
    "two rows above dust together": (
        reading(row("BTC", "1"), row("ETH", "1", "0.00006"), row("ETH", "1", "0.00006")),
        "unsold: 2 ETH (0.00012 BTC)",
    ),
    "two rows that cancel out": (
        reading(row("BTC", "1"), row("ETH", "1", "0.03"), row("ETH", "-1", "-0.03")),
        "unsold: 0 ETH",
    ),
    "in orders": (reading(row("BTC", "1"), row("ETH", "1", "0.0003", on_orders="0.5")), "in orders: 0.5 ETH"),
    "target in orders": (reading(row("BTC", "1", on_orders="0.25")), "in orders: 0.25 BTC"),
    "in orders by what is available": (
        reading(row("BTC", "1", on_orders=None, position_available="0.75")),
        "in orders: 0.25 BTC",
    ),
    "empty, and worth something": (reading(total="1.5"), "empty, but the account is worth 1.50000000 BTC"),
    "a row is missing": (
        reading(row("BTC", "100"), total="100.01"),
        "add up to 100.00000000 BTC of the account's 100.01000000 BTC",
    ),
    "total is missing": (Reading({"id": ACCOUNT}, list(SETTLED_ROWS), IDLE), "btc_amount is missing"),
    "total is null": (Reading({"id": ACCOUNT, "btc_amount": None}, list(SETTLED_ROWS), IDLE), "btc_amount is missing"),
    "total is no number": (Reading({"id": ACCOUNT, "btc_amount": "n/a"}, [], IDLE), "btc_amount is missing"),
    "total is a float": (Reading({"id": ACCOUNT, "btc_amount": 0.0}, [], IDLE), "btc_amount is missing"),
    "amount is unknown": (reading(*SETTLED_ROWS, row("XRP", None, "0")), "incomplete balances: XRP without position"),
    "value is unknown": (reading(*SETTLED_ROWS, row("XRP", "5")), "incomplete balances: XRP without btc_value"),
    "orders are unknown": (reading(row("BTC", "1", on_orders=None)), "incomplete balances: BTC without on_orders"),
    "target is unknown": (reading(row("BTC", None, "1")), "incomplete balances: BTC without position"),
    "absurd value": (reading(*SETTLED_ROWS, row("XRP", "5", "1E-5000"), total="1.50003"), "XRP without btc_value"),
    "debt in the target": (
        reading(row("BTC", "1", borrowed="0.5")),
        "owed (debt is not settled): BTC (0.5 BTC)",
    ),
    "debt by price": (reading(row("BTC", "1"), row("ETH", "0", "0", borrowed="2", current_price="0.04")), "ETH (0.08"),
    "debt without price": (reading(row("BTC", "1"), row("ETH", "0", "0", borrowed="2")), "ETH without current_price"),
    "short position": (reading(row("BTC", "1"), row("ETH", "-2", "-0.08")), "owed (debt is not settled): ETH (0.08"),
}


class TestNotSettled:
    @pytest.mark.parametrize("case", WAITING)
    def test_waits_and_says_why(self, case):
        item, why = WAITING[case]
        decision = run(Criteria.parse(), *[item] * 3)
        assert decision.status is Status.WAITING
        assert why in decision.message
        assert decision.result["settled_at"] is None

    @pytest.mark.parametrize("case", sorted(set(WAITING) - {"unsold"}))
    def test_what_is_not_clear_undoes_an_earlier_read(self, case):
        item, _ = WAITING[case]
        assert run(Criteria.parse(), reading(*SETTLED_ROWS), item, reading(*SETTLED_ROWS)).status is Status.WAITING

    def test_names_ten_and_counts_the_rest(self):
        rows = [row(f"C{number:02}", "1", f"0.{number:02}1") for number in range(1, 15)]
        message = run(Criteria.parse(), reading(*rows)).message
        assert "unsold: 1 C14 (0.141 BTC), 1 C13" in message
        assert "C05" in message
        assert "C04" not in message
        assert "and 4 more" in message

    def test_keeps_the_most_valuable_where_a_reply_has_thousands(self):
        rows = [row(f"C{number:04}", "1", f"0.{number:04}1") for number in range(1, 2000)]
        assessment = reading(*rows).assess(Criteria.parse())
        assert [item["currency"] for item in assessment.residual[:2]] == ["C1999", "C1998"]
        assert len(assessment.residual) == 500
        assert len(assessment.seen) < 30_000

    def test_ignored_currencies_may_be_left_in_any_state(self):
        rows = (*SETTLED_ROWS, row("LUNA", "5", None), row("GBTC", None, "3", on_orders="1"), row("DOT", "7", "0.2"))
        criteria = Criteria.parse(ignore_currencies=["luna", "GBTC", "DOT"])
        settled = run(criteria, *[reading(*rows)] * 2)
        assert settled.status is Status.SETTLED
        assert [item["currency"] for item in settled.result["residual"]] == ["GBTC", "DOT", "DOGE", "LUNA"]
        assert settled.result["residual"][0]["amount"] is None

    def test_nothing_of_a_coin_without_price_is_nothing(self):
        assert run(Criteria.parse(), *[reading(*SETTLED_ROWS, row("OLD", "0", None))] * 2).status is Status.SETTLED

    @pytest.mark.parametrize(
        ("total", "settles"),
        [("1.0990", True), ("1.1010", True), ("1.0980", False), ("1.1020", False)],
        ids=["a bit less", "a bit more", "less", "more"],
    )
    def test_tolerates_a_share_of_what_moves_in_price_only(self, total, settles):
        rows = (row("BTC", "1"), row("DOT", "20", "0.1"))
        decision = run(Criteria.parse(ignore_currencies="DOT"), *[reading(*rows, total=total)] * 2)
        assert (decision.status is Status.SETTLED) is settles

    def test_rows_that_vanish_after_there_were_some_are_a_view_being_rebuilt(self):
        sold = reading(*SETTLED_ROWS)
        gone = reading(total="0.09")
        decision = run(Criteria.parse(), reading(row("ETH", "2", "0.09")), gone, gone, gone)
        assert decision.status is Status.WAITING
        assert "empty for the moment (the balances are empty, but the account is worth 0.09" in decision.message
        assert "Before that: unsold: 2 ETH" in decision.message
        assert "unsold: 2 ETH" in on_timeout(Criteria.parse(), decision.progress, ACCOUNT, 60).message
        assert run(Criteria.parse(), sold, gone, sold).status is Status.WAITING


class TestEntities:
    def test_are_asked_for_only_when_the_answer_depends_on_them(self):
        unknown = reading(*SETTLED_ROWS, entities=None)
        assert not needs_entities(Criteria.parse(), new_progress(START), unknown, START)
        first = decide(Criteria.parse(), new_progress(START), unknown, START).progress
        assert needs_entities(Criteria.parse(), first, unknown, START + 60)
        assert not needs_entities(Criteria.parse(require_no_entities=False), first, unknown, START + 60)
        unsold = reading(row("ETH", "2", "0.09"), entities=None)
        assert not needs_entities(Criteria.parse(), first, unsold, START + 60)

    def test_unknown_ones_settle_nothing(self):
        decision = run(Criteria.parse(), *[reading(*SETTLED_ROWS, entities=None)] * 5)
        assert decision.status is Status.UNDECIDED
        assert not decision.final

    def test_active_ones_start_over_and_are_named(self):
        decision = run(Criteria.parse(), *[reading(*SETTLED_ROWS, entities=BUSY)] * 2)
        assert decision.status is Status.WAITING
        assert "running: 2 bots" in decision.message
        assert decision.progress.stable == 0

    def test_can_be_allowed(self):
        criteria = Criteria.parse(require_no_entities=False)
        assert run(criteria, *[reading(*SETTLED_ROWS, entities=BUSY)] * 2).status is Status.SETTLED


class TestFailed:
    @pytest.mark.parametrize(
        ("account", "why"),
        [
            ({"is_locked": True, "lock_reason": "unpaid"}, "locked it (unpaid)"),
            ({"api_key_invalid": True}, "api_key_invalid"),
            ({"api_keys_state": "expired"}, "'expired'"),
        ],
    )
    def test_at_once_if_the_account_is_of_no_use(self, account, why):
        decision = run(Criteria.parse(), reading(*SETTLED_ROWS, **account))
        assert decision.status is Status.FAILED
        assert why in decision.message

    @pytest.mark.parametrize("account", [{}, {"is_locked": None, "api_keys_state": None}, {"api_keys_state": "ok"}])
    def test_not_by_statuses_that_are_fine_or_absent(self, account):
        assert run(Criteria.parse(), *[reading(*SETTLED_ROWS, **account)] * 2).status is Status.SETTLED

    @pytest.mark.parametrize(
        "kind",
        [
            AuthenticationError,
            PermissionDenied,
            AccountNotFound,
            ExchangeKeysInvalid,
            PlanLimitReached,
            ConfigurationError,
        ],
    )
    def test_at_once_by_what_waiting_cannot_cure(self, kind):
        decision = on_failed_poll(Criteria.parse(), new_progress(START), kind("no", status_code=4), ACCOUNT, START)
        assert decision.status is Status.FAILED
        assert final_event(Criteria(), ACCOUNT, decision)["details"] == {"status_code": 4}

    def test_by_too_many_failed_reads_in_a_row(self):
        progress = new_progress(START)
        for number in range(10):
            decision = on_failed_poll(Criteria.parse(), progress, OutcomeUnknown("502"), ACCOUNT, START + number)
            assert decision.status is Status.WAITING
            progress = decision.progress
        decision = on_failed_poll(Criteria.parse(), progress, OutcomeUnknown("502"), ACCOUNT, START + 11)
        assert decision.status is Status.FAILED
        assert "11 times in a row; the last time: 502" in decision.message

    def test_a_read_that_works_forgives_the_failed_ones(self):
        progress = new_progress(START)
        for number in range(50):
            progress = on_failed_poll(
                Criteria.parse(), progress, OutcomeUnknown("502"), ACCOUNT, START + number
            ).progress
            decision = decide(Criteria.parse(), progress, reading(row("DOT", str(number + 1), "0.02")), START + number)
            assert decision.status is Status.WAITING
            progress = decision.progress

    @pytest.mark.parametrize("kind", [RateLimitExceeded, IpBanned, OutcomeUnknown])
    def test_retry_after_is_kept_until_a_read_works(self, kind):
        progress = on_failed_poll(
            Criteria.parse(), new_progress(START), kind("wait", retry_after=300), ACCOUNT, START
        ).progress
        assert progress.not_before == START + 300
        assert decide(Criteria.parse(), progress, reading(*SETTLED_ROWS), START + 301).progress.not_before == 0


class TestTimeout:
    def test_names_what_is_left(self):
        progress = run(Criteria.parse(), reading(row("ETH", "2", "0.09"))).progress
        assert on_timeout(Criteria.parse(), progress, ACCOUNT, 90.5).message == (
            f"Account {ACCOUNT} has not settled within 90.5 s: unsold: 2 ETH (0.09 BTC)."
        )

    def test_names_what_kept_the_reads_from_working(self):
        progress = on_failed_poll(
            Criteria.parse(), new_progress(START), OutcomeUnknown("answered 502"), ACCOUNT, START
        ).progress
        message = on_timeout(Criteria.parse(), progress, ACCOUNT, 60).message
        assert "could not be read once. The last reads failed (1): answered 502" in message

    def test_says_if_it_was_nearly_settled(self):
        criteria = Criteria.parse(stable_reads=5)
        progress = run(criteria, *[reading(*SETTLED_ROWS)] * 4).progress
        assert "it was seen settled 4 of 5 times in a row." in on_timeout(criteria, progress, ACCOUNT, 60).message


def test_interval_grows_only_when_asked():
    progress = Progress(reads=3)
    assert next_interval(progress, 10) == 10
    assert next_interval(progress, 10, backoff=True) == 40
    assert next_interval(progress, 10, backoff=True, max_interval=25) == 25
    assert next_interval(Progress(), 10, backoff=True) == 10
    assert next_interval(progress, 0) > 0
