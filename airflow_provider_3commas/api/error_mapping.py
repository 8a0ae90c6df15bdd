"""What a reply of the API means: the decoded value, or the error that says what became of the request."""

from __future__ import annotations

import json
import math
import re
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
    ResourceNotFound,
    SellAllUnavailable,
    ThreeCommasError,
    Unprocessable,
)
from airflow_provider_3commas.api.pauses import BAN_PAUSE, LONGEST_PAUSE, SHORTEST_BAN, documented_pause
from airflow_provider_3commas.money import jsonable
from airflow_provider_3commas.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLAN_LIMIT = "subscription plan"
_ABOUT_THE_PLAN = re.compile(r"\b(subscription|plan)s?\b")
_SELL_ALL = re.compile(r"/ver1/accounts/[^/]+/sell_all_to_\w+")
_ACCOUNTS = re.compile(r"/ver1/accounts(/.*)?")
# Which permissions a call needs, by the first part of its path; each has one to read and one to write.
_PERMISSIONS = {
    "accounts": "ACCOUNTS",
    "bots": "BOTS",
    "grid_bots": "BOTS",
    "deals": "BOTS",
    "smart_trades": "SMART_TRADES",
}
_PARAMETERS = "The parameters were refused."

# What is refused for certain, by status and exactly this ``error``.
_REFUSED: dict[tuple[int, str], tuple[type[ThreeCommasError], str]] = {
    (400, "record_invalid"): (InvalidRequest, _PARAMETERS),
    (400, "invalid_request"): (InvalidRequest, _PARAMETERS),
    (400, "Wrong param(s)"): (InvalidRequest, _PARAMETERS),
    (400, "forced_mode_invalid"): (InvalidRequest, "Check the mode of the connection: it has to be real or paper."),
    (422, "invalid_api_key"): (
        ExchangeKeysInvalid,
        "Renew the exchange's API keys in 3Commas, under the exchange account's settings.",
    ),
    (422, "unprocessable_entity"): (
        Unprocessable,
        "Nothing was done, because it was not possible at that moment: see how things are in 3Commas, then try again.",
    ),
    (422, "bnb_dust_limit_error"): (Unprocessable, "Dust can be converted once in six hours: try again then."),
}


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
    #: Whether the request changes something, so that it must not be repeated unless it was refused for certain.
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
        return self.error(
            OutcomeUnknown,
            f" with {what}. {advice_on_unknown(self.path, writes=self.writes)}",
            retry_after=retry_after_seconds(self.headers),
        )


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


def advice_on_unknown(path: str, *, writes: bool) -> str:
    """Return what to do about a request of which nobody can tell whether it was carried out."""
    if not writes:
        return "The read can be repeated."
    if _SELL_ALL.fullmatch(path):
        return "Whether the sell was carried out cannot be told from this; look at the account before selling again."
    return "Whether this was carried out cannot be told from this; look at the resource before sending it again."


def server_time(headers: Mapping[str, str]) -> datetime | None:
    """Return the time at which a reply was sent by the server's own clock, if it says so."""
    return _http_date(headers.get("Date") or "")


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the ``Retry-After`` in seconds, at most three days; ``None`` if there is no usable one.

    An HTTP date is measured against the reply's own ``Date``, not our clock.
    """
    value = (headers.get("Retry-After") or "").strip()
    if not value:
        return None
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return min(float(value), LONGEST_PAUSE)
    until, now = _http_date(value), server_time(headers) or datetime.now(UTC)
    if until is None:
        return None
    return min(max(math.ceil((until - now).total_seconds()), 0), LONGEST_PAUSE)


@dataclass(frozen=True)
class _ErrorBody:
    """The API's error object, made safe to print."""

    #: ``error`` as it came, to be compared and never printed.
    exact_code: str | None = None
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
            # As it came: a near-miss is no certain refusal.
            exact_code=json.loads(reply.body, parse_int=str, parse_float=str)["error"],
            code=one_line(body["error"], MOST_QUOTED),
            description=one_line(description, MOST_QUOTED) if isinstance(description, str) else None,
            attributes=jsonable(attributes) if isinstance(attributes, dict) else None,
        )

    @property
    def text(self) -> str:
        attributes = one_line(json.dumps(self.attributes), MOST_QUOTED) if self.attributes else None
        return ": ".join(part for part in (self.code, self.description, attributes) if part)

    @property
    def sentence(self) -> str:
        return f"{self.text.rstrip('.')}."

    def as_attributes(self) -> dict[str, Any]:
        return {"code": self.code, "description": self.description, "attributes": self.attributes}


