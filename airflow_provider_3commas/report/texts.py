"""Every text of a report that people see, whatever it is rendered to; text from outside is not escaped yet."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_3commas.in_words import describe_counts, describe_duration
from airflow_provider_3commas.money import grouped, in_btc, in_usd, read_amount, short, signed
from airflow_provider_3commas.printable import one_line
from airflow_provider_3commas.report import times
from airflow_provider_3commas.report.status import SOLD, STATUSES

_OUTCOMES = {
    "accepted": "Accepted by 3Commas",
    "reconciled": "Carried out, as the account showed; the answer was lost",
    "recorded": "Carried out by an earlier try of the task",
    "dry_run": "Dry run, nothing was sent",
    "refused": "Refused before anything was sent",
    "not_sent": "Not sent",
    "rejected": "Refused by 3Commas",
    "unknown": "Not known: there may have been a sale",
    None: "Not recorded",
}
# Letters of a reason in a row of a table; the report of the account has the whole of it.
_SHORT_REASON = 160
#: Stands where a number is not known.
UNKNOWN = "\N{EM DASH}"
#: Ends every report that is drawn.
FOOTER = (
    "Values are those of the account in 3Commas at the times given. Slippage counts fees, spreads and whatever prices "
    "did while it sold; deposits and withdrawals would count too."
)


def describe(report: dict[str, Any]) -> dict[str, Any]:
    """Return everything that is shown about one account."""
    account, (status, tone) = report["account"], STATUSES[report["status"]]
    return {
        "title": title(account),
        "subtitle": _subtitle(report),
        "status": status,
        "tone": tone,
        "headline": report["headline"],
        "tiles": _tiles(report),
        "assets": [_asset(row) for row in report["assets"]],
        "unsold": [_unsold_item(item) for item in report["unsold"]["items"]],
        "curve": [
            [describe_duration(seconds), in_btc(read_amount(value))] for seconds, value in report["settling"]["curve"]
        ],
        "details": _details(report),
        "evidence": [one_line(text) for text in report["sale"]["evidence"]],
        "notes": report["notes"],
    }


def describe_fleet(fleet: dict[str, Any]) -> dict[str, Any]:
    """Return everything that is shown about several accounts, except their own reports."""
    return {**describe_totals(fleet["totals"]), "rows": [fleet_row(report) for report in fleet["accounts"]]}


def describe_totals(totals: dict[str, Any]) -> dict[str, Any]:
    """Return what is shown about several accounts beside their rows."""
    count = totals["accounts"]
    return {
        "headline": f"{totals['settled']} of {count} {'account' if count == 1 else 'accounts'} settled.",
        "statuses": ", ".join(
            f"{number} {STATUSES[status][0].lower()}" for status, number in sorted(totals["statuses"].items())
        ),
        "tiles": [
            _tile(label, *_btc_and_usd(totals[name]), _coverage(totals[name], count))
            for label, name in (("Before", "before"), ("After", "after"), ("Left unsold", "unsold"))
        ],
        "totals": {
            "title": f"All {count}",
            "status": f"{totals['settled']} settled",
            **{
                name: [_btc(totals[name]), f"{totals[name]['known']} of {count}"]
                for name in ("before", "after", "unsold")
            },
        },
    }


def fleet_row(report: dict[str, Any]) -> dict[str, str]:
    """Return the cells of one account's row in the table of a fleet."""
    (status, tone), seconds = STATUSES[report["status"]], time_to_settle(report)
    return {
        "title": title(report["account"]),
        "subtitle": _fleet_subtitle(report),
        "status": status,
        "tone": tone,
        "why": _why(report),
        "before": _btc(report["before"]),
        "after": _btc(report["after"]),
        "slippage": _percent(report, "percent_of_sold"),
        "unsold": _btc(report["unsold"]),
        "time": UNKNOWN if seconds is None else describe_duration(seconds),
    }


