"""The 3Commas REST API, without Airflow: client, credentials, errors.

Everything is imported when it is first asked for: DAG files that name an error class, or an operator that needs a
module of this package, don't pay for ``requests`` and the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_3commas.api.account_ids import parse_account_id
    from airflow_provider_3commas.api.balance_rows import BalanceRow
    from airflow_provider_3commas.api.client import ThreeCommasClient
    from airflow_provider_3commas.api.credentials import Credentials
    from airflow_provider_3commas.api.errors import (
        AccountNotFound,
        AuthenticationError,
        BalancesStalled,
        BudgetTimeout,
        ConfigurationError,
        ConnectionFailed,
        ExchangeKeysInvalid,
        InvalidAccountId,
        InvalidRequest,
        IpBanned,
        JournalUnusable,
        LiquidationRefused,
        OutcomeUnknown,
        PermissionDenied,
        PlanLimitReached,
        PreflightFailed,
        RateLimitExceeded,
        RedirectRefused,
        RequestRejected,
        SellAllUnavailable,
        SettlementFailed,
        ThreeCommasError,
        WrongAccountSold,
    )

__all__ = [
    "AccountNotFound",
    "AuthenticationError",
    "BalanceRow",
    "BalancesStalled",
    "BudgetTimeout",
    "ConfigurationError",
    "ConnectionFailed",
    "Credentials",
    "ExchangeKeysInvalid",
    "InvalidAccountId",
    "InvalidRequest",
    "IpBanned",
    "JournalUnusable",
    "LiquidationRefused",
    "OutcomeUnknown",
    "PermissionDenied",
    "PlanLimitReached",
    "PreflightFailed",
    "RateLimitExceeded",
    "RedirectRefused",
    "RequestRejected",
    "SellAllUnavailable",
    "SettlementFailed",
    "ThreeCommasClient",
    "ThreeCommasError",
    "WrongAccountSold",
    "parse_account_id",
]

# Whatever is not listed is an error class.
_HOMES = {
    "BalanceRow": "balance_rows",
    "Credentials": "credentials",
    "ThreeCommasClient": "client",
    "parse_account_id": "account_ids",
}


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, 'errors')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