def _refusal(kind: type[ThreeCommasError], advice: str) -> Callable[[Reply, _ErrorBody], ThreeCommasError | None]:
    """Return a builder of this error class for replies that hold the API's own error object."""

    def build(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
        if body.code is None:
            return None
        return reply.error(kind, f" {body.sentence} {advice}", **body.as_attributes())

    return build


def _by_code(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
    """Return what is refused for certain by its code; of a read, every 400 is."""
    known = _REFUSED.get((reply.status, body.exact_code or ""))
    if known is None and reply.status == 400 and not reply.writes:
        known = (InvalidRequest, _PARAMETERS)
    return _refusal(*known)(reply, body) if known else None


def _forbidden(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
    if "unavailable for this account" in body.text.lower() and _SELL_ALL.fullmatch(reply.path):
        advice = "Sell-all does not exist for this exchange account: close its positions on the exchange."
        return _refusal(SellAllUnavailable, advice)(reply, body)
    return _refusal(PermissionDenied, _advice_on_forbidden(reply, body))(reply, body)


def _advice_on_forbidden(reply: Reply, body: _ErrorBody) -> str:
    """Return what to do about a 403 by which of its meanings the text tells; if none, what to do about both."""
    text = body.text.lower()
    group = _PERMISSIONS.get("".join(reply.path.split("/")[2:3]))
    which = f"{group}_READ to read, {group}_WRITE for all else" if group else "the one that this call needs"
    lacks_permission = f"the API key lacks a permission: give it to the key in 3Commas ({which})."
    if "unavailable for this account" in text:
        return "3Commas does not offer this call for this resource."
    if "not owned by current user" in text:
        return "Check the id, and that the API key is the owner's."
    if "not authorized for this action" in text:
        return f"So {lacks_permission}"
    if _ABOUT_THE_PLAN.search(text):
        return "No permission of the API key changes that, and no waiting: see to the subscription in 3Commas."
    if body.exact_code == "access_denied":
        return f"So {lacks_permission}"
    return (
        f"Either {lacks_permission} Or 3Commas does not allow this in the resource's current state, without an active "
        "subscription for one: look at it in 3Commas."
    )


def _not_found(reply: Reply, body: _ErrorBody) -> ThreeCommasError | None:
    is_account = _ACCOUNTS.fullmatch(reply.path)
    kind, what = (AccountNotFound, "the account id") if is_account else (ResourceNotFound, "the path, the id in it")
    return _refusal(kind, f"Check {what} and the connection's mode (real or paper).")(reply, body)


def _method_not_allowed(reply: Reply, body: _ErrorBody) -> ThreeCommasError:
    return reply.error(
        InvalidRequest,
        f" {body.text or 'method not allowed'}. 3Commas does not take a {reply.method} at this path: nothing was done.",
        **body.as_attributes(),
    )


def _too_many_requests(reply: Reply, body: _ErrorBody) -> ThreeCommasError:
    if _PLAN_LIMIT in body.text.lower():
        return reply.error(
            PlanLimitReached,
            f" {body.text}. Waiting does not help: the 3Commas plan has to allow this request.",
            **body.as_attributes(),
        )
    # A shorter pause than the documented one is not believed: it is the way to a ban.
    pause = max(retry_after_seconds(reply.headers) or 0.0, documented_pause(reply.method, reply.path))
    return reply.error(
        RateLimitExceeded,
        f" {body.text or 'rate limit'}. Everything that uses this API key has to pause for {pause:.0f} s: "
        "going on gets the IP address banned.",
        retry_after=pause,
        **body.as_attributes(),
    )


def _banned(reply: Reply, body: _ErrorBody) -> ThreeCommasError:
    pause = retry_after_seconds(reply.headers)
    pause = BAN_PAUSE if pause is None else max(pause, SHORTEST_BAN)
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
    400: _by_code,
    401: _refusal(
        AuthenticationError,
        "Either the API key is wrong or expired, the secret or private key does not belong to it, or this IP address "
        "is not on the key's list of allowed addresses.",
    ),
    403: _forbidden,
    404: _not_found,
    405: _method_not_allowed,
    418: _banned,
    422: _by_code,
    429: _too_many_requests,
}


def _http_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
