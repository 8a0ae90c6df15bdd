"""*Sold* means that the sale was carried out, *untouched* that it was not; everything else is *unknown*."""

from __future__ import annotations

from decimal import Decimal

import pytest

from airflow_provider_3commas.liquidation.evidence import Reconciliation, Verdict, assess
from airflow_provider_3commas.liquidation.snapshot import Snapshot
from tests.liquidation.exchange import PRICES, Exchange, coins

BOTS = {"active_bots_count": 3, "active_deals_count": 2}


def typical(**entities: int) -> Exchange:
    return Exchange(coins(BTC="0.2", ETH=8, SOL=60, USDT=7000), entities=entities)


def verdict(before: Exchange, now: Exchange, target: str = "BTC") -> Verdict:
    return assess(before.view(), now.view(), target).verdict


def after(before: Exchange, *changes) -> Exchange:
    now = before.copy()
    for change in changes:
        change(now)
    return now


class TestSold:
    @pytest.mark.parametrize("entities", [{}, BOTS], ids=["nothing ran", "bots ran"])
    def test_a_sale_that_was_carried_out(self, entities):
        before = typical(**entities)
        assert verdict(before, after(before, Exchange.sell_all)) is Verdict.SOLD

    def test_a_sale_whose_last_orders_are_still_open(self):
        before = typical(**BOTS)
        now = after(before, Exchange.create_orders, lambda it: it.sell("ETH", "SOL"))
        assert verdict(before, now) is Verdict.SOLD

    def test_a_sale_that_cancelled_the_owners_orders(self):
        before = Exchange(coins(BTC="0.2", ETH=8), orders=coins(ETH=8), entities={"active_orders_count": 2})
        assert verdict(before, after(before, Exchange.sell_all)) is Verdict.SOLD

    def test_dust_may_be_left(self):
        before = Exchange(coins(BTC="0.2", ETH=8, DOT=1), locked={"DOT"})
        assert verdict(before, after(before, Exchange.sell_all)) is Verdict.SOLD

    def test_a_sale_into_dollars(self):
        before = typical(**BOTS)
        before.target = "USD"
        now = after(before, Exchange.stop_everything, lambda it: it.sell("BTC", "ETH", "SOL", into="USDT"))
        assert verdict(before, now, "USD") is Verdict.SOLD
        assert verdict(before, now, "BTC") is not Verdict.SOLD

    def test_prices_that_move_meanwhile(self, monkeypatch):
        before = typical(**BOTS)
        baseline = before.view()
        monkeypatch.setitem(PRICES, "ETH", PRICES["ETH"] * Decimal("0.9"))
        assert assess(baseline, after(before, Exchange.sell_all).view(), "BTC").verdict is Verdict.SOLD

    def test_an_airdrop_without_a_price_does_not_blind(self):
        def view(exchange: Exchange) -> Snapshot:
            seen = exchange.view()
            junk = Exchange(coins(XMR=900)).view().holdings["XMR"]
            junk.btc_value = junk.usd_value = Decimal(0)
            junk.unknown.append("btc_value")
            return Snapshot(**{**vars(seen), "holdings": {**seen.holdings, "JUNK": junk}})

        before = typical(**BOTS)
        assert assess(view(before), view(after(before, Exchange.sell_all)), "BTC").verdict is Verdict.SOLD
        assert assess(view(before), view(before), "BTC").verdict is Verdict.UNTOUCHED


