"""The asset of an exchange account, and its events, on which other DAGs can be scheduled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from urllib.parse import SplitResult

    from airflow.sdk import Asset, Context

#: Scheme of the asset URIs of this provider.
SCHEME = "threecommas"

_KIND = "account"


def sanitize(uri: SplitResult) -> SplitResult:
    """Normalize and validate a ``threecommas://`` asset URI: Airflow calls this for each ``Asset``.

    :param uri: the URI in parts.
    :return: ``threecommas://account/ID``.
    :raises ValueError: it is another kind of URI; the message says what is wrong with it.
    """
    from airflow_provider_3commas.api.account_ids import parse_account_id
    from airflow_provider_3commas.api.errors import InvalidAccountId

    def refuse(what: str) -> ValueError:
        return ValueError(f"Asset URI {SCHEME}://{place}{uri.path} {what}. Expected {SCHEME}://{_KIND}/ID.")

    user, _, place = uri.netloc.rpartition("@")
    if user:
        raise refuse("has credentials in it")
    if uri.query or uri.fragment:
        raise refuse("has a query or fragment, which an account has not")
    if place.lower() != _KIND:
        raise refuse(f"is not about an {_KIND}" if place.partition(":")[0].lower() != _KIND else "has a port")
    try:
        account_id = parse_account_id(uri.path.strip("/"))
    except InvalidAccountId:
        raise refuse("has no positive integer for the account's id") from None
    return uri._replace(scheme=SCHEME, netloc=_KIND, path=f"/{account_id}")


def account_asset(account_id: int) -> Asset:
    """Return the asset that stands for an exchange account.

    :param account_id: id of the account.
    :return: the asset ``threecommas://account/ID``.
    """
    from airflow.sdk import Asset

    uri = f"{SCHEME}://{_KIND}/{account_id}"
    return Asset(name=uri, uri=uri)


def emit_account_event(context: Context, outlets: Iterable[Any], account_id: int, extra: dict[str, Any]) -> None:
    """Add what happened to an account to the asset events that the task's success will emit.

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
