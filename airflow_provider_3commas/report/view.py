"""What the tab in Airflow draws, from the XComs that its page has read: the page itself computes nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from airflow_provider_3commas.money import plain_or_none, read_amount, scaled
from airflow_provider_3commas.report import texts
from airflow_provider_3commas.report.build import build_report
from airflow_provider_3commas.report.charts import curve_shape, holdings_shape
from airflow_provider_3commas.report.fleet import fleet_totals
from airflow_provider_3commas.report.status import STATUSES
from airflow_provider_3commas.report.xcoms import as_list, as_object, as_text, one_of, values_of

_XCOMS = ("account", "holdings_before", "liquidation", "settlement", "history", "facts")
_STATES = ("liquidation_state", "settlement_state")
_PARTS = ("before", "after", "unsold")
# In this order: what needs a person comes first.
_TONES = ("bad", "busy", "plain", "good")


def render(request: Any) -> dict[str, Any]:
    """Return all that the page draws; it comes from nowhere but the request.

    The request has ``accounts``, the XComs of each as ``build_report`` takes them, and ``others``, the ``part`` of
    further accounts in an earlier answer. The answer has ``accounts`` in the same order, and the totals in ``fleet``.
    """
    accounts = [_account(as_object(xcoms)) for xcoms in requested(request, "accounts")]
    parts = [*(account["part"] for account in accounts), *(_part(other) for other in requested(request, "others"))]
    return {"accounts": accounts, "fleet": texts.describe_totals(fleet_totals(parts)), "footer": texts.FOOTER}


def requested(request: Any, name: str) -> list[Any]:
    """Return one of the lists of a request; empty if it is none."""
    return as_list(as_object(request).get(name))


def _account(xcoms: dict[str, Any]) -> dict[str, Any]:
    report = build_report(
        **{name: xcoms.get(name) for name in _XCOMS}, **{name: as_text(xcoms.get(name)) for name in _STATES}
    )
    return {
        "texts": texts.describe(report),
        "holdings": holdings_shape(report),
        "curve": curve_shape(report),
        "row": texts.fleet_row(report),
        "sort": _sort_keys(report),
        "settled": report["status"] == "settled",
        "part": _part(report),
    }


def _part(report: Any) -> dict[str, Any]:
    """Return what the totals need of a report."""
    fields = as_object(report)
    status = one_of(fields.get("status"), tuple(STATUSES)) or "unknown"
    return {"status": status, **{name: values_of(as_object(fields.get(name))) for name in _PARTS}}


def _sort_keys(report: dict[str, Any]) -> dict[str, str | None]:
    """Return what each column is sorted by: a text for the title, whole numbers for the rest, as exact as shown."""
    seconds = texts.time_to_settle(report)
    return {
        "title": texts.title(report["account"]).casefold(),
        "status": str(_TONES.index(STATUSES[report["status"]][1])),
        **{name: _whole_number((report[name] or {}).get("btc_value"), 8) for name in _PARTS},
        "slippage": _whole_number((report["slippage"] or {}).get("percent_of_sold"), 4),
        "time": None if seconds is None else str(int(seconds * 10 + 0.5)),
    }


def _whole_number(value: Any, places: int) -> str | None:
    return plain_or_none(scaled(read_amount(value), Decimal(10) ** places, Decimal(1), 0))
