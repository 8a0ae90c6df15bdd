"""At most one sell: what to write down before selling, and what the exchange must show before selling again.

The API has no idempotency key and a sell's reply names no order, so the guarantee rests on two things. The *journal*
is written before the request leaves, so that a later try knows that there may have been a sell. *Reconciliation*
compares what the account shows now with the baseline in the journal, and only what it shows counts: a view that is
empty, partial or out of step with the account's value proves nothing either way.

Everything here is a pure decision; the operator does the reading, writing and sending.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation, localcontext
from enum import Enum
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.errors import JournalUnusable, LiquidationRefused
from airflow_provider_3commas.money import DUST_BTC, EXACT, TARGETS, plain, read_amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime, timedelta

    from airflow_provider_3commas.api.balance_rows import BalanceRow

#: Share of what was held that has to be gone, or in orders, to count as sold where nothing else tells.
MOST = Decimal("0.5")
#: Share by which rows and the account's total may differ: prices move between the two reads.
CONSISTENCY = Decimal("0.02")
#: What a sell stops. Open orders are left out: the sell itself creates some.
STOPPED_ENTITIES = (
    "active_bots_count",
    "active_deals_count",
    "active_smart_trades_count",
    "active_grid_bots_count",
)

_JOURNAL_VERSION = 1


@dataclass(frozen=True)
class Holding:
    """Hold one coin's share of an account.

    :param currency: the coin's code.
    :param amount: how much of it, in the coin.
    :param on_orders: how much of that is tied up in open orders, in the coin.
    :param btc_value: its value in BTC.
    :param usd_value: its value in USD.
    """

    currency: str
    amount: Decimal
    on_orders: Decimal
    btc_value: Decimal
    usd_value: Decimal

    @property
    def free_btc_value(self) -> Decimal:
        """Value in BTC of what is not in open orders."""
        if self.amount <= 0:
            return Decimal(0)
        return self.btc_value * max(self.amount - self.on_orders, Decimal(0)) / self.amount


@dataclass(frozen=True)
class Snapshot:
    """Hold what an account showed at one moment: the baseline before a sell, or a look after it.

    :param account_id: id of the account.
    :param account_name: the name the user gave it.
    :param exchange_name: the exchange it is on.
    :param taken_at: when, as ISO 8601 text in UTC.
    :param btc_value: the account's total in BTC; ``None`` if it did not say.
    :param usd_value: the account's total in USD; ``None`` if it did not say.
    :param holdings: its coins by code.
    :param entities: what was active on it, by the API's names.
    :param complete: whether the rows had all amounts and added up to the total: only then does a missing coin mean
        that there is none.
    """

    account_id: int
    account_name: str
    exchange_name: str
    taken_at: str
    btc_value: Decimal | None
    usd_value: Decimal | None
    holdings: Mapping[str, Holding]
    entities: Mapping[str, int]
    complete: bool

    @classmethod
    def of(
        cls,
        account: Mapping[str, Any],
        rows: Iterable[BalanceRow],
        entities: Mapping[str, int],
        taken_at: datetime,
    ) -> Snapshot:
        """Build a snapshot from what the API sent.

        :param account: the Account.
        :param rows: its balance rows; several of one coin are added up.
        :param entities: its active entities.
        :param taken_at: when they were read.
        :return: the snapshot.
        """
        rows = list(rows)
        holdings = _holdings(rows)
        known = all(row.position is not None and row.btc_value is not None for row in rows)
        btc_value = read_amount(account.get("btc_amount"))
        return cls(
            account_id=account["id"],
            account_name=str(account.get("name") or ""),
            exchange_name=str(account.get("exchange_name") or ""),
            taken_at=taken_at.isoformat(),
            btc_value=btc_value,
            usd_value=read_amount(account.get("usd_amount")),
            holdings=holdings,
            entities=dict(entities),
            complete=known and _adds_up(holdings.values(), btc_value),
        )

    def sellable(self, target: str) -> dict[str, Holding]:
        """Return what a sell would create orders for: coins other than the target, above dust, not in orders yet.

        :param target: ``BTC`` or ``USD``.
        :return: the holdings by coin.
        """
        kept = TARGETS[target]
        return {
            code: holding
            for code, holding in self.holdings.items()
            if code not in kept and holding.free_btc_value > DUST_BTC
        }

    def running(self) -> dict[str, int]:
        """Return what is active and would be stopped by a sell.

        :return: the counts above zero, by the API's names.
        """
        return {name: self.entities[name] for name in STOPPED_ENTITIES if self.entities.get(name, 0) > 0}

    def as_json(self) -> dict[str, Any]:
        """Return the snapshot in JSON types, money as decimal strings.

        :return: what ``from_json`` reads; also the XCom ``holdings_before``.
        """
        return {
            "account_id": self.account_id,
            "account_name": self.account_name,
            "exchange_name": self.exchange_name,
            "taken_at": self.taken_at,
            "btc_value": _text(self.btc_value),
            "usd_value": _text(self.usd_value),
            "holdings": [
                {
                    "currency": holding.currency,
                    "amount": plain(holding.amount),
                    "on_orders": plain(holding.on_orders),
                    "btc_value": plain(holding.btc_value),
                    "usd_value": plain(holding.usd_value),
                }
                for holding in sorted(self.holdings.values(), key=lambda held: held.btc_value, reverse=True)
            ],
            "entities": dict(self.entities),
            "complete": self.complete,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Snapshot:
        """Read a snapshot back.

        :param value: what ``as_json`` returned.
        :return: the snapshot.
        :raises KeyError, TypeError, ValueError, ArithmeticError: it is something else.
        """
        holdings = {
            item["currency"]: Holding(
                item["currency"],
                *(Decimal(item[name]) for name in ("amount", "on_orders", "btc_value", "usd_value")),
            )
            for item in value["holdings"]
        }
        return cls(
            account_id=value["account_id"],
            account_name=value["account_name"],
            exchange_name=value["exchange_name"],
            taken_at=value["taken_at"],
            btc_value=None if value["btc_value"] is None else Decimal(value["btc_value"]),
            usd_value=None if value["usd_value"] is None else Decimal(value["usd_value"]),
            holdings=holdings,
            entities={name: int(count) for name, count in value["entities"].items()},
            complete=bool(value["complete"]),
        )


def _holdings(rows: Iterable[BalanceRow]) -> dict[str, Holding]:
    """Add up the rows of each coin, to the last digit."""
    holdings: dict[str, Holding] = {}
    with localcontext(EXACT):
        for row in rows:
            so_far = holdings.get(row.currency_code, Holding(row.currency_code, *[Decimal(0)] * 4))
            holdings[row.currency_code] = Holding(
                row.currency_code,
                so_far.amount + (row.position or 0),
                so_far.on_orders + (row.on_orders or 0),
                so_far.btc_value + (row.btc_value or 0),
                so_far.usd_value + (row.usd_value or 0),
            )
    return holdings


class Phase(Enum):
    """How far a sell had come when the journal was written."""

    #: About to be sent; whether it was is unknown until another phase is written.
    INTENT = "intent"
    #: Answered with the Account, or seen on the exchange afterwards.
    ACCEPTED = "accepted"
    #: Certainly not carried out: refused, or not sent.
    REJECTED = "rejected"


@dataclass(frozen=True)
class Journal:
    """Hold what is known of the sell of one task instance, across its tries.

    :param account_id: the account to be sold.
    :param target: ``BTC`` or ``USD``.
    :param mode: ``real`` or ``paper``.
    :param phase: how far it came.
    :param baseline: the account before the sell; ``None`` without preflight.
    :param intent_at: when the intent was written, as ISO 8601 text in UTC.
    :param decided_at: when the outcome was known.
    :param request_id: the reply's request id, which 3Commas support asks for.
    :param account: the Account that the accepted sell was answered with.
    :param evidence: what the exchange showed, if that is how the outcome became known.
    """

    account_id: int
    target: str
    mode: str
    phase: Phase
    baseline: Snapshot | None
    intent_at: str
    decided_at: str | None = None
    request_id: str | None = None
    account: Mapping[str, Any] | None = None
    evidence: tuple[str, ...] = field(default=())

    def accepted(
        self,
        at: datetime,
        account: Mapping[str, Any],
        *,
        request_id: str | None = None,
        evidence: Iterable[str] = (),
    ) -> Journal:
        """Return the journal of a sell that was carried out.

        :param at: when that became known.
        :param account: the Account to return from the task.
        :param request_id: the reply's request id.
        :param evidence: what the exchange showed, where no reply told.
        :return: a new journal.
        """
        return replace(
            self,
            phase=Phase.ACCEPTED,
            decided_at=at.isoformat(),
            account=account,
            request_id=request_id,
            evidence=tuple(evidence),
        )

    def rejected(self, at: datetime, request_id: str | None = None) -> Journal:
        """Return the journal of a sell that was certainly not carried out.

        :param at: when that became known.
        :param request_id: the reply's request id, if there was a reply.
        :return: a new journal.
        """
        return replace(self, phase=Phase.REJECTED, decided_at=at.isoformat(), request_id=request_id)

    def as_json(self) -> dict[str, Any]:
        """Return the journal in JSON types, money as decimal strings.

        :return: what ``read_journal`` reads.
        """
        return {
            "version": _JOURNAL_VERSION,
            "account_id": self.account_id,
            "target": self.target,
            "mode": self.mode,
            "phase": self.phase.value,
            "baseline": self.baseline.as_json() if self.baseline else None,
            "intent_at": self.intent_at,
            "decided_at": self.decided_at,
            "request_id": self.request_id,
            "account": jsonable(self.account),
            "evidence": list(self.evidence),
        }


def read_journal(value: Any, *, account_id: int, target: str, mode: str) -> Journal | None:
    """Read what earlier tries wrote down, and make sure that it is about this sell.

    :param value: what the store holds; ``None`` if nothing was ever written.
    :param account_id: the account this try is about.
    :param target: its target.
    :param mode: its mode.
    :return: the journal, or ``None`` where there is none.
    :raises JournalUnusable: it can't be read, or is about another account, target or mode.
    """
    if value is None:
        return None
    try:
        journal = _parse_journal(value)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise JournalUnusable(
            f"The record of an earlier try of this task can't be read ({type(error).__name__}), so it may have sold "
            f"already. Nothing was sent. Look at account {account_id} in 3Commas; to liquidate it, start a new DAG run."
        ) from error
    for name, now in (("account_id", account_id), ("target", target), ("mode", mode)):
        before = getattr(journal, name)
        if before != now:
            raise JournalUnusable(
                f"An earlier try of this task was about {name} {before!r}, this one is about {now!r}: a template or a "
                f"mapped index has changed in between. Nothing was sent. Look at account {journal.account_id} in "
                f"3Commas; to liquidate {account_id}, start a new DAG run."
            )
    return journal


def _parse_journal(value: Mapping[str, Any]) -> Journal:
    if value["version"] != _JOURNAL_VERSION:
        raise ValueError("version")
    journal = Journal(
        account_id=value["account_id"],
        target=value["target"],
        mode=value["mode"],
        phase=Phase(value["phase"]),
        baseline=None if value["baseline"] is None else Snapshot.from_json(value["baseline"]),
        intent_at=value["intent_at"],
        decided_at=value["decided_at"],
        request_id=value["request_id"],
        account=value["account"],
        evidence=tuple(value["evidence"]),
    )
    if journal.phase is Phase.ACCEPTED and not isinstance(journal.account, dict):
        raise ValueError("account")
    return journal


def find_evidence(baseline: Snapshot | None, now: Snapshot, target: str) -> tuple[str, ...]:
    """Say what in a look at the account proves that the sell was carried out.

    Bots and people trade too, so a changed amount alone is no evidence.

    :param baseline: the account before the sell; ``None`` if it was not read.
    :param now: the look.
    :param target: ``BTC`` or ``USD``.
    :return: what proves it, in words; empty if nothing does.
    """
    found = (
        _everything_stopped(baseline, now),
        _nothing_left(baseline, now, target),
        _most_is_gone(baseline, now, target),
    )
    return tuple(evidence for evidence in found if evidence)


def _everything_stopped(baseline: Snapshot | None, now: Snapshot) -> str | None:
    """Tell that all bots, deals and SmartTrades are stopped, as a sell does; together they don't end by themselves."""
    ran = baseline.running() if baseline else {}
    if not ran or any(now.entities.get(name) != 0 for name in ran):
        return None
    return f"all that ran before is stopped ({counted(ran)})"


