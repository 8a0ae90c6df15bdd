"""When is an account settled, stalled, or not yet: by example and by property."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_3commas.api.balance_rows import BalanceRow
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
    SettlementFailed,
)
from airflow_provider_3commas.money import plain
from airflow_provider_3commas.settlement.assessment import Reading
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.decide import decide, needs_entities, next_interval, on_failed_poll, on_timeout
from airflow_provider_3commas.settlement.state import (
    Decision,
    Progress,
    Status,
    as_json,
    begin,
    facts,
    history_points,
    last_result,
    residual_btc,
)

ACCOUNT = 32402783
IDLE = {"active_bots_count": 0, "active_deals_count": 0}
BUSY = {"active_bots_count": 2, "active_deals_count": 0}
START = 1_790_000_000.0


def row(currency: str, position: str | None, btc_value: str | None = None, **fields: str | None) -> BalanceRow:
    """Return a row as exchanges have them; ``btc_value`` of BTC is its position."""
    if btc_value is None and currency == "BTC":
        btc_value = position
    values = {"on_orders": "0", **fields, "position": position, "btc_value": btc_value}
    return BalanceRow(
        currency_code=currency, **{name: None if value is None else Decimal(value) for name, value in values.items()}
    )


def reading(*rows: BalanceRow, total: str | None = None, entities: dict | None = IDLE, **account) -> Reading:
    if total is None:
        total = format(sum((item.btc_value or Decimal(0) for item in rows), Decimal(0)), "f")
    return Reading({"id": ACCOUNT, "btc_amount": total, "usd_amount": "60000.50", **account}, list(rows), entities)


def run(criteria: Criteria, *readings: Reading, every: float = 60) -> Decision:
    """Decide on readings that follow each other, and return the last decision."""
    progress, decision = begin(START), None
    for number, item in enumerate(readings):
        assert decision is None or not decision.final, decision.message
        decision = decide(criteria, progress, item, START + number * every)
        # What is remembered is what survives JSON.
        progress = msgspec.convert(json.loads(json.dumps(as_json(decision.progress))), Progress)
    assert decision is not None
    return decision


SETTLED = (row("BTC", "1.5"), row("DOGE", "21.7", "0.00003"))


class TestSettled:
    def test_needs_as_many_reads_as_asked_for(self):
        assert run(Criteria.of(), reading(*SETTLED)).status is Status.WAITING
        assert run(Criteria.of(), *[reading(*SETTLED)] * 2).status is Status.SETTLED
        assert run(Criteria.of(stable_reads=3), *[reading(*SETTLED)] * 2).status is Status.WAITING
        assert run(Criteria.of(stable_reads=1), reading(*SETTLED)).status is Status.SETTLED

    def test_result_has_exactly_the_documented_form(self):
        assert run(Criteria.of(), *[reading(*SETTLED, row("XRP", "1E-7", "1E-12"))] * 2).result == {
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
        readings = [reading(*SETTLED), reading(*late_fill)]
        assert run(Criteria.of(), *readings).status is Status.WAITING
        assert run(Criteria.of(), *readings, reading(*late_fill)).status is Status.SETTLED

    def test_prices_may_move_between_the_reads(self):
        other_price = (row("BTC", "1.5"), row("DOGE", "21.7", "0.00009"))
        assert run(Criteria.of(), reading(*SETTLED), reading(*other_price)).status is Status.SETTLED

    def test_a_failed_read_in_between_is_no_state(self):
        first = decide(Criteria.of(), begin(START), reading(*SETTLED), START)
        failed = on_failed_poll(Criteria.of(), first.progress, ConnectionFailed("down"), ACCOUNT, START + 60)
        assert failed.status is Status.WAITING
        assert decide(Criteria.of(), failed.progress, reading(*SETTLED), START + 120).status is Status.SETTLED

    def test_fifty_places_are_kept(self):
        exact = "1.12345678901234567890123456789012345678901234567891"
        other = exact[:-1] + "2"
        readings = [reading(row("BTC", exact)), reading(row("BTC", other)), reading(row("BTC", other))]
        assert run(Criteria.of(), *readings[:2]).status is Status.WAITING
        settled = run(Criteria.of(), *readings)
        assert settled.result["target_amount"] == other

    def test_an_account_without_value_is_settled(self):
        assert run(Criteria.of(), *[reading(total="0.0")] * 2).status is Status.SETTLED

    def test_rows_of_one_currency_add_up(self):
        twice = (row("BTC", "1"), row("btc", "0.5", "0.5"))
        assert run(Criteria.of(), *[reading(*twice)] * 2).result["target_amount"] == "1.5"

    def test_dollars_are_the_target_of_usd(self):
        rows = (row("USDT", "60000", "0.9"), row("USDC", "40", "0.0006"), row("BTC", "0.00005"))
        settled = run(Criteria.of(target="USD"), *[reading(*rows)] * 2)
        assert settled.status is Status.SETTLED
        assert settled.result["target_amount"] == "60040"
        assert [item["currency"] for item in settled.result["residual"]] == ["BTC"]

    def test_currencies_of_the_target_can_be_chosen(self):
        rows = (row("EUR", "60000", "0.9"),)
        criteria = Criteria.of(target="USD", target_currencies="eur, usdt")
        assert run(criteria, *[reading(*rows)] * 2).status is Status.SETTLED
        assert run(Criteria.of(target="USD"), *[reading(*rows)] * 2).status is Status.WAITING


WAITING = {
    "unsold": (reading(*SETTLED, row("ETH", "2", "0.09")), "unsold: 2 ETH (0.09 BTC)"),
    "two rows above dust together": (
        reading(row("BTC", "1"), row("ETH", "1", "0.00006"), row("ETH", "1", "0.00006")),
        "unsold: 2 ETH (0.00012 BTC)",
    ),
    "two rows that cancel out": (
        reading(row("BTC", "1"), row("ETH", "1", "0.03"), row("ETH", "-1", "-0.03")),
        "unsold: 0 ETH",
    ),
    "in orders": (reading(row("BTC", "1"), row("ETH", "1", "0.00001", on_orders="0.5")), "in orders: 0.5 ETH"),
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
    "total is missing": (Reading({"id": ACCOUNT}, list(SETTLED), IDLE), "btc_amount is missing"),
    "total is null": (Reading({"id": ACCOUNT, "btc_amount": None}, list(SETTLED), IDLE), "btc_amount is missing"),
    "total is no number": (Reading({"id": ACCOUNT, "btc_amount": "n/a"}, [], IDLE), "btc_amount is missing"),
    "total is a float": (Reading({"id": ACCOUNT, "btc_amount": 0.0}, [], IDLE), "btc_amount is missing"),
    "amount is unknown": (reading(*SETTLED, row("XRP", None, "0")), "incomplete balances: XRP without position"),
    "value is unknown": (reading(*SETTLED, row("XRP", "5")), "incomplete balances: XRP without btc_value"),
    "orders are unknown": (reading(row("BTC", "1", on_orders=None)), "incomplete balances: BTC without on_orders"),
    "target is unknown": (reading(row("BTC", None, "1")), "incomplete balances: BTC without position"),
    "absurd value": (reading(*SETTLED, row("XRP", "5", "1E-5000"), total="1.50003"), "XRP without btc_value"),
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
        decision = run(Criteria.of(), *[item] * 3)
        assert decision.status is Status.WAITING
        assert why in decision.message
        assert decision.result["settled_at"] is None

    @pytest.mark.parametrize("case", sorted(set(WAITING) - {"unsold"}))
    def test_what_is_not_clear_undoes_an_earlier_read(self, case):
        item, _ = WAITING[case]
        assert run(Criteria.of(), reading(*SETTLED), item, reading(*SETTLED)).status is Status.WAITING

    def test_names_ten_and_counts_the_rest(self):
        rows = [row(f"C{number:02}", "1", f"0.{number:02}1") for number in range(1, 15)]
        message = run(Criteria.of(), reading(*rows)).message
        assert "unsold: 1 C14 (0.141 BTC), 1 C13" in message
        assert "C05" in message
        assert "C04" not in message
        assert "and 4 more" in message

    def test_ignored_currencies_may_be_left_in_any_state(self):
        rows = (*SETTLED, row("LUNA", "5", None), row("GBTC", None, "3", on_orders="1"), row("DOT", "7", "0.2"))
        criteria = Criteria.of(ignore_currencies=["luna", "GBTC", "DOT"])
        settled = run(criteria, *[reading(*rows)] * 2)
        assert settled.status is Status.SETTLED
        assert [item["currency"] for item in settled.result["residual"]] == ["GBTC", "DOT", "DOGE", "LUNA"]
        assert settled.result["residual"][0]["amount"] is None

    def test_nothing_of_a_coin_without_price_is_nothing(self):
        assert run(Criteria.of(), *[reading(*SETTLED, row("OLD", "0", None))] * 2).status is Status.SETTLED

    @pytest.mark.parametrize(
        ("total", "settles"),
        [("1.0990", True), ("1.1010", True), ("1.0980", False), ("1.1020", False)],
        ids=["a bit less", "a bit more", "less", "more"],
    )
    def test_tolerates_a_share_of_what_moves_in_price_only(self, total, settles):
        rows = (row("BTC", "1"), row("DOT", "20", "0.1"))
        decision = run(Criteria.of(ignore_currencies="DOT"), *[reading(*rows, total=total)] * 2)
        assert (decision.status is Status.SETTLED) is settles

    def test_rows_that_vanish_after_there_were_some_are_a_view_being_rebuilt(self):
        sold = reading(*SETTLED)
        gone = reading(total="0")
        decision = run(Criteria.of(), reading(row("ETH", "2", "0.09")), gone, gone, gone)
        assert decision.status is Status.WAITING
        assert "empty for the moment. Before that: unsold: 2 ETH" in decision.message
        assert "unsold: 2 ETH" in on_timeout(decision.progress, ACCOUNT, 60).message
        assert run(Criteria.of(), sold, gone, sold).status is Status.WAITING


class TestEntities:
    def test_are_asked_for_only_when_the_answer_depends_on_them(self):
        unknown = reading(*SETTLED, entities=None)
        assert not needs_entities(Criteria.of(), begin(START), unknown, START)
        first = decide(Criteria.of(), begin(START), unknown, START).progress
        assert needs_entities(Criteria.of(), first, unknown, START + 60)
        assert not needs_entities(Criteria.of(require_no_entities=False), first, unknown, START + 60)
        unsold = reading(row("ETH", "2", "0.09"), entities=None)
        assert not needs_entities(Criteria.of(), first, unsold, START + 60)

    def test_unknown_ones_settle_nothing(self):
        decision = run(Criteria.of(), *[reading(*SETTLED, entities=None)] * 5)
        assert decision.status is Status.UNDECIDED
        assert not decision.final

    def test_active_ones_start_over_and_are_named(self):
        decision = run(Criteria.of(), *[reading(*SETTLED, entities=BUSY)] * 2)
        assert decision.status is Status.WAITING
        assert "running: 2 active_bots" in decision.message
        assert decision.progress.stable == 0

    def test_can_be_allowed(self):
        criteria = Criteria.of(require_no_entities=False)
        assert run(criteria, *[reading(*SETTLED, entities=BUSY)] * 2).status is Status.SETTLED


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
        decision = run(Criteria.of(), reading(*SETTLED, **account))
        assert decision.status is Status.FAILED
        assert why in decision.message

    @pytest.mark.parametrize("account", [{}, {"is_locked": None, "api_keys_state": None}, {"api_keys_state": "ok"}])
    def test_not_by_statuses_that_are_fine_or_absent(self, account):
        assert run(Criteria.of(), *[reading(*SETTLED, **account)] * 2).status is Status.SETTLED

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
        decision = on_failed_poll(Criteria.of(), begin(START), kind("no", status_code=4), ACCOUNT, START)
        assert decision.status is Status.FAILED
        assert decision.as_event()["details"] == {"status_code": 4}

    def test_by_too_many_failed_reads_in_a_row(self):
        progress = begin(START)
        for number in range(10):
            decision = on_failed_poll(Criteria.of(), progress, OutcomeUnknown("502"), ACCOUNT, START + number)
            assert decision.status is Status.WAITING
            progress = decision.progress
        decision = on_failed_poll(Criteria.of(), progress, OutcomeUnknown("502"), ACCOUNT, START + 11)
        assert decision.status is Status.FAILED
        assert "11 times in a row; the last time: 502" in decision.message

    def test_a_read_that_works_forgives_the_failed_ones(self):
        progress = begin(START)
        for number in range(50):
            progress = on_failed_poll(Criteria.of(), progress, OutcomeUnknown("502"), ACCOUNT, START + number).progress
            decision = decide(Criteria.of(), progress, reading(row("DOT", str(number + 1), "0.02")), START + number)
            assert decision.status is Status.WAITING
            progress = decision.progress

    @pytest.mark.parametrize("kind", [RateLimitExceeded, IpBanned, OutcomeUnknown])
    def test_retry_after_is_kept_until_a_read_works(self, kind):
        progress = on_failed_poll(Criteria.of(), begin(START), kind("wait", retry_after=300), ACCOUNT, START).progress
        assert progress.not_before == START + 300
        assert decide(Criteria.of(), progress, reading(*SETTLED), START + 301).progress.not_before == 0


class TestTimeout:
    def test_names_what_is_left(self):
        progress = run(Criteria.of(), reading(row("ETH", "2", "0.09"))).progress
        assert on_timeout(progress, ACCOUNT, 90.5).message == (
            f"Account {ACCOUNT} has not settled within 90.5 s: unsold: 2 ETH (0.09 BTC)."
        )

    def test_names_what_kept_the_reads_from_working(self):
        progress = on_failed_poll(Criteria.of(), begin(START), OutcomeUnknown("answered 502"), ACCOUNT, START).progress
        message = on_timeout(progress, ACCOUNT, 60).message
        assert "could not be read once. The last reads failed (1): answered 502" in message

    def test_says_if_it_was_nearly_settled(self):
        progress = run(Criteria.of(stable_reads=5), *[reading(*SETTLED)] * 4).progress
        assert "settled on only 4 reads" in on_timeout(progress, ACCOUNT, 60).message


class TestHistory:
    def test_keeps_what_changes(self):
        amounts = ["0.3", "0.2", "0.2", "0"]
        readings = [reading(row("BTC", "1"), row("ETH", "2", amount)) for amount in amounts]
        assert history_points(run(Criteria.of(), *readings).progress) == [[0.0, "0.3"], [60.0, "0.2"], [180.0, "0"]]

    def test_stays_small_and_keeps_the_ends(self):
        readings = [reading(row("BTC", "1"), row("ETH", str(n + 1), f"0.{n + 1:04}")) for n in range(1500)]
        progress = run(Criteria.of(), *readings).progress
        points = history_points(progress)
        assert len(points) <= 100
        assert points[0] == [0.0, "0.0001"]
        assert points[-1] == [1499 * 60.0, "0.15"]
        assert len(json.dumps(as_json(progress))) < 3000


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
            ({"stall_after": 0}, "between 1"),
            ({"stall_after": float("nan")}, "between 1"),
            ({"stall_after": "10 minutes"}, "seconds or a timedelta"),
            ({"max_failures": -1}, "between 0"),
            ({"require_no_entities": "yes"}, "True or False"),
            ({"view_tolerance": "2"}, "between 0 and 1"),
            ({"ignore_currencies": 5}, "list of currency codes"),
            ({"ignore_currencies": "None"}, "list of currency codes"),
            ({"ignore_currencies": "{{ params.x }}"}, "list of currency codes"),
            ({"ignore_currencies": ["BTC"]}, "counts as the target"),
            ({"target": "USD", "ignore_currencies": ["usdt"]}, "USDT, which counts as the target"),
        ],
    )
    def test_refuses_what_makes_no_sense(self, wrong, expected):
        with pytest.raises(ConfigurationError, match=expected):
            Criteria.of(**wrong)

    def test_takes_what_people_write(self):
        criteria = Criteria.of(
            target=" USD ",
            dust_btc=0,
            ignore_currencies="luna, ust,",
            stall_after=timedelta(minutes=5),
            target_currencies=None,
            max_failures=0,
        )
        assert (criteria.target, criteria.dust_btc, criteria.stall_after) == ("USD", Decimal(0), 300)
        assert criteria.ignore_currencies == ("LUNA", "UST")

    def test_survives_json(self):
        criteria = Criteria.of(dust_btc="0.001", ignore_currencies=["X"], stall_after=timedelta(minutes=5))
        assert msgspec.convert(json.loads(json.dumps(as_json(criteria))), Criteria) == criteria

    def test_reads_what_older_and_newer_versions_wrote(self):
        assert msgspec.convert({"target": "USD", "new": 1}, Criteria) == Criteria.of(target="USD")
        assert msgspec.convert({"started_at": 5, "new": 1}, Progress) == Progress(started_at=5.0)


def test_failure_takes_the_details_over():
    error = SettlementFailed("left: 1 ETH", result={"reads": 1}, retry_after=30, status_code=429)
    assert (error.retry_after, error.status_code, error.result) == (30, 429, {"reads": 1})


def test_interval_grows_only_when_asked():
    progress = Progress(reads=3)
    assert next_interval(progress, 10) == 10
    assert next_interval(progress, 10, backoff=True) == 40
    assert next_interval(progress, 10, backoff=True, longest=25) == 25
    assert next_interval(Progress(), 10, backoff=True) == 10
    assert next_interval(progress, 0) > 0


@pytest.mark.parametrize(
    ("number", "text"), [("1E+3", "1000"), ("1.500", "1.5"), ("-0.0", "0"), ("1E-9", "0.000000001")]
)
def test_plain(number, text):
    assert plain(Decimal(number)) == text


def test_residual_value_adds_up():
    assert residual_btc({"residual": [{"btc_value": "0.1"}, {"btc_value": "0.0000002"}]}) == "0.1000002"


# Properties

amounts = st.decimals(min_value="0", max_value="1000", places=8, allow_nan=False, allow_infinity=False)
others = st.sampled_from(["ETH", "SOL", "DOT", "XRP", "DOGE", "USDT"])
rows = st.builds(
    lambda code, amount, value, orders: row(code, str(amount), str(value), on_orders=str(orders)),
    others,
    amounts,
    st.one_of(amounts, st.decimals(min_value="0", max_value="0.0003", places=8)),
    st.one_of(st.just(Decimal(0)), amounts),
)
views = st.lists(rows, max_size=8)


def value_of(items: list[BalanceRow]) -> dict[str, Decimal]:
    worth: dict[str, Decimal] = {}
    for item in items:
        worth[item.currency_code] = worth.get(item.currency_code, Decimal(0)) + (item.btc_value or 0)
    return worth


@given(view=views, btc=amounts, entities=st.sampled_from([None, IDLE, BUSY]), reads=st.integers(1, 4))
def test_settles_only_if_nothing_above_dust_or_in_orders_or_running_is_left(view, btc, entities, reads):
    item = reading(row("BTC", str(btc)), *view, entities=entities)
    progress, criteria = begin(START), Criteria.of(stable_reads=reads)
    for number in range(1, reads + 1):
        decision = decide(criteria, progress, item, START + number)
        progress = decision.progress
        assert not decision.final or number == reads
    clean = all(value <= criteria.dust_btc for value in value_of(view).values())
    still = not any(item.on_orders for item in view) and entities is IDLE
    assert (decision.status is Status.SETTLED) == (clean and still)


@given(data=st.data(), view=views, btc=amounts)
def test_order_of_rows_is_irrelevant(data, view, btc):
    items = [row("BTC", str(btc)), *view]
    one, other = reading(*items), reading(*data.draw(st.permutations(items)))
    first, second = (decide(Criteria.of(), begin(START), item, START) for item in (one, other))
    assert first == second


@given(
    view=views,
    btc=amounts,
    name=st.sampled_from(["position", "btc_value"]),
    which=st.integers(0, 8),
    steps=st.integers(1, 12),
)
def test_absence_never_settles(view, btc, name, which, steps):
    items = [row("BTC", str(btc + 1)), *view]
    index = which % len(items)
    lacking = msgspec.structs.replace(items[index], **{name: None, "position_available": None})
    if name == "btc_value" and lacking.position == 0:
        return  # nothing of a coin is worth nothing, whatever its price
    items[index] = lacking
    total = format(sum((item.btc_value or Decimal(0) for item in items), Decimal(0)), "f")
    decision = None
    progress = begin(START)
    for number in range(steps):
        decision = decide(Criteria.of(), progress, reading(*items, total=total), START + number * 60)
        progress = decision.progress
        assert decision.status is not Status.SETTLED


@given(total=amounts.filter(bool), steps=st.integers(1, 30), before=views)
def test_an_empty_view_of_something_never_settles(total, steps, before):
    progress = begin(START)
    if before:
        progress = decide(Criteria.of(), progress, reading(*before), START).progress
    for number in range(steps):
        decision = decide(Criteria.of(), progress, reading(total=str(total)), START + number * 60)
        assert decision.status is not Status.SETTLED
        progress = decision.progress


@given(missing=st.decimals(min_value="0.0002", max_value="1000", places=8), btc=amounts)
def test_a_missing_row_is_never_taken_for_sold(missing, btc):
    item = reading(row("BTC", str(btc)), total=str(btc + missing))
    assert run(Criteria.of(), *[item] * 3).status is not Status.SETTLED


@given(view=views, btc=amounts)
def test_what_was_last_seen_is_remembered_as_it_was(view, btc):
    criteria = Criteria.of(stable_reads=3)
    decision = run(criteria, reading(row("BTC", str(btc)), *view), reading(row("BTC", str(btc)), *view))
    assert last_result(criteria, ACCOUNT, decision.progress) == {**decision.result, "settled_at": None}
    lost = on_failed_poll(criteria, decision.progress, ConnectionFailed("down"), ACCOUNT, START + 600)
    assert last_result(criteria, ACCOUNT, lost.progress) == last_result(criteria, ACCOUNT, decision.progress)


class TestFacts:
    def test_two_hundred_coins_stay_small(self):
        coins = [row(f"COIN{number}", "123.45678901", "0.00123456") for number in range(200)]
        decision = run(Criteria.of(), reading(*coins))
        assert len(last_result(Criteria.of(), ACCOUNT, decision.progress)["residual"]) == 200
        assert len(json.dumps(as_json(decision.progress))) < 12_000

    def test_an_empty_view_is_not_remembered_as_nothing_left(self):
        empty = run(Criteria.of(), reading(total="1"))
        assert last_result(Criteria.of(), ACCOUNT, empty.progress) is None
        later = run(Criteria.of(), reading(row("BTC", "1"), row("ETH", "2", "0.09")), reading(total="1.09"))
        assert last_result(Criteria.of(), ACCOUNT, later.progress)["residual"][0]["currency"] == "ETH"

    def test_unknown_number_of_requests_stays_unknown(self):
        decision = run(Criteria.of(), reading(row("BTC", "1")))
        assert decision.counting(3).counting(2).progress.requests == 5
        forgotten = decision._replace(progress=msgspec.structs.replace(decision.progress, requests=None))
        assert forgotten.counting(3).progress.requests is None

    def test_what_is_settled_has_its_outcome_elsewhere(self):
        decision = run(Criteria.of(), *[reading(*SETTLED)] * 2)
        told = facts(Criteria.of(), ACCOUNT, decision.progress, settled=True)
        assert (told["result"], told["criteria"]["view_tolerance"]) == (None, "0.01")


@given(view=views, btc=amounts)
def test_everything_said_is_plain_json(view, btc):
    decision = run(Criteria.of(), reading(row("BTC", str(btc)), *view))
    event = json.loads(json.dumps(decision.as_event()))
    numbers = [event["result"]["target_amount"], event["result"]["btc_value"]]
    numbers += [item[name] for item in event["result"]["residual"] for name in ("amount", "btc_value")]
    assert all("E" not in number.upper() and Decimal(number).is_finite() for number in numbers)
