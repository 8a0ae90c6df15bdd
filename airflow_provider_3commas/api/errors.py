"""What can go wrong with a request to 3Commas, sorted by what it means for a sell.

::

    ThreeCommasError
    ├── ConfigurationError      nothing was sent: the connection cannot be used as it is
    ├── InvalidAccountId        nothing was sent: not a positive integer
    ├── ConnectionFailed        nothing was sent: no connection came about (DNS, refused, TLS, connect timeout)
    ├── RequestRejected         sent, and the API said no: it was certainly not carried out
    │   ├── InvalidRequest          400
    │   ├── AuthenticationError     401: key, signature or IP address
    │   ├── PermissionDenied        403: the key lacks a permission
    │   ├── SellAllUnavailable      403: this exchange account has no sell-all
    │   ├── AccountNotFound         404
    │   ├── IpBanned                418
    │   ├── ExchangeKeysInvalid     422: the exchange rejects the keys that 3Commas holds
    │   ├── RateLimitExceeded       429
    │   ├── PlanLimitReached        429: the subscription plan forbids it, waiting never helps
    │   └── RedirectRefused         3xx on a read
    └── OutcomeUnknown          sent, and whether it was carried out cannot be told from the reply

*Rejected* is an allowlist: whatever is not proven to be a refusal is *unknown*. A read with an unknown outcome can be
repeated; a sell never is.
"""

from __future__ import annotations

from typing import Any

#: Seconds that the whole key pauses after a 429 without ``Retry-After``: the documented mitigation period.
RATE_LIMIT_PAUSE = 300.0


class ThreeCommasError(Exception):
    """Root of everything this provider raises about the 3Commas API.

    :param message: what was wrong, what was expected and what to do; never holds a secret.
    :param method: HTTP method of the request, if one was made or attempted.
    :param path: path of the request below ``/public/api``, without the query string.
    :param status_code: HTTP status of the reply, if there was one.
    :param code: the reply's ``error``.
    :param description: the reply's ``error_description``.
    :param attributes: the reply's ``error_attributes``: field name to list of messages.
    :param request_id: the reply's ``X-Request-Id``, which 3Commas support asks for.
    :param retry_after: seconds the server asked to wait before the next request.
    """

    def __init__(
        self,
        message: str,
        *,
        method: str | None = None,
        path: str | None = None,
        status_code: int | None = None,
        code: str | None = None,
        description: str | None = None,
        attributes: dict[str, Any] | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.method = method
        self.path = path
        self.status_code = status_code
        self.code = code
        self.description = description
        self.attributes = attributes or {}
        self.request_id = request_id
        self.retry_after = retry_after


class ConfigurationError(ThreeCommasError, ValueError):
    """The connection, or a parameter, cannot be used; nothing was sent."""


class InvalidAccountId(ThreeCommasError, ValueError):
    """The account id is not a positive integer; nothing was sent."""


class ConnectionFailed(ThreeCommasError):
    """No connection came about, so nothing was sent."""


class RequestRejected(ThreeCommasError):
    """The API refused the request: it was certainly not carried out."""


class InvalidRequest(RequestRejected):
    """The parameters were refused (400); ``attributes`` names the fields."""


class AuthenticationError(RequestRejected):
    """The key or signature is wrong, or the IP address is not on the key's list (401)."""


class PermissionDenied(RequestRejected):
    """The API key lacks the permission that the request needs (403)."""


class SellAllUnavailable(RequestRejected):
    """Sell-all does not exist for this exchange account (403)."""


class AccountNotFound(RequestRejected):
    """The user has no account with this id in this mode (404)."""


class ExchangeKeysInvalid(RequestRejected):
    """The exchange rejects the API keys that 3Commas holds for the account (422)."""


class RateLimitExceeded(RequestRejected):
    """Too many requests (429); ``retry_after`` says how long the whole key has to pause."""


class IpBanned(RequestRejected):
    """The IP address is banned for going on after a 429 (418)."""


class PlanLimitReached(RequestRejected):
    """The subscription plan forbids the request (429); waiting never helps."""


class RedirectRefused(RequestRejected):
    """A read was answered with a redirect, which is never followed: it would carry the key to another host."""


class OutcomeUnknown(ThreeCommasError):
    """The request may or may not have been carried out; never send a sell again because of this."""