def _nothing_left(baseline: Snapshot | None, now: Snapshot, target: str) -> str | None:
    """Tell that the account is where the sell was to take it, unless bots run that would have been stopped."""
    if not now.complete or now.sellable(target):
        return None
    had_something = baseline is not None and baseline.complete and bool(baseline.sellable(target))
    if now.running() and not had_something:
        return None
    return "nothing sellable is left outside open orders"


def _most_is_gone(baseline: Snapshot | None, now: Snapshot, target: str) -> str | None:
    """Where nothing ran before, nothing but a sell moves most of the account."""
    if baseline is None or not baseline.complete or not now.complete or baseline.running():
        return None
    before = gone = Decimal(0)
    for code, holding in baseline.sellable(target).items():
        free_before = holding.amount - holding.on_orders
        held = now.holdings.get(code)
        free_now = held.amount - held.on_orders if held else Decimal(0)
        before += holding.free_btc_value
        gone += holding.free_btc_value * max(1 - free_now / free_before, Decimal(0))
    if before == 0 or gone < MOST * before:
        return None
    return f"{gone / before:.0%} of the value that could be sold is gone or in orders, and no bot or deal ran before"


class Finding(Enum):
    """What a reconciliation came to."""

    #: The sell was carried out.
    SOLD = "sold"
    #: The account was looked at long enough and shows no trace of a sell.
    NO_TRACE = "no trace"
    #: Too little could be seen to say either.
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Reconciliation:
    """Collect looks at an account until they tell whether a sell was carried out.

    :param baseline: the account before the sell; ``None`` if it was not read.
    :param target: ``BTC`` or ``USD``.
    :param looks: how many times the account was read.
    :param complete_looks: how many of them showed a consistent view.
    :param last_complete: whether the last one did.
    :param evidence: what proves the sell.
    """

    baseline: Snapshot | None
    target: str
    looks: int = 0
    complete_looks: int = 0
    last_complete: bool = False
    evidence: tuple[str, ...] = ()

    def look(self, now: Snapshot | None) -> Reconciliation:
        """Take one more look into account.

        :param now: what was seen; ``None`` if the read failed, which proves nothing.
        :return: the reconciliation with it.
        """
        complete = now is not None and now.complete
        return replace(
            self,
            looks=self.looks + 1,
            complete_looks=self.complete_looks + complete,
            last_complete=complete,
            evidence=find_evidence(self.baseline, now, self.target) if now else (),
        )

    def finding(self, *, time_is_up: bool) -> Finding | None:
        """Say what the looks so far come to.

        :param time_is_up: whether the account was watched for as long as was asked for.
        :return: the finding, or ``None`` to go on looking.
        """
        if self.evidence:
            return Finding.SOLD
        if not time_is_up:
            return None
        # Without a baseline "no trace" can't be told from "was like that before".
        seen = self.baseline is not None and self.complete_looks >= 2 and self.last_complete
        return Finding.NO_TRACE if seen else Finding.UNREADABLE

    def describe(self) -> str:
        """Say what was seen, for an error message.

        :return: a clause.
        """
        if self.baseline is None:
            return f"{self.looks} look(s) at the account without a baseline to compare it with (preflight was off)"
        if self.complete_looks == 0:
            return f"{self.looks} look(s) at the account, none of which showed a consistent view of its balances"
        return (
            f"{self.looks} look(s) at the account, {self.complete_looks} of them with a consistent view of its "
            "balances, and no trace of a sell"
        )


