"""What a reply of the API means: the decoded value, or the error that says what became of the request."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.decoding import MOST_NAME, MOST_QUOTED, decode_json
from airflow_provider_3commas.api.errors import (
    AccountNotFound,
    AuthenticationError,
    ExchangeKeysInvalid,
    InvalidRequest,
    IpBanned,
    OutcomeUnknown,
    PermissionDenied,
    PlanLimitReached,
    RateLimitExceeded,
    RedirectRefused,
    SellAllUnavailable,
    ThreeCommasError,
)
from airflow_provider_3commas.api.pauses import BAN_PAUSE, LONGEST_PAUSE, RATE_LIMIT_PAUSE
from airflow_provider_3commas.money import jsonable
from airflow_provider_3commas.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLAN_LIMIT = "subscription plan"


@dataclass(frozen=True)
class Reply:
    """What the client needs of one HTTP reply."""

    method: str
    #: Below ``/public/api``, without the query.
    path: str
    status: int
    #: Looked up without regard to case.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    #: Whether the request may change something, and must not be repeated without looking.
    writes: bool
    #: Replaces the connection's secrets in a text.
    hide: Callable[[str], str]
    #: Why the body can't be used, in words, if it can't.
    flaw: str | None = None

    @property
    def request_id(self) -> str | None:
        """The ``X-Request-Id``, which 3Commas support asks for."""
        return one_line(self.hide(self.headers.get("X-Request-Id") or ""), MOST_NAME) or None

    def decode(self) -> Any:
        """Return the decoded body, made harmless, or raise ``OutcomeUnknown`` because there is none."""
        try:
            if self.flaw is None:
                return decode_json(self.body, self.hide)
        except ValueError:
            pass
        raise self.unknown(self.describe_body())

    def describe_body(self) -> str:
        """Return what kind of body came, without quoting it: ``an HTML page of 1520 bytes``."""
        if self.flaw is not None:
            return self.flaw
        if not self.body:
            return "an empty body"
        if self.body[:200].lstrip().startswith(b"<"):
            return f"an HTML page of {len(self.body)} bytes"
        return f"{len(self.body)} bytes that are not the JSON expected"

    def error(self, kind: type[ThreeCommasError], what: str, **more: Any) -> ThreeCommasError:
        """Build an error about this reply; ``what`` goes on after ``METHOD path answered STATUS``."""
        suffix = f" (request id {self.request_id})" if self.request_id else ""
        return kind(
            f"{self.method} {self.path} answered {self.status}{what}{suffix}",
            method=self.method,
            path=self.path,
            status_code=self.status,
            request_id=self.request_id,
            **more,
        )

    def unknown(self, what: str) -> ThreeCommasError:
        """Build the ``OutcomeUnknown`` for a reply that proves neither success nor refusal."""
        meaning = meaning_of_unknown(self.path, writes=self.writes)
        return self.error(OutcomeUnknown, f" with {what}. {meaning}", retry_after=retry_after_seconds(self.headers))


def meaning_of_unknown(path: str, *, writes: bool) -> str:
    """Say what it means that the outcome of a request is unknown."""
    if not writes:
        return "This tells nothing about what was asked for; the read can be repeated."
    if "sell_all" in path:
        return "Whether the sell was carried out is unknown; look at the account before selling again."
    return "Whether it was carried out is unknown; look in 3Commas before sending it again."


def error_for(reply: Reply) -> ThreeCommasError | None:
    """Return the error that a reply's status means by the API's error table, ``None`` for a 2xx.

    What is refused for certain is an allowlist: everything else outside 2xx leaves the outcome unknown.
    """
    if 200 <= reply.status < 300:
        return None
    if 300 <= reply.status < 400:
        return _redirect(reply)
    body = _ErrorBody.of(reply)
    build = _REFUSALS.get(reply.status)
    error = build(reply, body) if build else None
    if error is not None:
        return error
    return reply.unknown(body.text or f"no error object ({reply.describe_body()})")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the ``Retry-After`` in seconds, at most three days; ``None`` if there is no usable one.

    An HTTP date is measured against the reply's own ``Date``, not our clock.
    """
    value = (headers.get("Retry-After") or "").strip()
    if not value:
        return None
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return min(float(value), LONGEST_PAUSE)
    until, now = _http_date(value), _http_date(headers.get("Date") or "") or datetime.now(UTC)
    if until is None:
        return None
    return min(max(math.ceil((until - now).total_seconds()), 0), LONGEST_PAUSE)


