"""Tell Airflow that an exchange account has changed, so that other DAGs can be scheduled on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import Asset, Context

#: Scheme of the asset URIs of this provider.
SCHEME = "threecommas"


def account_asset(account_id: int) -> Asset:
    """Return the asset that stands for an exchange account.

    :param account_id: id of the account.
    :return: the asset ``threecommas://account/ID``.
    """
    from airflow.sdk import Asset

    uri = f"{SCHEME}://account/{account_id}"
    return Asset(name=uri, uri=uri)


def emit_account_event(context: Context, outlets: Iterable[Any], account_id: int, extra: dict[str, Any]) -> None:
    """Attach what happened to an account to the asset events that the task's success will emit.

    An ``AssetAlias`` among the outlets gets an event of the account's own asset. An ``Asset`` with a ``threecommas``
    URI has an event coming anyway and gets the facts into it. Other outlets are left alone.

    :param context: Airflow's context.
    :param outlets: the task's outlets.
    :param account_id: id of the account.
    :param extra: the facts, in JSON types.
    """
    from airflow.sdk import Asset, AssetAlias

    events = context["outlet_events"]
    for outlet in outlets:
        if isinstance(outlet, AssetAlias):
            events[outlet].add(account_asset(account_id), extra=dict(extra))
        elif isinstance(outlet, Asset) and outlet.uri.startswith(f"{SCHEME}://"):
            events[outlet].extra.update(extra)
