"""The 3Commas REST API, without Airflow: client, credentials, errors.

Everything is imported when it is first asked for: DAG files that name an error class, or an operator that needs a
module of this package, don't pay for ``requests`` and the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # "X as X" tells type checkers that a name is exported; sorted, each would get a statement of its own.
    from airflow_provider_3commas.api.account_ids import parse_account_id as parse_account_id  # noqa: I001
    from airflow_provider_3commas.api.balance_rows import BalanceRow as BalanceRow
    from airflow_provider_3commas.api.client import ThreeCommasClient as ThreeCommasClient
    from airflow_provider_3commas.api.credentials import Credentials as Credentials
    from airflow_provider_3commas.api.errors import (
        AccountNotFound as AccountNotFound,
        AuthenticationError as AuthenticationError,
        BalancesStalled as BalancesStalled,
        BudgetTimeout as BudgetTimeout,
        ConfigurationError as ConfigurationError,
        ConnectionFailed as ConnectionFailed,
        ExchangeKeysInvalid as ExchangeKeysInvalid,
        InvalidAccountId as InvalidAccountId,
        InvalidRequest as InvalidRequest,
        IpBanned as IpBanned,
        JournalUnusable as JournalUnusable,
        LiquidationRefused as LiquidationRefused,
        OutcomeUnknown as OutcomeUnknown,
        PermissionDenied as PermissionDenied,
        PlanLimitReached as PlanLimitReached,
        PreflightFailed as PreflightFailed,
        RateLimitExceeded as RateLimitExceeded,
        RedirectRefused as RedirectRefused,
        RequestRejected as RequestRejected,
        ResourceNotFound as ResourceNotFound,
        SellAllUnavailable as SellAllUnavailable,
        SettlementFailed as SettlementFailed,
        ThreeCommasError as ThreeCommasError,
        Unprocessable as Unprocessable,
        WrongAccountSold as WrongAccountSold,
    )

_HOMES = {
    "AccountNotFound": "errors",
    "AuthenticationError": "errors",
    "BalanceRow": "balance_rows",
    "BalancesStalled": "errors",
    "BudgetTimeout": "errors",
    "ConfigurationError": "errors",
    "ConnectionFailed": "errors",
    "Credentials": "credentials",
    "ExchangeKeysInvalid": "errors",
    "InvalidAccountId": "errors",
    "InvalidRequest": "errors",
    "IpBanned": "errors",
    "JournalUnusable": "errors",
    "LiquidationRefused": "errors",
    "OutcomeUnknown": "errors",
    "PermissionDenied": "errors",
    "PlanLimitReached": "errors",
    "PreflightFailed": "errors",
    "RateLimitExceeded": "errors",
    "RedirectRefused": "errors",
    "RequestRejected": "errors",
    "ResourceNotFound": "errors",
    "SellAllUnavailable": "errors",
    "SettlementFailed": "errors",
    "ThreeCommasClient": "client",
    "ThreeCommasError": "errors",
    "Unprocessable": "errors",
    "WrongAccountSold": "errors",
    "parse_account_id": "account_ids",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