def _why(report: dict[str, Any]) -> str:
    """Return why the account needs a person; empty if it does not."""
    reason = report["sale"]["reason"] if report["status"] in ("failed", "outcome_unknown") else None
    if not reason:
        return ""
    prefixes = {"refused": "Refused: ", "not_sent": "Not sent: ", "rejected": "Refused by 3Commas: "}
    return one_line(prefixes.get(report["sale"]["outcome"], "") + reason, _SHORT_REASON)


def title(account: dict[str, Any]) -> str:
    """Return an account's name, or else its id."""
    return one_line(account["name"] or (f"Account {account['id']}" if account["id"] else "Unknown account"))


def _subtitle(report: dict[str, Any]) -> str:
    account = report["account"]
    return _joined(
        one_line(account["exchange"] or ""),
        f"account {account['id']}" if account["id"] and account["name"] else "",
        f"{one_line(account['mode'])} mode" if account["mode"] else "",
        f"into {report['target']}",
    )


def _fleet_subtitle(report: dict[str, Any]) -> str:
    account = report["account"]
    mode = "paper" if account["mode"] == "paper" else ""
    autobalance = "autobalance is on" if report["sale"]["autobalance"] else ""
    return _joined(one_line(account["exchange"] or ""), str(account["id"] or ""), mode, autobalance)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _tiles(report: dict[str, Any]) -> list[dict[str, str]]:
    tiles = [
        _tile("Value before", *_btc_and_usd(report["before"])),
        _tile("Value after", *_btc_and_usd(report["after"])),
        _slippage_tile(report),
        _unsold_tile(report),
        _time_tile(report),
        _requests_tile(report),
    ]
    return tiles if any(tile["value"] != UNKNOWN for tile in tiles) else []


def _tile(label: str, value: str, *details: str) -> dict[str, str]:
    return {"label": label, "value": value, "detail": _joined(*details)}


def _btc_and_usd(values: dict[str, Any] | None) -> tuple[str, str]:
    if values is None or (values["btc_value"] is None and values["usd_value"] is None):
        return UNKNOWN, "not known"
    return in_btc(read_amount(values["btc_value"])), _usd_or_nothing(values)


def _coverage(part: dict[str, Any], count: int) -> str:
    return "" if part["known"] in (0, count) else f"known of {part['known']} of {count}"


def _slippage_tile(report: dict[str, Any]) -> dict[str, str]:
    slippage = report["slippage"]
    if slippage is None:
        return _tile("Slippage", UNKNOWN, "not known")
    change = read_amount(slippage["change"])
    value = in_btc(change) if slippage["unit"] == "BTC" else in_usd(change)
    if slippage["percent_of_sold"] is None:
        return _tile("Slippage", signed(value), f"{_percent(report, 'percent_of_account')} of the account")
    return _tile("Slippage", _percent(report, "percent_of_sold"), f"{signed(value)}, of what was sold")


def _percent(report: dict[str, Any], name: str) -> str:
    percent = read_amount((report["slippage"] or {}).get(name))
    return UNKNOWN if percent is None else signed(f"{grouped(percent, 2)} %")


def _unsold_tile(report: dict[str, Any]) -> dict[str, str]:
    unsold, items = report["unsold"], report["unsold"]["items"]
    if unsold["btc_value"] is None and not items:
        return _tile("Left unsold", UNKNOWN, "not known")
    kinds = Counter(item["kind"] for item in items)
    words = {"dust": "as dust", "ignored": "to be left", "left": "not sold"}
    counts = ", ".join(f"{kinds[kind]} {word}" for kind, word in words.items() if kinds[kind])
    return _tile("Left unsold", in_btc(read_amount(unsold["btc_value"])), counts or _usd_or_nothing(unsold))


def _usd_or_nothing(values: dict[str, Any]) -> str:
    return "" if values["usd_value"] is None else in_usd(read_amount(values["usd_value"]))


def time_to_settle(report: dict[str, Any]) -> float | None:
    """Return the seconds from the sale, or else of waiting; ``None`` if it has not settled."""
    settling = report["settling"]
    if report["status"] == "not_settled":
        return None
    took: float | None = settling["since_sale_seconds"]
    return settling["waited_seconds"] if took is None and report["after"] else took