def check_account(account: Mapping[str, Any], account_name: str | None) -> None:
    """Refuse an account that can't be sold, or that is not the one meant.

    :param account: the Account.
    :param account_name: the name it must bear; ``None`` for any.
    :raises LiquidationRefused: with the reason and what to do.
    """
    name, account_id = account.get("name"), account["id"]
    where = f"Account {account_id} ({name!r}, {account.get('exchange_name')})"
    if account_name is not None and name != account_name:
        raise LiquidationRefused(
            f"{where} does not bear the name {account_name!r} that account_name asks for. Nothing was sent. Correct "
            "account_id or account_name."
        )
    if account.get("is_locked"):
        raise LiquidationRefused(
            f"{where} is locked in 3Commas (reason: {account.get('lock_reason') or 'not given'}). Nothing was sent. "
            "Unlock it there, or close the positions on the exchange."
        )
    if account.get("api_key_invalid") or account.get("api_keys_state") not in (None, "ok"):
        raise LiquidationRefused(
            f"The exchange rejects the API keys that 3Commas holds for it: {where}, state "
            f"{account.get('api_keys_state')!r}. Nothing was sent. Renew them in 3Commas, or close the positions on "
            "the exchange."
        )
    if account.get("fast_convert_available") is False:
        raise LiquidationRefused(
            f"{where} has no sell-all (fast_convert_available is false). Nothing was sent. Close the positions on the "
            "exchange."
        )


