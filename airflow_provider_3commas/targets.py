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


#: What counts as USD: the dollar itself and the stablecoins that exchanges hold in its place. Dollar-like tokens that
#: are backed by other tokens are not among them: a flight to safety must not end in one.
DOLLAR_CURRENCIES = frozenset(
    {"USD", "USDT", "USDC", "FDUSD", "TUSD", "DAI", "BUSD", "USDP", "PYUSD", "GUSD", "RLUSD", "USD1"}
)
#: The targets, by name.
TARGETS: dict[str, Target] = {
    "BTC": Target(frozenset({"BTC"}), "BTC"),
    "USD": Target(DOLLAR_CURRENCIES, "USD"),
}
