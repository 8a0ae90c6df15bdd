"""The API's errors, one function per row of its error table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


DESCRIPTIONS = {
    "access_denied": "Api key not authorized for this action",
    "api_key_invalid_or_expired": "Unauthorized. Invalid or expired api key.",
    "bnb_dust_limit_error": "Small balances can be converted only once every 6h",
    "forced_mode_invalid": "Forced mode is invalid",
    "invalid_api_key": "API keys are no longer valid or incorrect.",
    "not_found": "Not Found",
    "record_invalid": "Invalid parameters",
    "signature_invalid": "Provided signature is invalid",
    "unknown_market_api_error": 'Unknown market api error {"code"=>-9000}',
    "unprocessable_entity": "Unprocessable entity",
}


class ApiError(Exception):
    """A failed call, as the API answers it."""

    def __init__(
        self,
        status: int,
        error: str,
        description: str | None = None,
        attributes: dict[str, list[str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.headers = headers or {}
        self.status = status
        self.error = error
        self.description = description
        self.attributes = attributes

    def body(self) -> dict[str, Any]:
        """Return the JSON object that the API answers with."""
        body: dict[str, Any] = {"error": self.error}
        if self.description is not None:
            body["error_description"] = self.description
        if self.attributes is not None:
            body["error_attributes"] = self.attributes
        return body


def described(status: int, error: str) -> ApiError:
    """Return an error with the description that goes with its code."""
    return ApiError(status, error, DESCRIPTIONS.get(error))


def record_invalid(**attributes: str) -> ApiError:
    """400: bad parameters; what is wrong, by field."""
    listed = {name: [text] for name, text in attributes.items()}
    return ApiError(400, "record_invalid", DESCRIPTIONS["record_invalid"], listed)


def forced_mode_invalid() -> ApiError:
    """400: a value of ``Forced-Mode`` that is none."""
    return described(400, "forced_mode_invalid")


def key_invalid() -> ApiError:
    """401: an unknown or expired key, or an IP address that is not allowed."""
    return described(401, "api_key_invalid_or_expired")


def signature_invalid() -> ApiError:
    """401: a wrong signature."""
    return described(401, "signature_invalid")


def permission_denied(style: str) -> ApiError:
    """403: the key lacks a permission; style is one of the two known forms, ``access_denied`` or ``Forbidden``."""
    return ApiError(403, style, DESCRIPTIONS["access_denied"])


def forbidden(text: str | None) -> ApiError:
    """403: the state of the account or the key does not allow the call; the text says why, if any does."""
    return ApiError(403, "Forbidden", text)


def sell_all_unavailable() -> ApiError:
    """403: there is no sell-all on this exchange."""
    return ApiError(403, "Forbidden. Unavailable for this account.")


def dust_unavailable() -> ApiError:
    """403: dust is converted on Binance Spot alone."""
    return ApiError(403, "Forbidden. Unavailable for this account type.")


def not_found() -> ApiError:
    """404: an account or a path that does not exist."""
    return described(404, "not_found")


def method_not_allowed(allowed: Iterable[str]) -> ApiError:
    """405: a path that exists, but not for this method."""
    return ApiError(405, "405 Not Allowed", headers={"allow": ", ".join(sorted(allowed))})


def exchange_keys_invalid() -> ApiError:
    """422: the exchange rejects the keys that 3Commas holds."""
    return described(422, "invalid_api_key")


def dust_limit() -> ApiError:
    """422: dust was converted less than six hours ago."""
    return described(422, "bnb_dust_limit_error")


def exchange_error(error: str) -> ApiError:
    """422: ``unprocessable_entity``, or ``unknown_market_api_error`` if something may have been done."""
    return described(422, error)


def plan_forbids(kind: str) -> ApiError:
    """429 that no waiting cures: the subscription does not include ``read`` or ``write`` requests."""
    return ApiError(
        429,
        f"The request type '{kind}' is not available with your current subscription plan. Upgrade your plan to use it.",
    )
