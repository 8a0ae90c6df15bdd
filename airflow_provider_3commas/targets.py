"""What a sell-all can turn everything into, and which coins count as that."""

from __future__ import annotations

from typing import Literal, NamedTuple

#: Names of the targets, as users and the API write them.
TargetName = Literal["BTC", "USD"]
#: What the API gives an account's value in.
Unit = Literal["BTC", "USD"]


class Target(NamedTuple):
    """What everything can be sold into."""

    #: Codes of the coins that count as it.
    currencies: frozenset[str]
    #: What the account's value is measured in, before and after.
    unit: Unit

    @property
    def value_field(self) -> str:
        """Name of the field with a value in the unit."""
        return f"{self.unit.lower()}_value"


#: What counts as USD, as of November 2026: the dollar, and stablecoins that an issuer redeems for dollars and that
#: exchanges with a sell-all hold in its place. What is left of any other is left unsold: a flight to safety must not
#: end in it. Once among these, and why they are no more:
#:
#: - BUSD is retired: Binance dropped it in December 2023, and Paxos redeemed it until February 2024.
#: - TUSD lost its peg in January 2024, amid doubts about its reserves, and exchanges delist it.
#: - DAI is backed by other tokens, and nobody has promised a dollar for it; no sell-all ends in it.
DOLLAR_CURRENCIES = frozenset({"USD", "USDT", "USDC", "FDUSD", "USDP", "PYUSD", "GUSD", "RLUSD", "USD1"})
#: The targets, by name.
TARGETS: dict[str, Target] = {
    "BTC": Target(frozenset({"BTC"}), "BTC"),
    "USD": Target(DOLLAR_CURRENCIES, "USD"),
}