class TestUntouched:
    @pytest.mark.parametrize("entities", [{}, BOTS], ids=["nothing ran", "bots ran"])
    def test_nothing_has_changed(self, entities):
        before = typical(**entities)
        assert verdict(before, before) is Verdict.UNTOUCHED

    def test_bots_trade_on(self):
        before = typical(**BOTS)
        now = after(before, lambda it: it.coins.update(ETH=Decimal("7.5"), BTC=Decimal("0.219")))
        assert verdict(before, now) is Verdict.UNTOUCHED

    def test_prices_that_halve_move_nothing(self, monkeypatch):
        baseline = typical().view()
        monkeypatch.setitem(PRICES, "ETH", PRICES["ETH"] / 2)
        assert assess(baseline, typical().view(), "BTC").verdict is Verdict.UNTOUCHED

    def test_where_nothing_ran_nothing_may_have_moved(self):
        before = typical()
        moved = after(before, lambda it: it.coins.update(ETH=Decimal("7.9"), BTC=Decimal("0.204")))
        assert verdict(before, moved) is Verdict.UNKNOWN
        rewards = after(before, lambda it: it.coins.update(ETH=Decimal("8.0001")))
        assert verdict(before, rewards) is Verdict.UNTOUCHED


def withdraw_coins(exchange: Exchange) -> None:
    for coin in ("ETH", "SOL", "USDT"):
        exchange.coins.pop(coin)


