"""What *settled* means, and how a user may write it."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.targets import DUST_BTC, TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

_CURRENCY = re.compile(r"[^\s,{}]{1,40}")


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """Say what *settled* means.

    :param target: ``BTC`` or ``USD``: what everything was sold into.
    :param target_currencies: the currency codes that count as the target, upper case; empty for the target's own:
        BTC, or the dollar and its stablecoins.
    :param dust_btc: value in BTC up to which a holding may be left, or be in orders: it cannot be sold anyway. All dust
        together may be worth 20 times as much.
    :param ignore_currencies: currency codes that may be left whatever they are worth, e.g. delisted or staked coins.
    :param stable_reads: how many reads in a row have to show the account settled, with the same amount of the target.
    :param stall_after: seconds after which an account is given up if something is left, in orders or still running,
        and no amount, no order and no count has changed.
    :param require_no_entities: whether an account on which a bot, deal, trade or order is active can be settled: with
        ``True`` it can't.
    :param max_failures: failed reads in a row to put up with.
    :param view_tolerance: share of what is not in BTC by which the rows may miss the account's total: prices move
        between the two requests. BTC itself is worth the same in both, so it has none.
    :raises ConfigurationError: a value is out of its range.
    """

    target: str = "BTC"
    target_currencies: tuple[str, ...] = ()
    dust_btc: Decimal = DUST_BTC
    ignore_currencies: tuple[str, ...] = ()
    stable_reads: int = 2
    stall_after: float = 600.0
    require_no_entities: bool = True
    max_failures: int = 10
    view_tolerance: Decimal = Decimal("0.01")

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ConfigurationError(f"target must be one of {', '.join(sorted(TARGETS))}, got {self.target!r}.")
        _in_range("dust_btc", self.dust_btc, 0, 21_000_000, "BTC")
        _in_range("view_tolerance", self.view_tolerance, 0, 1, "as a share, e.g. '0.01'")
        _in_range("stable_reads", self.stable_reads, 1, 1000, "reads")
        _in_range("max_failures", self.max_failures, 0, 1_000_000, "failed reads")
        _in_range("stall_after", self.stall_after, 1, 10 * 365 * 86400, "seconds")
        both = sorted(self.kept.intersection(self.ignore_currencies))
        if both:
            raise ConfigurationError(f"ignore_currencies has {', '.join(both)}, which counts as the target.")

    @classmethod
    def of(cls, **written: object) -> Criteria:
        """Read criteria from what a user wrote or a template rendered.

        :param written: fields of the class: codes in any case, as a list or as text with commas; ``dust_btc`` and
            ``view_tolerance`` as a ``Decimal``, an ``int`` or text, because a ``float`` is not exact; ``stall_after``
            in seconds or as a ``timedelta``.
        :return: the criteria.
        :raises ConfigurationError: a value can't be used; the message says what was expected.
        """
        return cls(**{name: _READERS[name](name, value) for name, value in written.items()})

    @property
    def kept(self) -> frozenset[str]:
        """Currency codes that count as the target."""
        return frozenset(self.target_currencies) or TARGETS[self.target].currencies


def _target(name: str, value: object) -> str:
    return value.strip() if isinstance(value, str) else str(value)


def _in_range(name: str, value: Decimal | float, low: int, high: int, unit: str) -> None:
    if not low <= value <= high:
        raise ConfigurationError(f"{name} must be between {low} and {high} ({unit}), got {value}.")


def _exact(name: str, value: object) -> Decimal:
    number = None
    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool):
        try:
            number = Decimal(value)
        except InvalidOperation:
            number = None
    if number is None or not number.is_finite():
        hint = f" Write it as text: '{value}'." if isinstance(value, float) else ""
        raise ConfigurationError(
            f"{name} must be an exact number (a Decimal, an int or text such as '0.0001'), got {value!r}.{hint}"
        )
    return number


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, got {value!r}.")
    return value


def _whole(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigurationError(f"{name} must be a whole number, got {value!r}.")
    return value


def _seconds(name: str, value: object) -> float:
    from datetime import timedelta

    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigurationError(f"{name} must be a number of seconds or a timedelta, got {value!r}.")
    return float(value)


def _currencies(name: str, value: object) -> tuple[str, ...]:
    """Read currency codes, which a template renders to text."""
    if value is None:
        return ()
    codes = value.split(",") if isinstance(value, str) else value
    if not isinstance(codes, (list, tuple, set, frozenset)) or not all(isinstance(code, str) for code in codes):
        raise ConfigurationError(f"{name} must be a list of currency codes such as ['LUNA'], got {value!r}.")
    found = {code.strip().upper() for code in codes} - {""}
    bad = sorted(code for code in found if not _CURRENCY.fullmatch(code))
    if bad or "NONE" in found:
        raise ConfigurationError(f"{name} must be a list of currency codes such as ['LUNA'], got {value!r}.")
    return tuple(sorted(found))


_READERS: dict[str, Callable[[str, object], Any]] = {
    "target": _target,
    "target_currencies": _currencies,
    "dust_btc": _exact,
    "ignore_currencies": _currencies,
    "stable_reads": _whole,
    "stall_after": _seconds,
    "require_no_entities": _switch,
    "max_failures": _whole,
    "view_tolerance": _exact,
}
