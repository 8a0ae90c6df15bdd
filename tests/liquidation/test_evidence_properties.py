"""Whatever the owner, bots and markets do between polls, *sold* and *untouched* are never found falsely."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_3commas.liquidation.evidence import Reconciliation, Verdict
from tests.liquidation.exchange import PRICES, Exchange

if TYPE_CHECKING:
    from airflow_provider_3commas.liquidation.snapshot import Snapshot

COINS = sorted(set(PRICES) - {"BTC"})
SHARES = st.sampled_from([Decimal(text) for text in ("0.02", "0.08", "0.3", "0.5", "0.97", "1")])


def _trade(it: Exchange, coin: str, share: Decimal, into: str = "BTC") -> None:
    amount = it.coins.get(coin, Decimal(0)) * share
    if coin != into and coin not in it.locked and amount:
        it.coins[coin] -= amount
        it.orders.pop(coin, None)
        it.coins[into] = it.coins.get(into, Decimal(0)) + amount * PRICES[coin] / PRICES[into] * Decimal("0.999")


def _order(it: Exchange, coin: str, share: Decimal) -> None:
    if coin in it.coins and coin not in it.locked:
        it.orders[coin] = it.coins[coin] * share
        it.entities["active_orders_count"] += 1


def _flow(it: Exchange, coin: str, share: Decimal, sign: int) -> None:
    it.coins[coin] = max(it.coins.get(coin, Decimal(1)) * (1 + sign * share), Decimal(0))
    it.orders.pop(coin, None)


def _stop_loss(it: Exchange, coin: str, share: Decimal) -> None:
    if it.entities["active_smart_trades_count"]:
        it.entities["active_smart_trades_count"] -= 1
        _trade(it, coin, share)


def _set_entity(it: Exchange, name: str, count: int) -> None:
    it.entities[name] = count


def _half_a_sale(it: Exchange, coin: str) -> None:
    it.stop_everything()
    if coin in it.coins and it.is_worth_selling(coin) and coin not in it.locked:
        it.sell(coin)
        it.sold = "in part"


COIN = st.sampled_from(COINS)
ANY_COIN = st.sampled_from([*COINS, "BTC"])
ENTITY = st.sampled_from(["active_bots_count", "active_deals_count", "active_smart_trades_count"])
#: What the owner, bots and markets do: one of these between two polls.
OTHERS = st.one_of(
    st.just(("nothing", lambda it: None)),
    st.builds(lambda c, s: (f"trades {s} of {c}", lambda it: _trade(it, c, s)), COIN, SHARES),
    st.builds(lambda c, s: (f"trades {s} of {c} to USDT", lambda it: _trade(it, c, s, "USDT")), COIN, SHARES),
    st.builds(lambda c, s: (f"orders {s} of {c}", lambda it: _order(it, c, s)), COIN, SHARES),
    st.builds(lambda c, s: (f"stop-loss of {s} of {c}", lambda it: _stop_loss(it, c, s)), COIN, SHARES),
    st.builds(lambda c, s: (f"withdraws {s} of {c}", lambda it: _flow(it, c, s, -1)), ANY_COIN, SHARES),
    st.builds(lambda c, s: (f"deposits {s} of {c}", lambda it: _flow(it, c, s, 1)), ANY_COIN, SHARES),
    st.builds(lambda n, k: (f"sets {n} to {k}", lambda it: _set_entity(it, n, k)), ENTITY, st.integers(0, 3)),
)
SALE = st.one_of(
    st.just(("sale", Exchange.sell_all)),
    st.just(("sale with open orders", Exchange.create_orders)),
    st.builds(lambda c: (f"half a sale: {c}", lambda it: _half_a_sale(it, c)), COIN),
    st.just(("everything stopped", Exchange.stop_everything)),
)
EXCHANGES = st.builds(
    Exchange,
    st.dictionaries(COIN, st.sampled_from([Decimal(n) for n in (1, 8, 300, 9000)]), min_size=1).map(
        lambda held: {"BTC": Decimal("0.2"), **held}
    ),
    locked=st.sets(COIN, max_size=2),
    entities=st.fixed_dictionaries(
        {name: st.integers(0, 3) for name in ("active_bots_count", "active_deals_count", "active_smart_trades_count")}
    ),
)
VIEWS = st.sampled_from(["whole", "whole", "whole", "partial", "unread"])


def _poll(it: Exchange, view: str) -> Snapshot | None:
    if view == "unread":
        return None
    return it.view(without=tuple(sorted(it.coins)[:1])) if view == "partial" else it.view()


@st.composite
def histories(draw):
    """Draw an account, when a sale is carried out, if at all, and what else happens between the polls."""
    exchange = draw(EXCHANGES)
    steps = draw(st.lists(st.tuples(OTHERS, VIEWS), min_size=2, max_size=7))
    sale = draw(st.none() | st.tuples(st.integers(0, len(steps) - 1), SALE))
    return exchange, steps, sale


class Polled:
    """Whether polls have shown that something stopped: compared with the baseline, or with polls if nothing ran then.

    What begins and is stopped again between two polls leaves no trace, nor does what is stopped and begins again.
    """

    def __init__(self, before: Exchange) -> None:
        self._most = dict(before.entities)
        self._nothing_ran = not any(before.entities.values())
        self.stopped = False

    def poll(self, now: Exchange) -> None:
        self.stopped |= any(count < self._most[name] for name, count in now.entities.items())
        if self._nothing_ran:
            self._most = {name: max(count, self._most[name]) for name, count in now.entities.items()}


def replay(history) -> tuple[Exchange, Exchange, Verdict | None, bool, list[str]]:
    exchange, steps, sale = history
    before, log = exchange.copy(), []
    reconciliation, polled = Reconciliation(before.view(), "BTC"), Polled(before)
    for number, ((name, change), view) in enumerate(steps):
        if sale and sale[0] == number:
            log.append(sale[1][0])
            sale[1][1](exchange)
        log.append(f"{name}; {view}")
        change(exchange)
        reconciliation = reconciliation.with_poll(_poll(exchange, view))
        if view != "unread":
            polled.poll(exchange)
        if reconciliation.finding(time_is_up=False):
            break
    return before, exchange, reconciliation.finding(time_is_up=True), polled.stopped, log


@given(histories())
@settings(max_examples=1500, deadline=None)
def test_sold_implies_that_the_account_is_or_goes_where_a_sale_takes_it(history):
    _, truth, finding, _, log = replay(history)
    if finding is Verdict.SOLD:
        assert truth.sold == "all" or truth.is_safe(), log


@given(histories())
@settings(max_examples=1500, deadline=None)
def test_untouched_implies_that_no_sale_was_carried_out_not_even_in_part(history):
    before, truth, finding, stop_was_seen, log = replay(history)
    has_effect = any(before.is_worth_selling(coin) for coin in before.coins if coin not in before.locked)
    if finding is Verdict.UNTOUCHED and has_effect:
        assert not stop_was_seen, log
        assert truth.sold in ("not at all", "stopped"), log


@given(EXCHANGES, st.lists(VIEWS, min_size=2, max_size=6))
@settings(max_examples=300, deadline=None)
def test_an_account_on_which_nothing_happens_is_never_sold(exchange, views):
    reconciliation = Reconciliation(exchange.view(), "BTC")
    for view in views:
        reconciliation = reconciliation.with_poll(_poll(exchange, view))
        assert reconciliation.finding(time_is_up=True) is not Verdict.SOLD