#: What is neither: the sale's outcome can't be inferred from what the account shows.
UNKNOWN = {
    "a delisted coin is left of a sale": (
        Exchange(coins(BTC="0.2", ETH=8, XMR=8), locked={"XMR"}, entities=BOTS),
        [Exchange.sell_all],
    ),
    "one deal in a delisted coin can't be closed": (
        Exchange(coins(BTC="0.2", ETH=8, XMR=8), locked={"XMR"}, entities=BOTS),
        [Exchange.sell_all, lambda it: it.entities.update(active_deals_count=1)],
    ),
    "most is staked, nothing ran, the rest was sold": (
        Exchange(coins(SOL=100, ETH=20, DOT=9000), locked={"ETH", "DOT"}),
        [Exchange.sell_all],
    ),
    "coins that earn are left of a sale": (
        Exchange(coins(BTC="0.2", ETH=8) | {"ETH.S": Decimal("0.8")}, locked={"ETH.S"}, entities=BOTS),
        [Exchange.sell_all],
    ),
    "BTC that earns is left of a sale": (
        Exchange(coins(BTC="0.2", ETH=8, LDBTC="0.05"), locked={"LDBTC"}, entities=BOTS),
        [Exchange.sell_all],
    ),
    "the owner makes all BTC earn": (
        Exchange(coins(BTC="0.2", ETH=8)),
        [lambda it: it.coins.update(LDBTC=it.coins.pop("BTC"))],
    ),
    "a slow sale is half done": (
        typical(active_bots_count=10),
        [lambda it: it.entities.update(active_bots_count=4), lambda it: it.sell("ETH")],
    ),
    "a slow sale has stopped one bot of ten": (
        typical(active_bots_count=10),
        [lambda it: it.entities.update(active_bots_count=9)],
    ),
    "three tenths of what a sale brought have been withdrawn": (
        Exchange(coins(BTC="0.2", ETH=8), entities=BOTS),
        [
            Exchange.sell_all,
            lambda it: it.coins.update(BTC=(it.coins["BTC"] - Decimal("0.2")) * 7 / 10 + Decimal("0.2")),
        ],
    ),
    "two fifths have been sold, and there are orders for the rest": (
        Exchange(coins(BTC="0.2", ETH=4, SOL=100), entities=BOTS),
        [Exchange.stop_everything, lambda it: it.sell("ETH"), lambda it: it.orders.update(SOL=it.coins["SOL"])],
    ),
    "it died after stopping everything": (typical(**BOTS), [Exchange.stop_everything]),
    "it died after the first coin": (typical(), [lambda it: it.sell("USDT")]),
    "the owner stops the bots": (typical(**BOTS), [lambda it: it.entities.update(dict.fromkeys(BOTS, 0))]),
    "the owner restarts a bot after a sale": (
        typical(**BOTS),
        [Exchange.sell_all, lambda it: it.entities.update(active_bots_count=1)],
    ),
    "the owner restarts all bots after a sale": (
        typical(**BOTS),
        [Exchange.sell_all, lambda it: it.entities.update(BOTS)],
    ),
    "the only SmartTrade's stop-loss sells a third": (
        typical(active_smart_trades_count=1),
        [lambda it: it.entities.update(active_smart_trades_count=0), lambda it: it.sell("SOL")],
    ),
    "stop-losses sell nine tenths": (
        typical(active_smart_trades_count=2),
        [lambda it: it.entities.update(active_smart_trades_count=0), lambda it: it.sell("ETH", "SOL")],
    ),
    "a stop-loss sells everything into dollars": (
        typical(active_smart_trades_count=1),
        [lambda it: it.entities.update(active_smart_trades_count=0), lambda it: it.sell(into="USDT")],
    ),
    "the last deal takes its profit, the bots still run": (
        Exchange(coins(BTC="0.2", ETH=8), entities={"active_bots_count": 3, "active_deals_count": 1}),
        [lambda it: it.entities.update(active_deals_count=0), lambda it: it.sell("ETH")],
    ),
    "everything is in the owner's new orders": (
        typical(**BOTS),
        [
            lambda it: it.entities.update(dict.fromkeys(BOTS, 0)),
            lambda it: it.orders.update({code: it.coins[code] for code in ("ETH", "SOL", "USDT")}),
        ],
    ),
    "the owner withdraws everything but BTC": (
        typical(),
        [withdraw_coins],
    ),
    "the owner stops the bots and withdraws everything but BTC": (
        typical(**BOTS),
        [
            lambda it: it.entities.update(dict.fromkeys(BOTS, 0)),
            withdraw_coins,
        ],
    ),
    "a deposit of a coin that was sold": (
        typical(),
        [Exchange.sell_all, lambda it: it.coins.update(ETH=Decimal(8))],
    ),
    "a deposit of a coin that was sold, bots restarted": (
        typical(**BOTS),
        [Exchange.sell_all, lambda it: it.coins.update(ETH=Decimal(8)), lambda it: it.entities.update(BOTS)],
    ),
    "a deposit of BTC": (typical(), [lambda it: it.coins.update(BTC=Decimal(2))]),
    "the owner withdraws the coins and deposits BTC": (
        typical(),
        [withdraw_coins, lambda it: it.coins.update(BTC=Decimal(2))],
    ),
    "the bots run, and a small coin is gone": (
        Exchange(coins(BTC="0.2", ETH=8, SOL=5), entities=BOTS),
        [lambda it: it.sell("SOL")],
    ),
    "the bots run, and a small coin that was in their orders is gone": (
        Exchange(coins(BTC="0.2", ETH=8, SOL=5), orders=coins(SOL=5), entities=BOTS),
        [lambda it: it.sell("SOL")],
    ),
    "the bots run, and a small coin is in new orders": (
        Exchange(coins(BTC="0.2", ETH=8, SOL=5), entities=BOTS),
        [lambda it: it.orders.update(coins(SOL=5))],
    ),
    "the bots run, and have traded a third of a coin": (
        typical(**BOTS),
        [lambda it: it.coins.update(ETH=Decimal("5.6"), BTC=Decimal("0.296"))],
    ),
    "the owner sells by hand what is not in his orders": (
        Exchange(coins(BTC="0.2", ETH=2, SOL=200), orders=coins(ETH=2), entities={"active_orders_count": 1}),
        [lambda it: it.sell("SOL")],
    ),
    "nothing ran, and a coin is in new orders": (
        typical(),
        [lambda it: it.orders.update(coins(ETH=4)), lambda it: it.entities.update(active_orders_count=1)],
    ),
    "the orders have vanished": (
        Exchange(coins(BTC="0.2", ETH=8), orders=coins(ETH=8), entities={"active_orders_count": 2}),
        [lambda it: it.entities.update(active_orders_count=0)],
    ),
    "the bots run, and all their orders have vanished": (
        typical(**BOTS, active_orders_count=5),
        [lambda it: it.entities.update(active_orders_count=0)],
    ),
    "nothing ran, and a little of two coins is gone": (
        typical(),
        [lambda it: it.coins.update(ETH=Decimal("7.998"), SOL=Decimal("59.97"))],
    ),
    "something runs of which the baseline knew nothing": (
        Exchange(coins(BTC="0.2", ETH=8)),
        [Exchange.sell_all, lambda it: it.entities.update(active_something_count=0, active_grid_bots_count=1)],
    ),
    "another task sold it into dollars": (typical(**BOTS), [Exchange.stop_everything, lambda it: it.sell(into="USDT")]),
    "the owner cancels his orders": (
        Exchange(coins(ETH=8), orders=coins(ETH=8), entities={"active_orders_count": 2}),
        [lambda it: it.orders.clear(), lambda it: it.entities.update(active_orders_count=0)],
    ),
    "there was nothing to sell": (Exchange(coins(BTC=2)), []),
    "there was nothing to sell, bots were stopped": (Exchange(coins(BTC=2), entities=BOTS), [Exchange.stop_everything]),
    "there was nothing to sell, and bots run again": (Exchange(coins(BTC=2), entities=BOTS), []),
}


