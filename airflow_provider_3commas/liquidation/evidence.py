"""Was it sold? What an account shows, compared with the baseline from before the sale. Pure decisions.

There are three answers, and only two of them are certainties:

*sold*       what ran is stopped, every coin is gone or on its way in new orders, and what is gone has become the target
*untouched*  everything that ran still runs, and next to nothing has moved
*unknown*    all else, contradictions among it

Bots trade, stop-losses fire, owners stop bots, withdraw, deposit and place orders; views are stale, partial or empty.
None of these is evidence. Amounts are compared at the baseline's prices, so that a market that moves proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal, localcontext
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from airflow_provider_3commas.dust import DUST_BTC
from airflow_provider_3commas.in_words import describe_counts, describe_first
from airflow_provider_3commas.liquidation.snapshot import ORDERS, STOPPED_ENTITIES, Snapshot
from airflow_provider_3commas.money import EXACT, plain, rounded
from airflow_provider_3commas.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_3commas.holdings import Holding

#: Share of the sellable value that has to have become the target before an account counts as sold: orders alone could
#: be anybody's.
SOLD_SHARE = Decimal("0.5")
#: Share by which what has become of the sold coins may differ from what they were worth: fees, slippage, prices.
CONSERVED_WITHIN = Decimal("0.2")
#: Share of the sellable value below which bots that go on trading have not sold the account.
UNTOUCHED_SHARE = Decimal("0.1")
#: Share of its amount that no coin may have lost for the account to be untouched.
UNTOUCHED_COIN_SHARE = Decimal("0.5")
#: Polls in a row that have to agree.
CERTAIN_POLLS = 2

_ZERO = Decimal(0)


class Verdict(Enum):
    """What an account shows."""

    SOLD = "sold"
    UNTOUCHED = "untouched"
    UNKNOWN = "unknown"


class Assessment(NamedTuple):
    """What one poll shows, and the facts that say so, in words."""

    verdict: Verdict
    facts: tuple[str, ...]


_NO_POLL_YET = Assessment(Verdict.UNKNOWN, ())


def assess(baseline: Snapshot | None, now: Snapshot | None, target: str) -> Assessment:
    """Compare one poll with the baseline, either of which is ``None`` if the account could not be read.

    Anything but *unknown* needs a complete baseline and a complete poll.
    """
    if baseline is None:
        return Assessment(Verdict.UNKNOWN, ("there is no baseline from before the sale to compare the account with",))
    if not baseline.complete:
        return Assessment(Verdict.UNKNOWN, (f"the baseline is incomplete ({'; '.join(baseline.gaps)})",))
    if now is None:
        return Assessment(Verdict.UNKNOWN, ("the account could not be read",))
    if not now.complete:
        return Assessment(Verdict.UNKNOWN, (f"the view is incomplete ({'; '.join(now.gaps)})",))
    if not baseline.sellable(target):
        return Assessment(Verdict.UNKNOWN, ("there was nothing to sell, so a sale would leave no trace",))
    with localcontext(EXACT):
        comparison = _Comparison(baseline, now, target)
        if comparison.is_sold():
            verdict = Verdict.SOLD
        else:
            verdict = Verdict.UNTOUCHED if comparison.is_untouched() else Verdict.UNKNOWN
        return Assessment(verdict, comparison.facts())


def _has_lost_entities(before: Mapping[str, int], now: Snapshot) -> bool:
    """Return whether something that ran before has stopped: balances, incomplete ones too, don't matter for that."""
    return any((count := now.entities.get(name)) is not None and count < most for name, most in before.items())


