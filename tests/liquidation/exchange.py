"""An exchange account whose truth is known: what a sale, its owner and its bots do to it, and what a view shows."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from airflow_provider_3commas.api.balance_rows import BalanceRow
from airflow_provider_3commas.dust import DUST_BTC
from airflow_provider_3commas.liquidation.snapshot import Snapshot

PRICES = {
    "BTC": Decimal(1),
    "ETH": Decimal("0.04"),
    "SOL": Decimal("0.0024"),
    "DOT": Decimal("0.00007"),
    "XMR": Decimal("0.0025"),
    "USDT": Decimal("0.000016"),
    # Coins that earn have codes of their own.
    "LDBTC": Decimal(1),
    "ETH.S": Decimal("0.04"),
}
AT = datetime(2026, 11, 20, 21, tzinfo=UTC)
FEE = Decimal("0.001")
ENTITIES = {
    "active_bots_count": 0,
    "active_deals_count": 0,
    "active_smart_trades_count": 0,
    "active_orders_count": 0,
    "active_grid_bots_count": 0,
}


@dataclass
class Exchange:
    """The account as it truly is."""

    #: Amounts by coin, those in orders and those that are locked among them.
    coins: dict[str, Decimal]
    #: What of them is in orders of the owner.
    orders: dict[str, Decimal] = field(default_factory=dict)
    #: Coins that can't be sold, staked or delisted: nothing shows which.
    locked: set[str] = field(default_factory=set)
    #: What runs, by the API's names.
    entities: dict[str, int] = field(default_factory=dict)
    target: str = "BTC"
    #: "all", "in part", "stopped" if everything was stopped and nothing sold, or "not at all".
    sold: str = "not at all"

    def __post_init__(self) -> None:
        self.entities = {**ENTITIES, **self.entities}

    # What a sale does

    def stop_everything(self) -> None:
        """Stop what runs; where nothing ran and nothing was ordered, this is no part of a sale that could be seen."""
        if any(self.entities.values()) or self.orders:
            self.sold = "stopped"
        self.entities = dict(ENTITIES)
        self.orders = {}

    def sell(self, *coins: str, into: str | None = None) -> None:
        into = into or self.target
        for coin in coins or [code for code in self.coins if code != into]:
            if coin in self.coins and coin not in self.locked and coin != into:
                amount = self.coins.pop(coin)
                self.orders.pop(coin, None)
                self.coins[into] = self.coins.get(into, Decimal(0)) + amount * PRICES[coin] / PRICES[into] * (1 - FEE)

    def sell_all(self) -> None:
        self.stop_everything()
        self.sell()
        self.sold = "all"

    def create_orders(self) -> None:
        """Sell all, with orders that have not filled yet."""
        self.stop_everything()
        self.sold = "all"
        self.orders = {code: amount for code, amount in self.coins.items() if code not in {*self.locked, self.target}}

    # What is seen

    def view(self, *, without: tuple[str, ...] = (), unread: tuple[str, ...] = (), empty: bool = False) -> Snapshot:
        """Return a snapshot; without some of the rows it is partial, as 3Commas' views are at times."""
        rows = [
            BalanceRow(
                currency_code=coin,
                position=None if coin in unread else amount,
                on_orders=self.orders.get(coin, Decimal(0)),
                position_available=amount - self.orders.get(coin, Decimal(0)),
                btc_value=amount * PRICES[coin],
                usd_value=amount * PRICES[coin] * 62_000,
            )
            for coin, amount in self.coins.items()
            if coin not in without and not empty
        ]
        return Snapshot.of(self.account(), rows, self.entities, AT)

    def account(self) -> dict[str, object]:
        total = sum((amount * PRICES[coin] for coin, amount in self.coins.items()), Decimal(0))
        return {"id": 12, "name": "Main", "btc_amount": str(total), "usd_amount": str(total * 62_000)}

    def is_safe(self) -> bool:
        """Return whether a sell-all would have nothing to do: nothing runs, and nothing can be sold."""
        return not self.entities_that_stop() and not any(
            self.is_worth_selling(coin) for coin in self.coins if coin not in self.locked
        )

    def entities_that_stop(self) -> dict[str, int]:
        return {name: count for name, count in self.entities.items() if count and name != "active_orders_count"}

    def is_worth_selling(self, coin: str) -> bool:
        free = self.coins[coin] - self.orders.get(coin, Decimal(0))
        return coin != self.target and free * PRICES[coin] > DUST_BTC

    def copy(self) -> Exchange:
        return deepcopy(self)


def coins(**amounts: str | int) -> dict[str, Decimal]:
    return {code: Decimal(amount) for code, amount in amounts.items()}
