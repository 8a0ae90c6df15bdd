"""A request on its way to its handler: whom it is about, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from airflow_provider_3commas.simulator import api_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_provider_3commas.simulator.exchange_account import ExchangeAccount
    from airflow_provider_3commas.simulator.request_log import LoggedRequest
    from airflow_provider_3commas.simulator.scenarios import UserMode
    from airflow_provider_3commas.simulator.simulation import Simulation

SUMMARY = "summary"
_MOST_DIGITS = 18


@dataclass(slots=True)
class Call:
    """A request on its way to an endpoint."""

    simulation: Simulation
    entry: LoggedRequest
    headers: Mapping[bytes, bytes]
    target: bytes
    body: bytes
    subject: str = ""
    mode: UserMode = "real"
    params: dict[str, str] = field(default_factory=dict)

    @property
    def subject_id(self) -> int | None:
        """The subject as a number, if it is one."""
        return parse_id(self.subject)

    def accounts(self) -> list[ExchangeAccount]:
        """Return the accounts that a read is about: one, or all for ``summary``."""
        if self.subject == SUMMARY:
            return self.simulation.in_mode(self.mode)
        return [self.account()]

    def account(self) -> ExchangeAccount:
        """Return the account that the path names, or raise a 404: each mode has accounts of its own."""
        account = self.simulation.accounts.get(self.subject_id or 0)
        if account is None or account.is_paper != (self.mode == "paper"):
            raise api_errors.not_found()
        return account

    def settled_accounts(self) -> list[ExchangeAccount]:
        """Return all accounts of the mode, as they are now."""
        found = self.simulation.in_mode(self.mode)
        for account in found:
            account.settle(self.simulation.clock.now())
        return found

    def page(self, found: list[Any], limit: int, most: int) -> list[Any]:
        """Return the part of a list that ``limit`` and ``offset`` ask for."""
        offset = self.number("offset", 0)
        return found[offset : offset + min(self.number("limit", limit), most)]

    def number(self, name: str, default: int, least: int = 0) -> int:
        """Return a numeric parameter, or raise a 400."""
        value = self.params.get(name, "")
        if not value:
            return default
        number = parse_id(value)
        if number is None or number < least:
            raise api_errors.record_invalid(**{name: "is invalid"})
        return number

    def numbers(self, name: str) -> set[int]:
        """Return the numbers of a parameter that is a list with commas, or raise a 400."""
        values = [parse_id(value.strip()) for value in self.params.get(name, "").split(",") if value.strip()]
        numbers = {value for value in values if value is not None}
        if len(numbers) < len(set(values)):
            raise api_errors.record_invalid(**{name: "is invalid"})
        return numbers


def read_params(call: Call) -> dict[str, str]:
    """Merge the parameters; on a conflict the query string wins."""
    query = call.target.partition(b"?")[2].decode("latin-1")
    params = _body_params(call.headers.get(b"content-type", b""), call.body) if call.body else {}
    params.update(parse_qsl(query, keep_blank_values=True))
    return params


def _body_params(content_type: bytes, body: bytes) -> dict[str, str]:
    if not content_type.startswith(b"application/json"):
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise api_errors.record_invalid(base="is not a JSON object") from None
    return {name: str(value) for name, value in document.items()}


def parse_id(value: str) -> int | None:
    """Parse a number in ASCII digits; anything else is none."""
    if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    return None