class _Change(NamedTuple):
    """One coin, before and now."""

    code: str
    is_target: bool
    #: In BTC, at the baseline.
    price: Decimal | None
    before: Holding | None
    now: Holding | None

    @property
    def amount_change(self) -> Decimal:
        """How much more of it there is now, in the coin."""
        return (self.now.amount if self.now else _ZERO) - (self.before.amount if self.before else _ZERO)

    @property
    def on_orders_change(self) -> Decimal:
        """How much more of it is in orders now, in the coin."""
        return (self.now.on_orders if self.now else _ZERO) - (self.before.on_orders if self.before else _ZERO)

    @property
    def value_change(self) -> Decimal:
        """How much more of it there is now, in BTC."""
        return self.amount_change * (self.price or _ZERO)

    def is_dust(self, amount: Decimal) -> bool:
        """Return whether an amount is worth no more than dust; of a coin without a price, only zero is."""
        return amount == 0 if self.price is None else abs(amount * self.price) <= DUST_BTC

    def lost_most(self) -> bool:
        """Return whether half of the coin is gone, or half of what was free of it."""
        if self.before is None or self.is_dust(self.before.amount):
            return False
        free_now, amount_now = (self.now.free, self.now.amount) if self.now else (_ZERO, _ZERO)
        kept = 1 - UNTOUCHED_COIN_SHARE
        return amount_now <= self.before.amount * kept or (
            not self.is_dust(self.before.free) and free_now <= self.before.free * kept
        )

    def is_sold_or_on_order(self) -> bool:
        """Return whether nothing of the coin is left but dust, or new orders for all of it."""
        if self.now is None or self.is_dust(self.now.amount):
            return True
        if self.before is None or self.amount_change > 0:
            return False
        halved = self.now.amount <= self.before.amount * SOLD_SHARE
        return self.is_dust(self.now.free) and (self.on_orders_change > 0 or halved)


class _Comparison:
    """A complete poll beside a complete baseline; values in BTC, at the baseline's prices."""

    def __init__(self, baseline: Snapshot, now: Snapshot, target: str) -> None:
        self._baseline = baseline
        self._now = now
        self._target = target
        self._ran_before = baseline.running()
        target_codes = TARGETS[target].currencies
        self._changes = [
            _Change(
                code,
                code in target_codes,
                _price(baseline, now, code),
                baseline.holdings.get(code),
                now.holdings.get(code),
            )
            for code in sorted({*baseline.holdings, *now.holdings})
        ]
        others = [change for change in self._changes if not change.is_target]
        # A coin without a price, as an airdrop is, can't be told from dust: it is no reason to doubt a sale.
        priced = [change for change in others if change.price is not None]
        self._sellable_value = sum((held.btc_value for held in baseline.sellable(target).values()), _ZERO)
        self._arrived = sum((change.value_change for change in self._changes if change.is_target), _ZERO)
        self._gone = -sum((change.value_change for change in others), _ZERO)
        self._bought = [change for change in priced if not change.is_dust(max(change.amount_change, _ZERO))]
        self._unsold = [change for change in priced if not change.is_sold_or_on_order()]

    def is_sold(self) -> bool:
        return (
            self._nothing_runs()
            and not self._unsold
            and self._arrived >= SOLD_SHARE * self._sellable_value
            and abs(self._arrived - self._gone) <= CONSERVED_WITHIN * self._gone + DUST_BTC
        )

    def is_untouched(self) -> bool:
        if not self._everything_still_runs():
            return False
        if not self._ran_before:
            return self._nothing_moved()
        return not any(change.lost_most() for change in self._changes) and self._turnover() < (
            UNTOUCHED_SHARE * self._sellable_value
        )

    def _nothing_runs(self) -> bool:
        counts = [self._now.entities.get(name) for name in self._baseline.entities if name in STOPPED_ENTITIES]
        return all(count == 0 for count in counts) and not self._now.running()

    def _everything_still_runs(self) -> bool:
        """Return whether no count has fallen; of orders, which bots cancel all the time, one has to be left."""
        counts = self._now.entities
        orders = self._baseline.entities.get(ORDERS) or 0
        orders_now = counts.get(ORDERS) or 0
        return all((counts.get(name) or 0) >= count for name, count in self._ran_before.items()) and (
            orders_now >= (1 if self._ran_before else orders) or not orders
        )

    def _nothing_moved(self) -> bool:
        return (
            self._turnover() <= DUST_BTC
            and all(change.is_dust(change.amount_change) for change in self._changes)
            and all(change.is_dust(change.on_orders_change) for change in self._changes)
        )

    def _turnover(self) -> Decimal:
        """Return the value that went out of coins or into coins, whichever is more."""
        flows = [change.value_change for change in self._changes]
        return max(sum((max(flow, _ZERO) for flow in flows), _ZERO), sum((max(-flow, _ZERO) for flow in flows), _ZERO))

    def facts(self) -> tuple[str, ...]:
        return tuple(fact for fact in (self._about_entities(), self._about_value(), *self._about_coins()) if fact)

    def _about_entities(self) -> str:
        before = describe_counts(self._ran_before)
        still = describe_counts(self._now.running())
        if still:
            return f"still running: {still} (before: {before or 'nothing'})"
        return f"all that ran before is stopped ({before})" if before else "nothing ran before"

    def _about_value(self) -> str:
        return (
            f"of {rounded(self._sellable_value, 8)} BTC that could be sold, {rounded(self._gone, 8)} BTC has left its "
            f"coins and {rounded(self._arrived, 8)} BTC has come into {self._target}"
        )

    def _about_coins(self) -> list[str]:
        unsold = [f"{plain(change.now.amount)} {change.code}" for change in _by_value(self._unsold) if change.now]
        bought = [f"{plain(change.amount_change)} {change.code}" for change in _by_value(self._bought)]
        if not unsold:
            return ["nothing sellable is left outside new orders"]
        return [f"not sold: {describe_first(unsold)}", *([f"come in: {describe_first(bought)}"] if bought else [])]


