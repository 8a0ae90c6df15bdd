"""The API's errors, one function per row of its error table."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """A failed call, as the API answers it.

    :param status: HTTP status.
    :param error: code or sentence of the field ``error``.
    :param description: text of the field ``error_description``.
    :param attributes: messages by field, of the field ``error_attributes``.
    """

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
        """Return the JSON object that the API answers with.

        :return: ``error`` and, where they are known, description and attributes.
        """
        body: dict[str, Any] = {"error": self.error}
        if self.description is not None:
            body["error_description"] = self.description
        if self.attributes is not None:
            body["error_attributes"] = self.attributes
        return body


def record_invalid(**attributes: str) -> ApiError:
    """Return the error for bad parameters.

    :param attributes: what is wrong, by field.
    :return: a 400.
    """
    return ApiError(400, "record_invalid", "Invalid parameters", {name: [text] for name, text in attributes.items()})


def key_invalid() -> ApiError:
    """Return the error for an unknown or expired key, or an IP address that is not allowed.

    :return: a 401.
    """
    return ApiError(401, "api_key_invalid_or_expired", "Unauthorized. Invalid or expired api key.")


def signature_invalid() -> ApiError:
    """Return the error for a wrong signature.

    :return: a 401.
    """
    return ApiError(401, "signature_invalid", "Provided signature is invalid")


def permission_denied(style: str) -> ApiError:
    """Return the error for a key that lacks a permission.

    :param style: which of the two known forms, ``access_denied`` or ``Forbidden``.
    :return: a 403.
    """
    return ApiError(403, style, "Api key not authorized for this action")


def sell_all_unavailable() -> ApiError:
    """Return the error for an exchange on which there is no sell-all.

    :return: a 403.
    """
    return ApiError(403, "Forbidden. Unavailable for this account.")


def not_found() -> ApiError:
    """Return the error for an account or a path that does not exist.

    :return: a 404.
    """
    return ApiError(404, "not_found", "Not Found")


def exchange_keys_invalid() -> ApiError:
    """Return the error for exchange keys that the exchange rejects.

    :return: a 422.
    """
    return ApiError(422, "invalid_api_key", "API keys are no longer valid or incorrect.")


def plan_forbids(kind: str) -> ApiError:
    """Return the error for a request that the subscription does not include.

    :param kind: ``read`` or ``write``.
    :return: a 429 that no waiting cures.
    """
    return ApiError(
        429,
        f"The request type '{kind}' is not available with your current subscription plan. Upgrade your plan to use it.",
    )
