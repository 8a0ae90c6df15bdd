"""What holds of a decision whatever the account."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_provider_3commas.api.errors import (
    ConnectionFailed,
)
from airflow_provider_3commas.dust import MAX_DUST_MULTIPLE
from airflow_provider_3commas.settlement.criteria import Criteria
from airflow_provider_3commas.settlement.decide import decide, needs_entities, on_failed_poll
from airflow_provider_3commas.settlement.state import (
    Status,
    final_event,
    last_result,
    new_progress,
)
from tests.fakes import ACCOUNT, START, row
from tests.settlement.readings import BUSY, IDLE, reading, reading_without, run

if TYPE_CHECKING:
    from airflow_provider_3commas.api.balance_rows import BalanceRow

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
    progress, criteria = new_progress(START), Criteria.parse(stable_reads=reads)
    for number in range(1, reads + 1):
        decision = decide(criteria, progress, item, START + number)
        progress = decision.progress
        assert not decision.final or number == reads
    clean = all(value <= criteria.dust_btc for value in value_of(view).values())
    if decision.status is Status.SETTLED:
        assert clean
        assert entities is IDLE
        assert btc > 0 or any(value_of(view).values())
    elif clean and entities is IDLE and btc > 0:
        assert any(item.on_orders for item in view)


@given(data=st.data(), view=views, btc=amounts)
def test_order_of_rows_is_irrelevant(data, view, btc):
    items = [row("BTC", str(btc)), *view]
    one, other = reading(*items), reading(*data.draw(st.permutations(items)))
    first, second = (decide(Criteria.parse(), new_progress(START), item, START) for item in (one, other))
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
    progress = new_progress(START)
    for number in range(steps):
        decision = decide(Criteria.parse(), progress, reading(*items, total=total), START + number * 60)
        progress = decision.progress
        assert decision.status is not Status.SETTLED


@given(total=amounts.filter(bool), steps=st.integers(1, 30), before=views)
def test_an_empty_view_of_something_never_settles(total, steps, before):
    progress = new_progress(START)
    if before:
        progress = decide(Criteria.parse(), progress, reading(*before), START).progress
    for number in range(steps):
        decision = decide(Criteria.parse(), progress, reading(total=str(total)), START + number * 60)
        assert decision.status is not Status.SETTLED
        progress = decision.progress


@given(missing=st.decimals(min_value="0.0002", max_value="1000", places=8), btc=amounts)
def test_a_missing_row_is_never_taken_for_sold(missing, btc):
    item = reading(row("BTC", str(btc)), total=str(btc + missing))
    assert run(Criteria.parse(), *[item] * 3).status is not Status.SETTLED


@given(truth=views, btc=amounts, shown=st.lists(st.booleans(), min_size=9, max_size=9), polls=st.integers(2, 4))
def test_settles_only_if_nothing_worth_selling_is_on_the_true_account_whatever_a_view_leaves_out(
    truth, btc, shown, polls
):
    items = [row("BTC", str(btc)), *truth]
    view = [item for item, visible in zip(items, shown, strict=False) if visible]
    unsold = sum((item.btc_value for item in truth), Decimal(0))
    item, progress, criteria = reading(*view, total=str(btc + unsold)), new_progress(START), Criteria.parse()
    for number in range(polls):
        decision = decide(criteria, progress, item, START + number)
        progress = decision.progress
        if decision.final:
            break
    if decision.status is Status.SETTLED:
        # All dust that is shown, dust that is not, and a share of both for prices that move.
        assert unsold <= (MAX_DUST_MULTIPLE + 1) * criteria.dust_btc / (1 - criteria.view_tolerance)
        assert all(value <= criteria.dust_btc for value in value_of([x for x in view if x is not items[0]]).values())


@given(view=views, btc=amounts)
def test_what_was_last_seen_is_remembered_as_it_was(view, btc):
    criteria = Criteria.parse(stable_reads=3)
    assume(btc or any(value_of(view).values()))
    decision = run(criteria, reading(row("BTC", str(btc)), *view), reading(row("BTC", str(btc)), *view))
    assert last_result(criteria, ACCOUNT, decision.progress) == {**decision.result, "settled_at": None}
    lost = on_failed_poll(criteria, decision.progress, ConnectionFailed("down"), ACCOUNT, START + 600)
    assert last_result(criteria, ACCOUNT, lost.progress) == last_result(criteria, ACCOUNT, decision.progress)


@given(view=views, btc=amounts)
def test_everything_said_is_plain_json(view, btc):
    decision = run(Criteria.parse(), reading(row("BTC", str(btc)), *view))
    event = json.loads(json.dumps(final_event(Criteria(), ACCOUNT, decision)))
    numbers = [event["result"]["target_amount"], event["result"]["btc_value"]]
    numbers += [item[name] for item in event["result"]["residual"] for name in ("amount", "btc_value")]
    assert all("E" not in number.upper() and Decimal(number).is_finite() for number in numbers)


@st.composite
def readings(draw):
    """Return what a poll may show of an account, empty or odd views among it."""
    items = [*draw(st.sampled_from([[], [row("BTC", "1.5")]])), *draw(views)]
    return reading(
        *items,
        total=draw(st.sampled_from([None, None, "0", "1.5"])),
        entities=draw(st.sampled_from([IDLE, BUSY, {"active_bots_count": None}])),
    )


@given(
    before=st.lists(st.one_of(readings(), st.none()), max_size=25),
    last=readings(),
    every=st.sampled_from([7, 60, 200]),
    criteria=st.builds(
        Criteria,
        require_no_entities=st.booleans(),
        stable_reads=st.integers(1, 4),
        stable_for=st.sampled_from([0.0, 90.0, 1000.0]),
    ),
)
def test_every_wait_ends_when_the_world_no_longer_changes(before, last, every, criteria):
    """Whatever happened until then, failed polls (``None``) among it."""
    progress, number, still = new_progress(START), 0, 0.0
    # What runs is looked up a few times in that time, so a change of it may be noticed a fifth of it late.
    while still <= criteria.stall_after * 1.2 + 4 * every + (criteria.stable_for and criteria.stable_for + 2 * every):
        item = before[number] if number < len(before) else last
        now = START + number * every
        if item is None:
            decision = on_failed_poll(criteria, progress, ConnectionFailed("down"), ACCOUNT, now)
        else:
            without = reading_without(item)
            asks = needs_entities(criteria, progress, without, now)
            decision = decide(criteria, progress, item if asks else without, now)
        if decision.final:
            return
        assert decision.status is Status.WAITING
        progress, number = decision.progress, number + 1
        still += every if number > len(before) else 0
    pytest.fail(decision.message)


@given(
    view=views,
    btc=amounts,
    total=st.sampled_from([None, "0", "1.5"]),
    entities=st.sampled_from([IDLE, BUSY, {"active_bots_count": None}]),
    require=st.booleans(),
)
def test_every_wait_ends_when_the_world_stands_still(view, btc, total, entities, require):
    criteria = Criteria.parse(require_no_entities=require)
    item = reading(row("BTC", str(btc)), *view, total=total, entities=entities)
    without = reading(row("BTC", str(btc)), *view, total=total, entities=None)
    progress, polls = new_progress(START), 0
    while polls < 15:
        now = START + polls * 60
        seen = item if needs_entities(criteria, progress, without, now) else without
        decision = decide(criteria, progress, seen, now)
        progress, polls = decision.progress, polls + 1
        if decision.final:
            break
    assert decision.final, decision.message
    assert decision.status is not Status.TIMEOUT