def check_run(
    run_type: str,
    run_after: datetime,
    now: datetime,
    *,
    max_lateness: timedelta | None,
    allow_backfill: bool,
) -> None:
    """Refuse a run that was meant for another time.

    :param run_type: Airflow's run type; only ``scheduled`` runs can be late, ``backfill`` runs always are.
    :param run_after: when the run was due.
    :param now: the time.
    :param max_lateness: how late a scheduled run may start to sell; ``None`` for any time.
    :param allow_backfill: whether a backfill run may sell.
    :raises LiquidationRefused: naming the parameter that lifts the guard.
    """
    if run_type == "backfill" and not allow_backfill:
        raise LiquidationRefused(
            "This is a backfill run: it would sell the account as it is now, for a date that has passed. Nothing was "
            "sent. Set allow_backfill=True on the operator if that is meant."
        )
    if run_type == "scheduled" and max_lateness is not None and now - run_after > max_lateness:
        raise LiquidationRefused(
            f"This run was due at {run_after.isoformat()} and it is {now.isoformat()} now: more than max_lateness "
            f"({max_lateness}) late. A liquidation that was right then may be wrong now. Nothing was sent. Trigger the "
            "DAG by hand to sell now, or set a longer max_lateness on the operator (None for any)."
        )


def jsonable(value: Any) -> Any:
    """Return a decoded API value in JSON types that survive XCom and the state store unchanged.

    :param value: dicts, lists and scalars; ``Decimal`` becomes its exact decimal string.
    :return: the same in JSON types.
    """
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [jsonable(item) for item in value]
    return value


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


def _adds_up(holdings: Iterable[Holding], total: Decimal | None) -> bool:
    if total is None:
        return False
    difference = abs(sum((holding.btc_value for holding in holdings), Decimal(0)) - total)
    return difference <= max(abs(total) * CONSISTENCY, DUST_BTC)


def counted(counts: Mapping[str, int]) -> str:
    """Say how many of what there are.

    :param counts: counts by the API's names, such as ``active_bots_count``.
    :return: e.g. ``3 bots, 2 deals``.
    """
    words = {name: name.removeprefix("active_").removesuffix("_count").replace("_", " ") for name in counts}
    return ", ".join(
        f"{count} {words[name].removesuffix('s') if count == 1 else words[name]}" for name, count in counts.items()
    )
