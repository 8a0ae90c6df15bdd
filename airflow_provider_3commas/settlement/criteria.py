"""What *settled* means. Each criterion stands here once: its default, how users may write it, and its range."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import msgspec

from airflow_provider_3commas.api.errors import ConfigurationError
from airflow_provider_3commas.currency_codes import matches
from airflow_provider_3commas.dust import DUST_BTC
from airflow_provider_3commas.holdings import VIEW_TOLERANCE
from airflow_provider_3commas.in_words import describe_duration
from airflow_provider_3commas.parameters import (
    parse_currencies,
    parse_currency_patterns,
    parse_decimal,
    parse_seconds,
    parse_switch,
    parse_whole,
)
from airflow_provider_3commas.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST = timedelta(days=3650)


class _Criterion(NamedTuple):
    """How a criterion is parsed from what a user wrote or a template rendered, and its range."""

    parse: Callable[[Any, str], Any]
    minimum: Decimal | int | None = None
    maximum: Decimal | int | None = None
    unit: str = ""

    def check(self, name: str, value: Any) -> None:
        if self.minimum is not None and not self.minimum <= value <= self.maximum:
            allowed = f"between {self.minimum} and {self.maximum} ({self.unit})"
            raise ConfigurationError(f"{name} must be {allowed}, got {value}.")


def _parse_target(value: object, _name: str) -> str:
    return value.strip() if isinstance(value, str) else str(value)


def _parse_stall(value: object, name: str) -> float:
    return parse_seconds(value, name, longest=_LONGEST).total_seconds()


def _parse_stable(value: object, name: str) -> float:
    return parse_seconds(value, name, longest=_LONGEST, or_none=True).total_seconds()


class Criteria(msgspec.Struct, frozen=True, kw_only=True):
    """What *settled* means; ``BalancesSettledSensor`` describes its parameters of the same names."""

    target: Annotated[str, _Criterion(_parse_target)] = "BTC"
    #: Empty for the target's own.
    target_currencies: Annotated[tuple[str, ...], _Criterion(parse_currencies)] = ()
    dust_btc: Annotated[Decimal, _Criterion(parse_decimal, 0, 21_000_000, "BTC")] = DUST_BTC
    #: Codes, and patterns for them.
    ignore_currencies: Annotated[tuple[str, ...], _Criterion(parse_currency_patterns)] = ()
    stable_reads: Annotated[int, _Criterion(parse_whole, 1, 1000, "reads")] = 2
    #: Seconds; 0 for as long as the reads take.
    stable_for: Annotated[float, _Criterion(_parse_stable, 0, 315_360_000, "seconds")] = 0.0
    #: Seconds.
    stall_after: Annotated[float, _Criterion(_parse_stall, 1, 315_360_000, "seconds")] = 600.0
    require_no_entities: Annotated[bool, _Criterion(parse_switch)] = True
    max_failures: Annotated[int, _Criterion(parse_whole, 0, 1_000_000, "failed reads")] = 10
    # BTC itself is worth the same in both replies, so it has none.
    view_tolerance: Annotated[Decimal, _Criterion(parse_decimal, 0, 1, "as a share, e.g. '0.01'")] = VIEW_TOLERANCE

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ConfigurationError(f"target must be one of {', '.join(sorted(TARGETS))}, got {self.target!r}.")
        for name, criterion in _CRITERIA.items():
            criterion.check(name, getattr(self, name))
        both = sorted(filter(self.ignores, self.target_codes))
        if both:
            raise ConfigurationError(f"ignore_currencies names {', '.join(both)}, which counts as the target.")

    @classmethod
    def parse(cls, **written: object) -> Criteria:
        """Parse criteria from what a user wrote or a template rendered."""
        return cls(**{name: _CRITERIA[name].parse(value, name) for name, value in written.items()})

    def check_timeout(self, timeout: float) -> None:
        """Refuse to wait for so many seconds where that is too short for the account to be stable."""
        if self.stable_for and self.stable_for >= timeout:
            raise ConfigurationError(
                f"stable_for ({describe_duration(self.stable_for)}) has to be shorter than timeout "
                f"({describe_duration(timeout)}): the account could never be seen settled for that long. Make the "
                "timeout longer, or stable_for shorter."
            )

    def ignores(self, code: str) -> bool:
        """Return whether a coin may be left whatever it is worth."""
        return matches(code, self.ignore_currencies)

    @property
    def target_codes(self) -> frozenset[str]:
        """Currency codes that count as the target."""
        return frozenset(self.target_currencies) or TARGETS[self.target].currencies


_CRITERIA: dict[str, _Criterion] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Criteria, include_extras=True).items()
}
