"""Read XComs that may hold anything, and keep text from outside, such as an account's name, nothing but text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.money import plain_or_none, read_amount
from airflow_provider_3commas.printable import one_line
from airflow_provider_3commas.report import times

if TYPE_CHECKING:
    from decimal import Decimal

#: A reason is a sentence or several; what an exchange or a server adds to it has to end somewhere.
MAX_LETTERS = 600

# Every XCom but the sale's outcome, which leads: its id field, and what a note calls it.
_OTHER_XCOMS = (
    ("before", "account_id", "holdings before the sale"),
    ("account", "id", "Account that the sale returned"),
    ("settlement", "account_id", "settlement"),
    ("wait", "account_id", "record of the wait"),
)


@dataclass
class XComs:
    """The XComs of one liquidation; empty where one is missing or malformed."""

    account: dict[str, Any]
    before: dict[str, Any]
    liquidation: dict[str, Any]
    settlement: dict[str, Any]
    #: The sensor's ``settlement_facts``.
    wait: dict[str, Any]
    #: Seconds since the wait began, and the value left unsold in BTC.
    curve: list[tuple[float, Decimal]]

    @property
    def account_id(self) -> int | None:
        """Id of the account that was sold, or else the first one that is known."""
        ids = (
            self.liquidation.get("account_id"),
            self.before.get("account_id"),
            self.account.get("id"),
            self.settlement.get("account_id"),
            self.wait.get("account_id"),
        )
        return next((value for value in ids if is_count(value)), None)

    def drop_other_accounts(self) -> list[str]:
        """Drop what is about another account, so that no numbers are mixed; return notes that say so."""
        notes = []
        for name, id_field, description in _OTHER_XCOMS:
            other = as_count(getattr(self, name).get(id_field))
            if other is None or other == self.account_id:
                continue
            notes.append(f"Left out: the {description} is of another account, {other}.")
            setattr(self, name, {})
            if name == "settlement":
                self.curve = []
        return notes


def as_sentence(value: Any) -> str | None:
    """Read text from outside, such as the reason of a failure, as one line."""
    return one_line(value, MAX_LETTERS) or None if isinstance(value, str) else None


def as_object(value: Any) -> dict[str, Any]:
    """Read a JSON object; anything else is an empty one."""
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Read a list; anything else is an empty one."""
    return list(value) if isinstance(value, (list, tuple)) else []


def as_text(value: Any) -> str | None:
    """Read a text that is not empty."""
    return value if isinstance(value, str) and value else None


def as_texts(value: Any) -> list[str]:
    """Read a list of texts."""
    return [item for item in as_list(value) if isinstance(item, str)]


def one_of(value: Any, known: tuple[str, ...]) -> str | None:
    """Read one of some known texts."""
    return value if isinstance(value, str) and value in known else None


def is_count(value: Any) -> bool:
    """Return whether a value is a number of things, or an id: an integer, at least 1."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**53


def as_count(value: Any) -> int | None:
    """Read a number of things, or an id."""
    return value if is_count(value) else None


def as_timestamp(value: Any) -> str | None:
    """Read a point in time, as it is written."""
    return value if times.parse_timestamp(value) is not None else None


def as_curve(history: Any) -> list[tuple[float, Decimal]]:
    """Read the sensor's history, in order of time."""
    points = []
    for point in as_list(history):
        if not isinstance(point, (list, tuple)) or len(point) != 2:
            continue
        seconds, value = times.parse_seconds(point[0]), read_amount(point[1])
        if seconds is not None and value is not None:
            points.append((seconds, value))
    return sorted(points, key=lambda point: point[0])


def values_of(source: dict[str, Any]) -> dict[str, str | None]:
    """Read what something is worth in BTC and in USD."""
    return {name: plain_or_none(read_amount(source.get(name))) for name in ("btc_value", "usd_value")}


def as_holdings(value: Any) -> list[dict[str, Any]]:
    """Read what an account held before the sale."""
    return _positions(value, ("amount", "on_orders", "btc_value", "usd_value"))


def as_residual(value: Any) -> list[dict[str, Any]]:
    """Read what is left beside the target."""
    return _positions(value, ("amount", "btc_value"))


def _positions(value: Any, fields: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {"currency": item["currency"], **{name: read_amount(item.get(name)) for name in fields}}
        for item in as_list(value)
        if isinstance(item, dict) and as_text(item.get("currency"))
    ]
