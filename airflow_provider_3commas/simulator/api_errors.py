"""The API's errors, one function per row of its error table."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A failed call, as the API answers it."""

    def __init__(
        self,
        status: int,
        error: str,
        description: str | None = None,
        attributes: dict[str, list[str]] | None = None,
    ) -> None:
        super().__init__(error)
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


def record_invalid(**attributes: str) -> ApiError:
    """400: bad parameters; what is wrong, by field."""
    return ApiError(400, "record_invalid", "Invalid parameters", {name: [text] for name, text in attributes.items()})


def key_invalid() -> ApiError:
    """401: an unknown or expired key, or an IP address that is not allowed."""
    return ApiError(401, "api_key_invalid_or_expired", "Unauthorized. Invalid or expired api key.")


def signature_invalid() -> ApiError:
    """401: a wrong signature."""
    return ApiError(401, "signature_invalid", "Provided signature is invalid")


def permission_denied(style: str) -> ApiError:
    """403: the key lacks a permission; style is one of the two known forms, ``access_denied`` or ``Forbidden``."""
    return ApiError(403, style, "Api key not authorized for this action")


def sell_all_unavailable() -> ApiError:
    """403: there is no sell-all on this exchange."""
    return ApiError(403, "Forbidden. Unavailable for this account.")


def not_found() -> ApiError:
    """404: an account or a path that does not exist."""
    return ApiError(404, "not_found", "Not Found")


def exchange_keys_invalid() -> ApiError:
    """422: the exchange rejects the keys that 3Commas holds."""
    return ApiError(422, "invalid_api_key", "API keys are no longer valid or incorrect.")


def plan_forbids(kind: str) -> ApiError:
    """429 that no waiting cures: the subscription does not include ``read`` or ``write`` requests."""
    return ApiError(
        429,
        f"The request type '{kind}' is not available with your current subscription plan. Upgrade your plan to use it.",
    )