class TestUnknown:
    @pytest.mark.parametrize("name", UNKNOWN)
    def test_what_others_may_have_done_is_no_certainty(self, name):
        before, changes = UNKNOWN[name]
        assert verdict(before, after(before, *changes)) is Verdict.UNKNOWN

    def test_owners_orders_that_were_there_before_prove_nothing(self):
        before = Exchange(coins(BTC="0.2", ETH=8), orders=coins(ETH=8), entities={"active_orders_count": 2})
        assert verdict(before, before) is not Verdict.SOLD

    @pytest.mark.parametrize("entities", [{}, BOTS], ids=["nothing ran", "bots ran"])
    @pytest.mark.parametrize("change", [Exchange.sell_all, lambda it: None], ids=["sold", "not sold"])
    def test_a_partial_view_of_a_big_bitcoin_account(self, entities, change):
        before = Exchange(coins(BTC=10, ETH="3.5"), entities=entities)
        partial = before.view(without=("ETH",))
        assert not partial.complete
        assert assess(before.view(), partial, "BTC").verdict is Verdict.UNKNOWN
        assert assess(partial, after(before, change).view(), "BTC").verdict is Verdict.UNKNOWN

    def test_without_a_view_or_a_baseline(self):
        before = typical(**BOTS)
        sold = after(before, Exchange.sell_all)
        assert assess(None, sold.view(), "BTC").verdict is Verdict.UNKNOWN
        assert assess(before.view(), None, "BTC").verdict is Verdict.UNKNOWN
        assert assess(before.view(), before.view(empty=True), "BTC").verdict is Verdict.UNKNOWN
        assert assess(before.view(), sold.view(unread=("BTC",)), "BTC").verdict is Verdict.UNKNOWN

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_count_that_could_not_be_read(self, when):
        before = typical(**BOTS)
        now = after(before, Exchange.sell_all)
        (before if when == "before" else now).entities["active_grid_bots_count"] = None
        assert verdict(before, now) is Verdict.UNKNOWN

    def test_a_partial_view_that_hides_what_was_not_sold(self):
        before = Exchange(coins(BTC="0.2", ETH=2, SOL=200))
        by_hand = after(before, lambda it: it.sell("SOL"))
        assert assess(before.view(), by_hand.view(without=("ETH",)), "BTC").verdict is Verdict.UNKNOWN

    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_count_that_is_not_there(self, when):
        before = typical(**BOTS)
        now = after(before, Exchange.sell_all)
        if when == "before":
            del before.entities["active_grid_bots_count"]
            now.entities["active_grid_bots_count"] = 1
        else:
            del now.entities["active_grid_bots_count"]
        assert verdict(before, now) is Verdict.UNKNOWN

    def test_codes_in_lower_case_are_the_same_coins(self):
        before, now = typical(), typical()
        now.coins = {code.lower(): amount for code, amount in now.coins.items()}
        with pytest.MonkeyPatch.context() as patch:
            for code, price in list(PRICES.items()):
                patch.setitem(PRICES, code.lower(), price)
            assert verdict(before, now) is Verdict.UNTOUCHED
            assert set(now.view().sellable("BTC")) == {"ETH", "SOL", "USDT"}


