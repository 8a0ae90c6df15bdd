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
    from airflow_provider_3commas.simulator.records import Access
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
    access: Access | None = None
    allowed: frozenset[str] = frozenset()
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
        self.check_allowed(account)
        return account

    def check_allowed(self, account: ExchangeAccount) -> None:
        """Raise a 403 if the state of an account does not allow this call."""
        if self.access in account.spec.forbidden:
            raise api_errors.forbidden(account.spec.forbidden_text)

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

    def texts(self, name: str) -> list[str]:
        """Return a list of texts from a JSON body, or as ``name[]`` from a form or the query; raise a 400 for none."""
        if _is_json(self.headers):
            values = _json_object(self.body).get(name)
        else:
            query = self.target.partition(b"?")[2] + b"&" + self.body
            values = [value for key, value in parse_qsl(query.decode("latin-1")) if key == f"{name}[]"]
        if not (isinstance(values, list) and values and all(isinstance(value, str) for value in values)):
            raise api_errors.record_invalid(**{name: "is invalid"})
        return values

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
    params = _body_params(call.headers, call.body) if call.body else {}
    params.update(parse_qsl(query, keep_blank_values=True))
    return params


def _body_params(headers: Mapping[bytes, bytes], body: bytes) -> dict[str, str]:
    if not _is_json(headers):
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    return {name: str(value) for name, value in _json_object(body).items()}


def _is_json(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"content-type", b"").startswith(b"application/json")


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        raise api_errors.record_invalid(base="is not a JSON object") from None


def parse_id(value: str) -> int | None:
    """Parse a number in ASCII digits; anything else is none."""
    if value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS:
        return int(value)
    return None