def _time_tile(report: dict[str, Any]) -> dict[str, str]:
    settling = report["settling"]
    reads = settling["reads"]
    polls = f"{reads} {'poll' if reads == 1 else 'polls'}" if reads else ""
    if report["status"] == "not_settled" and settling["waited_seconds"] is not None:
        return _tile("Time waited", describe_duration(settling["waited_seconds"]), "until the last poll", polls)
    if time_to_settle(report) is None:
        return _tile("Time to settle", UNKNOWN, "not known")
    since = "of waiting" if settling["since_sale_seconds"] is None else "from the sale"
    return _tile("Time to settle", describe_duration(time_to_settle(report)), since, polls)


def _requests_tile(report: dict[str, Any]) -> dict[str, str]:
    requests = report["requests"]
    parts = {"sale": requests["liquidation"], "wait": requests["settlement"]}
    detail = ", ".join(f"{name} {number if number else 'not recorded'}" for name, number in parts.items())
    if not any(parts.values()):
        return _tile("Requests", UNKNOWN, "not recorded")
    if requests["total"] is None:
        return _tile("Requests", UNKNOWN, detail)
    return _tile("Requests", str(requests["total"]), detail)


def _asset(row: dict[str, Any]) -> dict[str, Any]:
    notes = {"dust": "left as dust", "ignored": "left on purpose", "left": "not sold"}
    note = "target" if row["target"] else notes.get(row["left"] or "", "")
    return {
        "currency": one_line(row["currency"]),
        "note": note,
        "before": _amounts(row["before"]),
        "after": _amounts(row["after"]),
    }


def _unsold_item(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "currency": one_line(item["currency"]),
        "amount": short(read_amount(item["amount"])),
        "value": [in_btc(read_amount(item["btc_value"])), _usd_or_nothing(item)],
        "why": item["why"],
    }


def _amounts(side: dict[str, Any] | None) -> list[str] | None:
    """Return amount, value in BTC and value in USD."""
    if side is None:
        return None
    amount, btc, usd = (read_amount(side[name]) for name in ("amount", "btc_value", "usd_value"))
    if amount == btc == 0:
        return ["0", "", ""]
    on_orders = read_amount(side.get("on_orders"))
    suffix = f" ({short(on_orders)} in orders)" if on_orders else ""
    return [short(amount) + suffix, in_btc(btc), in_usd(usd)]


def _btc(values: dict[str, Any] | None) -> str:
    return UNKNOWN if values is None or values["btc_value"] is None else in_btc(read_amount(values["btc_value"]))


def _details(report: dict[str, Any]) -> list[list[str]]:
    sale, settling, before = report["sale"], report["settling"], report["before"] or {}
    stopped, dust = one_line(describe_counts(sale["stopped"])), report["unsold"]["dust_btc"]
    details = [
        ["Sale", _OUTCOMES[sale["outcome"]]],
        ["Baseline read", _time_or_nothing(before.get("at"))],
        ["Sale sent", _time_or_nothing(sale["sent_at"])],
        ["Outcome known", _time_or_nothing(sale["decided_at"])],
        ["Request id", one_line(sale["request_id"] or "")],
        ["Stopped by the sale" if sale["outcome"] in SOLD else "Running before", stopped],
        ["Settled", _time_or_nothing(settling["settled_at"])],
        ["Had to stay settled", _stability(settling)],
        ["Dust limit", f"{short(read_amount(dust))} BTC" if dust is not None else ""],
    ]
    return [[name, text] for name, text in details if text]


def _stability(settling: dict[str, Any]) -> str:
    """Return for how long the account had to stay settled; empty where two polls or so were enough."""
    if not settling["stable_for"]:
        return ""
    reads = settling["stable_reads"]
    polls = f", in {reads} polls in a row or more" if reads else ""
    return f"for {describe_duration(settling['stable_for'])}{polls}"


def _time_or_nothing(at: str | None) -> str:
    return times.format_timestamp(at) if at else ""