@dataclass(frozen=True)
class _ErrorBody:
    """The API's error object, made safe to print."""

    code: str | None = None
    description: str | None = None
    attributes: dict[str, Any] | None = None

    @classmethod
    def of(cls, reply: Reply) -> _ErrorBody:
        try:
            body = decode_json(reply.body, reply.hide)
        except ValueError:
            return cls()
        if not isinstance(body, dict) or not isinstance(body.get("error"), str):
            return cls()
        description, attributes = body.get("error_description"), body.get("error_attributes")
        return cls(
            code=one_line(body["error"], MOST_QUOTED),
            description=one_line(description, MOST_QUOTED) if isinstance(description, str) else None,
            attributes=jsonable(attributes) if isinstance(attributes, dict) else None,
        )

    @property
    def text(self) -> str:
        attributes = one_line(json.dumps(self.attributes), MOST_QUOTED) if self.attributes else None
        return ": ".join(part for part in (self.code, self.description, attributes) if part)

    def as_attributes(self) -> dict[str, Any]:
        return {"code": self.code, "description": self.description, "attributes": self.attributes}


def _refusal(kind: type[ThreeCommasError], advice: str) -> Callable[[Reply, _ErrorBody], ThreeCommasError | None]:
    """Return a builder of this error class for replies that hold the API's own error object."""

    def build(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
        if body.code is None:
            return None
        return reply.error(kind, f" {body.text}. {advice}", **body.as_attributes())

    return build


def _forbidden(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
    if body.code and "unavailable for this account" in body.text.lower():
        return reply.error(
            SellAllUnavailable,
            f" {body.text} Sell-all does not exist for this exchange account: close its positions on the exchange.",
            **body.as_attributes(),
        )
    return _refusal(
        PermissionDenied,
        "Give the API key the permission in 3Commas (ACCOUNTS_READ to read, ACCOUNTS_WRITE to sell).",
    )(reply, body)


def _unprocessable(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
    if body.code != "invalid_api_key":
        return None
    return _refusal(
        ExchangeKeysInvalid,
        "Renew the exchange's API keys in 3Commas, under the exchange account's settings.",
    )(reply, body)


def _bad_request(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
    if reply.writes and body.code != "record_invalid":
        return None
    return _refusal(InvalidRequest, "The parameters were refused.")(reply, body)


def _too_many_requests(reply: Reply, body: _ErrorBody) -> ThreeCommasError:
    if _PLAN_LIMIT in body.text.lower():
        return reply.error(
            PlanLimitReached,
            f" {body.text}. Waiting does not help: the 3Commas plan has to allow this request.",
            **body.as_attributes(),
        )
    pause = retry_after_seconds(reply.headers)
    pause = RATE_LIMIT_PAUSE if pause is None else pause
    return reply.error(
        RateLimitExceeded,
        f" {body.text or 'rate limit'}. Everything that uses this API key has to pause for {pause:.0f} s: "
        "going on gets the IP address banned.",
        retry_after=pause,
        **body.as_attributes(),
    )


def _banned(reply: Reply, body: _ErrorBody) -> ThreeCommasError:
    pause = retry_after_seconds(reply.headers)
    pause = BAN_PAUSE if pause is None else pause
    return reply.error(
        IpBanned,
        f" {body.text or 'banned'}. This IP address is banned for going on after a 429 (2 minutes at first, up to "
        f"3 days): send nothing for at least {pause:.0f} s.",
        retry_after=pause,
        **body.as_attributes(),
    )


def _redirect(reply: Reply) -> ThreeCommasError:
    if reply.writes:
        return reply.unknown("a redirect, which was not followed")
    return reply.error(
        RedirectRefused,
        " with a redirect, which is never followed because it would carry the API key to another address. Check the "
        "connection's host and any proxy in between.",
    )


_REFUSALS: dict[int, Callable[[Reply, _ErrorBody], ThreeCommasError | None]] = {
    400: _bad_request,
    401: _refusal(
        AuthenticationError,
        "Either the API key is wrong or expired, the secret or private key does not belong to it, or this IP address "
        "is not on the key's list of allowed addresses.",
    ),
    403: _forbidden,
    404: _refusal(AccountNotFound, "Check the id in the path and the connection's mode (real or paper)."),
    418: _banned,
    422: _unprocessable,
    429: _too_many_requests,
}


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
