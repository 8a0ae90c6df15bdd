"""What an account showed at one moment: the baseline before a sale, or a poll after it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.dust import DUST_BTC
from airflow_provider_3commas.holdings import Holding, describe_unknown, may_be_rebalanced, mismatch, sum_rows
from airflow_provider_3commas.money import plain, plain_or_none, read_amount
from airflow_provider_3commas.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from airflow_provider_3commas.api.balance_rows import BalanceRow

#: What a sell-all stops for good. Open orders are left out: the sale itself creates some.
STOPPED_ENTITIES = (
    "active_bots_count",
    "active_deals_count",
    "active_smart_trades_count",
    "active_grid_bots_count",
)
ORDERS = "active_orders_count"


@dataclass(frozen=True)
class Snapshot:
    """What an account showed at one moment."""

    account_id: int
    account_name: str
    exchange_name: str
    #: ISO 8601 text in UTC.
    taken_at: str
    #: The account's own totals; ``None`` if it did not say.
    btc_value: Decimal | None
    usd_value: Decimal | None
    #: By currency code in upper case.
    holdings: Mapping[str, Holding]
    #: What was active, by the API's names; ``None`` for a count that could not be read.
    entities: Mapping[str, int | None]
    #: Why this can't be believed in full, in words. Only without gaps does a missing coin mean that there is none.
    gaps: tuple[str, ...] = ()
    #: Whether 3Commas may rebalance the account; ``None`` if it did not say.
    autobalance_enabled: bool | None = None

    @classmethod
    def of(
        cls,
        account: Mapping[str, Any],
        rows: Iterable[BalanceRow],
        entities: Mapping[str, int | None],
        taken_at: datetime,
    ) -> Snapshot:
        """Build a snapshot from what the API sent."""
        holdings = sum_rows(rows)
        return cls(
            account_id=account["id"],
            account_name=str(account.get("name") or ""),
            exchange_name=str(account.get("exchange_name") or ""),
            taken_at=taken_at.isoformat(),
            btc_value=read_amount(account.get("btc_amount")),
            usd_value=read_amount(account.get("usd_amount")),
            holdings=holdings,
            entities=dict(entities),
            gaps=tuple(_gaps(account, holdings, entities)),
            autobalance_enabled=may_be_rebalanced(account),
        )

    @property
    def complete(self) -> bool:
        """Whether everything could be read, and the coins add up to the account's value."""
        return not self.gaps

    def sellable(self, target: str) -> dict[str, Holding]:
        """Return what a sell-all would sell: coins other than the target, worth more than dust, in orders or not."""
        kept = TARGETS[target].currencies
        return {code: held for code, held in self.holdings.items() if code not in kept and held.btc_value > DUST_BTC}

    def running(self) -> dict[str, int]:
        """Return the counts above zero of what a sell-all would stop."""
        return {name: count for name in STOPPED_ENTITIES if (count := self.entities.get(name) or 0) > 0}

    def as_json(self) -> dict[str, Any]:
        """Return the snapshot in JSON types, money as decimal text; also the XCom ``holdings_before``."""
        return {
            "account_id": self.account_id,
            "account_name": self.account_name,
            "exchange_name": self.exchange_name,
            "taken_at": self.taken_at,
            "btc_value": plain_or_none(self.btc_value),
            "usd_value": plain_or_none(self.usd_value),
            "holdings": [
                {
                    "currency": held.currency,
                    "amount": plain(held.amount),
                    "on_orders": plain(held.on_orders),
                    "btc_value": plain(held.btc_value),
                    "usd_value": plain(held.usd_value),
                }
                for held in by_value(self.holdings)
            ],
            "entities": dict(self.entities),
            "complete": self.complete,
            "gaps": list(self.gaps),
            "autobalance_enabled": self.autobalance_enabled,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Snapshot:
        """Parse a snapshot; anything else raises ``KeyError``, ``TypeError``, ``ValueError`` or ``ArithmeticError``."""
        return cls(
            account_id=value["account_id"],
            account_name=value["account_name"],
            exchange_name=value["exchange_name"],
            taken_at=value["taken_at"],
            btc_value=None if value["btc_value"] is None else Decimal(value["btc_value"]),
            usd_value=None if value["usd_value"] is None else Decimal(value["usd_value"]),
            holdings={
                item["currency"]: Holding(
                    item["currency"],
                    *(Decimal(item[name]) for name in ("amount", "on_orders", "btc_value", "usd_value")),
                )
                for item in value["holdings"]
            },
            entities={name: None if count is None else int(count) for name, count in value["entities"].items()},
            gaps=tuple(value["gaps"]),
            # Earlier versions have not recorded it.
            autobalance_enabled=may_be_rebalanced(value),
        )


def by_value(holdings: Mapping[str, Holding]) -> list[Holding]:
    """Return holdings, the most valuable first."""
    return sorted(holdings.values(), key=lambda held: held.btc_value, reverse=True)


def _gaps(
    account: Mapping[str, Any], holdings: Mapping[str, Holding], entities: Mapping[str, int | None]
) -> Iterable[str]:
    """Return what keeps a view from being believed; a coin without a price does not: the total has none either."""
    problem = mismatch(holdings, account)
    if problem:
        yield problem
    yield from (describe_unknown(held) for held in holdings.values() if "position" in held.unknown)
    unread = [name for name, count in entities.items() if count is None]
    if unread:
        yield f"no number for {', '.join(unread)}"
