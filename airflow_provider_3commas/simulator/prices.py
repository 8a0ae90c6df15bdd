"""What a unit of each currency costs, and how that moves."""

from __future__ import annotations

import zlib
from decimal import Decimal
from typing import TYPE_CHECKING

from airflow_provider_3commas.simulator.amounts import coin, precise

if TYPE_CHECKING:
    from airflow_provider_3commas.simulator.scenarios import PriceSpec

_STEP = Decimal("1E-18")
DOLLARS = frozenset({"USD", "USDT", "USDC"})


class Prices:
    """Prices that jitter, the same way in every run with the same seed."""

    def __init__(self, spec: PriceSpec, seed: int) -> None:
        self._spec = spec
        self._seed = seed
        self._tick = -1
        self._known: dict[str, tuple[Decimal, Decimal]] = {}

    def knows(self, currency: str) -> bool:
        """Return whether a currency has a price."""
        return self._spec.coin_of(currency) is not None

    def coin_of(self, currency: str) -> str:
        """Return the coin that a code stands for: another one if it is the code of one that earns."""
        return self._spec.coin_of(currency) or currency

    def of(self, currency: str, now: float) -> tuple[Decimal, Decimal]:
        """Return what a unit of a currency costs, in BTC and in US dollars."""
        tick = int(now // self._spec.jitter_seconds)
        if tick != self._tick:
            self._tick = tick
            self._known = {}
        known = self._known.get(currency)
        if known is None:
            known = self._known[currency] = self._compute(currency, tick)
        return known

    def in_quote(self, currency: str, quote: str, now: float) -> Decimal:
        """Return what a unit of a currency costs in another one, to the eight places of an order."""
        with precise():
            return coin(self.of(currency, now)[1] / self.of(quote, now)[1])

    def _compute(self, currency: str, tick: int) -> tuple[Decimal, Decimal]:
        with precise():
            currency = self.coin_of(currency)
            usd = self._usd(currency, tick)
            return (Decimal(1) if currency == "BTC" else (usd / self._usd("BTC", tick)).quantize(_STEP)), usd

    def _usd(self, currency: str, tick: int) -> Decimal:
        base = self._spec.usd[currency]
        if currency in DOLLARS or not self._spec.jitter:
            return base
        noise = zlib.crc32(f"{self._seed}:{currency}:{tick}".encode()) % 2001 - 1000
        return (base * (1 + self._spec.jitter * noise / 1000)).quantize(_STEP)
