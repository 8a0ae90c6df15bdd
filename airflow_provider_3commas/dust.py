"""How little is too little to sell."""

from __future__ import annotations

from decimal import Decimal

#: Value in BTC up to which a holding can't be sold: the smallest order on the largest exchange.
DUST_BTC = Decimal("0.0001")
#: How many times that all dust together may be worth: ten thousand coins of next to nothing are an account.
MAX_DUST_MULTIPLE = 20