def _price(baseline: Snapshot, now: Snapshot, code: str) -> Decimal | None:
    for snapshot in (baseline, now):
        held = snapshot.holdings.get(code)
        if held is not None and held.price is not None:
            return abs(held.price)
    return None


def _by_value(changes: list[_Change]) -> list[_Change]:
    """Return the most valuable coins first."""
    return sorted(changes, key=lambda change: change.now.btc_value if change.now else _ZERO, reverse=True)


@dataclass(frozen=True)
class Reconciliation:
    """All polls of an account after a sale whose outcome is unknown."""

    #: The account before the sale; ``None`` if it was not read.
    baseline: Snapshot | None
    target: str
    polls: int = 0
    complete_polls: int = 0
    #: Polls in a row with the verdict of the last.
    agreeing: int = 0
    #: Whether a poll has shown a change: then the account is *untouched* no more.
    changed: bool = False
    #: Where nothing ran before the sale: the highest counts of what polls have shown since. If that stops, it may be
    #: the sale that stops it.
    begun: Mapping[str, int] = field(default_factory=dict)
    last: Assessment = _NO_POLL_YET

    def with_poll(self, now: Snapshot | None) -> Reconciliation:
        """Return the reconciliation with one more poll; ``None`` is a read that failed, which proves nothing."""
        assessment = assess(self.baseline, now, self.target)
        complete = now is not None and now.complete
        same = assessment.verdict is self.last.verdict
        return replace(
            self,
            polls=self.polls + 1,
            complete_polls=self.complete_polls + complete,
            agreeing=self.agreeing + 1 if same else 1,
            changed=self.changed or self._shows_change(now, assessment),
            begun=self._begun_by(now),
            last=assessment,
        )

    def _begun_by(self, now: Snapshot | None) -> Mapping[str, int]:
        if self.baseline is None or now is None or self.baseline.running():
            return self.begun
        counts = {name: max(count or 0, self.begun.get(name, 0)) for name, count in now.entities.items()}
        return {**self.begun, **counts}

    def _shows_change(self, now: Snapshot | None, assessment: Assessment) -> bool:
        if self.baseline is None or now is None:
            return False
        if _has_lost_entities({**self.baseline.running(), **self.begun}, now):
            return True
        return now.complete and assessment.verdict is not Verdict.UNTOUCHED

    def finding(self, *, time_is_up: bool) -> Verdict | None:
        """Return what the polls so far come to, or ``None`` to go on polling while there is time."""
        certain = self.agreeing >= CERTAIN_POLLS
        if certain and self.last.verdict is Verdict.SOLD:
            return Verdict.SOLD
        if not time_is_up:
            return None
        untouched = certain and self.last.verdict is Verdict.UNTOUCHED and not self.changed
        return Verdict.UNTOUCHED if untouched else Verdict.UNKNOWN

    def describe(self) -> str:
        """Describe what was seen, as a clause of a message."""
        return (
            f"{self.polls} poll(s) of the account, {self.complete_polls} of them with a complete view; at the last, "
            f"{'; '.join(self.last.facts) or 'nothing was seen'}"
        )
