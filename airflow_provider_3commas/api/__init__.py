"""The 3Commas REST API, without Airflow: client, credentials, errors.

The client brings ``requests`` with it and is therefore imported when it is first asked for; DAG files that only name
an error class do not pay for it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from airflow_provider_3commas.api.accounts import parse_account_id
from airflow_provider_3commas.api.errors import (
    AccountNotFound,
    AuthenticationError,
    ConfigurationError,
    ConnectionFailed,
    ExchangeKeysInvalid,
    InvalidAccountId,
    InvalidRequest,
    IpBanned,
    OutcomeUnknown,
    PermissionDenied,
    PlanLimitReached,
    RateLimitExceeded,
    RedirectRefused,
    RequestRejected,
    SellAllUnavailable,
    ThreeCommasError,
)

if TYPE_CHECKING:
    from airflow_provider_3commas.api.balances import BalanceRow
    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.api.credentials import Credentials

__all__ = [
    "AccountNotFound",
    "AuthenticationError",
    "BalanceRow",
    "ConfigurationError",
    "ConnectionFailed",
    "Credentials",
    "ExchangeKeysInvalid",
    "InvalidAccountId",
    "InvalidRequest",
    "IpBanned",
    "OutcomeUnknown",
    "PermissionDenied",
    "PlanLimitReached",
    "RateLimitExceeded",
    "RedirectRefused",
    "RequestRejected",
    "SellAllUnavailable",
    "ThreeCommasClient",
    "ThreeCommasError",
    "parse_account_id",
]

_LAZY = {"BalanceRow": "balances", "Credentials": "credentials", "ThreeCommasClient": "client"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