class TestReconciliation:
    def polls(self, before: Exchange, *seen: Snapshot | None) -> Reconciliation:
        reconciliation = Reconciliation(before.view(), "BTC")
        for snapshot in seen:
            reconciliation = reconciliation.with_poll(snapshot)
        return reconciliation

    def test_one_poll_is_no_certainty(self):
        before = typical(**BOTS)
        sold = after(before, Exchange.sell_all).view()
        assert self.polls(before, sold).finding(time_is_up=False) is None
        assert self.polls(before, sold).finding(time_is_up=True) is Verdict.UNKNOWN
        assert self.polls(before, sold, sold).finding(time_is_up=False) is Verdict.SOLD
        assert self.polls(before, before.view()).finding(time_is_up=True) is Verdict.UNKNOWN
        assert self.polls(before, before.view(), before.view()).finding(time_is_up=False) is None
        assert self.polls(before, before.view(), before.view()).finding(time_is_up=True) is Verdict.UNTOUCHED

    @pytest.mark.parametrize("gap", ["unread", "partial"])
    def test_the_polls_have_to_follow_each_other(self, gap):
        before = typical(**BOTS)
        sold = after(before, Exchange.sell_all)
        between = None if gap == "unread" else sold.view(without=("BTC",))
        assert self.polls(before, sold.view(), between, sold.view()).finding(time_is_up=True) is Verdict.UNKNOWN
        unsold = None if gap == "unread" else before.view(without=("ETH",))
        assert self.polls(before, before.view(), unsold, before.view()).finding(time_is_up=True) is Verdict.UNKNOWN

    def test_what_was_once_seen_changed_is_untouched_no_more(self):
        before = typical(**BOTS)
        stopped = after(before, lambda it: it.entities.update(dict.fromkeys(BOTS, 0)))
        seen = [before.view(), before.view()]
        assert self.polls(before, stopped.view(), *seen).finding(time_is_up=True) is Verdict.UNKNOWN
        assert self.polls(before, stopped.view(without=("ETH",)), *seen).finding(time_is_up=True) is Verdict.UNKNOWN
        assert self.polls(before, before.view(without=("ETH",)), *seen).finding(time_is_up=True) is Verdict.UNTOUCHED

    @pytest.mark.parametrize("name", ["active_bots_count", "active_grid_bots_count", "active_orders_count"])
    @pytest.mark.parametrize("without", [(), ("ETH",)], ids=["complete view", "partial view"])
    def test_what_began_after_the_baseline_and_was_then_stopped_is_a_change(self, name, without):
        before = typical()
        begun = after(before, lambda it: it.entities.update({name: 3}))
        seen = [begun.view(without=without), before.view(), before.view()]
        assert self.polls(before, *seen).finding(time_is_up=True) is Verdict.UNKNOWN

    def test_what_began_after_the_baseline_and_goes_on_is_no_change(self):
        before = typical()
        begun = after(before, lambda it: it.entities.update(active_bots_count=3)).view()
        assert self.polls(before, before.view(), begun, begun).finding(time_is_up=True) is Verdict.UNTOUCHED

    def test_the_description_names_what_was_seen(self):
        before = Exchange(coins(BTC="0.2", ETH=8, XMR=8), locked={"XMR"}, entities=BOTS)
        description = self.polls(before, after(before, Exchange.sell_all).view()).describe()
        for words in ("1 poll", "stopped (3 bots, 2 deals)", "not sold: 8 XMR"):
            assert words in description
