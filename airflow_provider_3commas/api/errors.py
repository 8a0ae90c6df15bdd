"""What can go wrong with a request to 3Commas, sorted by what it means for a sell.

::

    ThreeCommasError
    ├── ConfigurationError      nothing was sent: the connection cannot be used as it is
    ├── InvalidAccountId        nothing was sent: not a positive integer
    ├── ConnectionFailed        nothing was sent: no connection came about (DNS, refused, TLS, connect timeout)
    ├── RequestRejected         sent, and the API said no: it was certainly not carried out
    │   ├── InvalidRequest          400, 405
    │   ├── AuthenticationError     401: key, signature or IP address
    │   ├── PermissionDenied        403: the key lacks a permission, or the resource's state does not allow it
    │   ├── SellAllUnavailable      403: this exchange account has no sell-all
    │   ├── ResourceNotFound        404
    │   │   └── AccountNotFound
    │   ├── IpBanned                418
    │   ├── ExchangeKeysInvalid     422: the exchange rejects the keys that 3Commas holds
    │   ├── Unprocessable           422: not as things are now; another try can help
    │   ├── RateLimitExceeded       429
    │   ├── PlanLimitReached        429: the subscription plan forbids it, waiting never helps
    │   └── RedirectRefused         3xx on a read
    ├── OutcomeUnknown          sent, and whether it was carried out cannot be told from the reply
    ├── LiquidationRefused      nothing was sent: a guard does not let this run sell
    ├── JournalUnusable         nothing was sent: what is recorded of this task can't be explained
    ├── PreflightFailed         nothing was sent: the account could not be read before the sale
    ├── WrongAccountSold        sold, without preflight, and it was a paper account in mode real
    ├── BudgetTimeout           nothing was sent: the time to wait for the request budget was over
    └── SettlementFailed        the account will not settle by waiting
        └── BalancesStalled         nothing moves any more, and something is left

*Rejected* is an allowlist: whatever is not proven to be a refusal is *unknown*. A read with an unknown outcome can be
repeated; a sell never is.
"""

from __future__ import annotations

from typing import Any, ClassVar


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

    #: Whether neither waiting nor another try can cure it.
    permanent: ClassVar[bool] = False

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

    permanent = True


class InvalidAccountId(ThreeCommasError, ValueError):
    """The account id is not a positive integer; nothing was sent."""

    permanent = True


class ConnectionFailed(ThreeCommasError):
    """No connection came about, so nothing was sent."""


class RequestRejected(ThreeCommasError):
    """The API refused the request: it was certainly not carried out."""

    permanent = True


class InvalidRequest(RequestRejected):
    """The parameters (400), where ``attributes`` names the fields, or the method (405) were refused."""


class AuthenticationError(RequestRejected):
    """The key or signature is wrong, or the IP address is not on the key's list (401)."""


class PermissionDenied(RequestRejected):
    """The API key lacks a permission, or 3Commas does not allow this in the resource's current state (403).

    Without an active subscription, for one. The message says which of the two it is, where the reply tells.
    """


class SellAllUnavailable(RequestRejected):
    """Sell-all does not exist for this exchange account (403)."""


class ResourceNotFound(RequestRejected):
    """The user has nothing with this id (404)."""


class AccountNotFound(ResourceNotFound):
    """The user has no account with this id in this mode (404)."""


class ExchangeKeysInvalid(RequestRejected):
    """The exchange rejects the API keys that 3Commas holds for the account (422)."""


class Unprocessable(RequestRejected):
    """3Commas could not do this as things are (422); another try can help."""

    permanent = False


class RateLimitExceeded(RequestRejected):
    """Too many requests (429); ``retry_after`` says how long the whole key has to pause."""

    permanent = False


class IpBanned(RequestRejected):
    """The IP address is banned for going on after a 429 (418)."""

    permanent = False


class PlanLimitReached(RequestRejected):
    """The subscription plan forbids the request (429); waiting never helps."""


class RedirectRefused(RequestRejected):
    """A read was answered with a redirect, which is never followed: it would carry the key to another host."""

    permanent = False


class OutcomeUnknown(ThreeCommasError):
    """The request may or may not have been carried out; never send a sell again because of this."""


#: A read that ended so can be repeated soon.
PASSING_ERRORS = (ConnectionFailed, OutcomeUnknown, Unprocessable)


class LiquidationRefused(ThreeCommasError):
    """A guard does not let this run sell; nothing was sent."""

    permanent = True


class JournalUnusable(ThreeCommasError):
    """What is recorded of this task can't be explained, so it may have sold already; nothing was sent."""

    permanent = True


class PreflightFailed(ThreeCommasError):
    """The account could not be read before the sale; nothing was sent."""


class WrongAccountSold(ThreeCommasError):
    """The sale was accepted, and the account turned out to be a paper one in mode ``real``, or the other way round."""

    permanent = True


class BudgetTimeout(ThreeCommasError):
    """The time to wait was over before the budget allowed the request; nothing was sent."""


class SettlementFailed(ThreeCommasError):
    """The account will not settle by waiting; the message says why and what is left unsold.

    Not an ``AirflowException``: a deferred sensor with ``soft_fail`` would turn that into a skip, and a failed
    liquidation must not look like one that had nothing to do.

    :param message: why, and what is left.
    :param result: what the last poll saw, in the form of the sensor's XCom with ``settled_at`` ``None``.
    :param details: the attributes of the API error that ended the wait, if one did.
    """

    def __init__(self, message: str, *, result: dict[str, Any] | None = None, **details: Any) -> None:
        super().__init__(message, **details)
        self.result = result


class BalancesStalled(SettlementFailed):
    """Nothing is being sold any more, and something is left."""
