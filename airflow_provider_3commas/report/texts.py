"""A report in words: every text that people get to see, whatever it is rendered to."""

from __future__ import annotations

from typing import Any

from airflow_provider_3commas.in_words import describe_counts, describe_duration
from airflow_provider_3commas.money import grouped, in_btc, in_usd, read_amount, short, signed
from airflow_provider_3commas.report import times
from airflow_provider_3commas.report.status import STATUSES
from airflow_provider_3commas.report.xcoms import one_line, visible

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
# Of a reason, in a row of a table; the report of the account has the whole of it.
_MOST_OF_A_REASON = 160
#: Stands where a number is not known.
NOTHING = "\N{EM DASH}"
#: Ends every report that is drawn.
FOOTER = (
    "Values are those of the account in 3Commas at the times given. Slippage counts fees, spreads and whatever prices "
    "did while it sold; deposits and withdrawals would count too."
)


def describe(report: dict[str, Any]) -> dict[str, Any]:
    """Write everything that is shown about one account.

    :param report: the report of one account.
    :return: texts; those from outside are not escaped yet.
    """
    account, (status, tone) = report["account"], STATUSES[report["status"]]
    return {
        "title": title(account),
        "subtitle": _subtitle(report),
        "status": status,
        "tone": tone,
        "headline": report["headline"],
        "tiles": _tiles(report),
        "assets": [_asset(row) for row in report["assets"]],
        "unsold": [
            {
                "currency": visible(item["currency"]),
                "amount": short(read_amount(item["amount"])),
                "value": [in_btc(read_amount(item["btc_value"])), _usd_or_nothing(item)],
                "why": item["why"],
            }
            for item in report["unsold"]["items"]
        ],
        "curve": [[describe_duration(seconds), in_btc(read_amount(value))] for seconds, value in _curve(report)],
        "details": _details(report),
        "evidence": [one_line(text) for text in report["sale"]["evidence"]],
        "notes": report["notes"],
    }


def describe_fleet(fleet: dict[str, Any]) -> dict[str, Any]:
    """Write everything that is shown about several accounts together.

    :param fleet: what ``build_fleet_report`` returned.
    :return: texts; those from outside are not escaped yet.
    """
    return {**describe_totals(fleet["totals"]), "rows": [fleet_row(report) for report in fleet["accounts"]]}


def describe_totals(totals: dict[str, Any]) -> dict[str, Any]:
    """Write what is shown about several accounts beside their rows."""
    count = totals["accounts"]
    return {
        "headline": f"{totals['settled']} of {count} {'account' if count == 1 else 'accounts'} settled.",
        "statuses": ", ".join(
            f"{number} {STATUSES[status][0].lower()}" for status, number in sorted(totals["statuses"].items())
        ),
        "tiles": [
            _tile("Before", *_two_lines(totals["before"]), _of(totals["before"], count)),
            _tile("After", *_two_lines(totals["after"]), _of(totals["after"], count)),
            _tile("Left unsold", *_two_lines(totals["unsold"]), _of(totals["unsold"], count)),
        ],
        "totals": {
            "title": f"All {count}",
            "status": f"{totals['settled']} settled",
            **{
                name: [_two_lines(totals[name])[0], f"{totals[name]['known']} of {count}"]
                for name in ("before", "after", "unsold")
            },
        },
    }


def fleet_row(report: dict[str, Any]) -> dict[str, str]:
    """Write one account's line in the table of a fleet.

    :param report: the report of one account.
    :return: its cells.
    """
    status, tone = STATUSES[report["status"]]
    return {
        "title": title(report["account"]),
        "subtitle": _fleet_subtitle(report),
        "status": status,
        "tone": tone,
        "why": _why(report),
        "before": _cell(report["before"]),
        "after": _cell(report["after"]),
        "slippage": _percent(report, "percent_of_sold"),
        "unsold": _cell(report["unsold"]),
        "time": _dash(describe_duration(time_to_settle(report))),
    }


def _why(report: dict[str, Any]) -> str:
    """Say in a row of a fleet's table why its account needs a person."""
    reason = report["sale"]["reason"] if report["status"] in ("failed", "outcome_unknown") else None
    if not reason:
        return ""
    said = {"refused": "Refused: ", "not_sent": "Not sent: ", "rejected": "Refused by 3Commas: "}
    return one_line(said.get(report["sale"]["outcome"], "") + reason, _MOST_OF_A_REASON)


def title(account: dict[str, Any]) -> str:
    """Call an account by its name, or else by its id."""
    return visible(account["name"] or (f"Account {account['id']}" if account["id"] else "Unknown account"))


def _subtitle(report: dict[str, Any]) -> str:
    account = report["account"]
    parts = [
        visible(account["exchange"] or ""),
        f"account {account['id']}" if account["id"] and account["name"] else "",
        f"{visible(account['mode'])} mode" if account["mode"] else "",
        f"into {report['target']}",
    ]
    return " · ".join(part for part in parts if part)


def _fleet_subtitle(report: dict[str, Any]) -> str:
    account = report["account"]
    parts = [
        visible(account["exchange"] or ""),
        str(account["id"] or ""),
        "paper" if account["mode"] == "paper" else "",
    ]
    return " · ".join(part for part in parts if part)


def _tiles(report: dict[str, Any]) -> list[dict[str, str]]:
    tiles = [
        _tile("Value before", *_two_lines(report["before"])),
        _tile("Value after", *_two_lines(report["after"])),
        _slippage_tile(report),
        _unsold_tile(report),
        _time_tile(report),
        _requests_tile(report),
    ]
    return tiles if any(tile["value"] != NOTHING for tile in tiles) else []


def _tile(label: str, value: str, *details: str) -> dict[str, str]:
    return {"label": label, "value": value, "detail": " · ".join(detail for detail in details if detail)}


def _two_lines(values: dict[str, Any] | None) -> tuple[str, str]:
    if values is None or (values["btc_value"] is None and values["usd_value"] is None):
        return NOTHING, "not known"
    return in_btc(read_amount(values["btc_value"])), _usd_or_nothing(values)


def _of(part: dict[str, Any], count: int) -> str:
    return "" if part["known"] in (0, count) else f"known of {part['known']} of {count}"


def _slippage_tile(report: dict[str, Any]) -> dict[str, str]:
    slippage = report["slippage"]
    if slippage is None:
        return _tile("Slippage", NOTHING, "not known")
    change = read_amount(slippage["change"])
    value = in_btc(change) if slippage["unit"] == "BTC" else in_usd(change)
    if slippage["percent_of_sold"] is None:
        return _tile("Slippage", signed(value), f"{_percent(report, 'percent_of_account')} of the account")
    return _tile("Slippage", _percent(report, "percent_of_sold"), f"{signed(value)}, of what was sold")


def _percent(report: dict[str, Any], name: str) -> str:
    percent = read_amount((report["slippage"] or {}).get(name))
    return NOTHING if percent is None else signed(f"{grouped(percent, 2)} %")


def _unsold_tile(report: dict[str, Any]) -> dict[str, str]:
    unsold, items = report["unsold"], report["unsold"]["items"]
    if unsold["btc_value"] is None and not items:
        return _tile("Left unsold", NOTHING, "not known")
    kinds = [(kind, sum(item["kind"] == kind for item in items)) for kind in ("dust", "ignored", "left")]
    words = {"dust": "as dust", "ignored": "to be left", "left": "not sold"}
    counts = ", ".join(f"{number} {words[kind]}" for kind, number in kinds if number)
    return _tile("Left unsold", in_btc(read_amount(unsold["btc_value"])), counts or _usd_or_nothing(unsold))


def _usd_or_nothing(values: dict[str, Any]) -> str:
    return "" if values["usd_value"] is None else in_usd(read_amount(values["usd_value"]))


def time_to_settle(report: dict[str, Any]) -> float | None:
    """Return how many seconds it took; ``None`` where it has not settled."""
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
        return _tile("Time to settle", NOTHING, "not known")
    since = "of waiting" if settling["since_sale_seconds"] is None else "from the sale"
    return _tile("Time to settle", describe_duration(time_to_settle(report)), since, polls)


def _requests_tile(report: dict[str, Any]) -> dict[str, str]:
    requests = report["requests"]
    parts = {"sale": requests["liquidation"], "wait": requests["settlement"]}
    detail = ", ".join(f"{name} {number if number else 'not recorded'}" for name, number in parts.items())
    if not any(parts.values()):
        return _tile("Requests", NOTHING, "not recorded")
    if requests["total"] is None:
        return _tile("Requests", NOTHING, detail)
    return _tile("Requests", str(requests["total"]), detail)


def _asset(row: dict[str, Any]) -> dict[str, Any]:
    notes = {"dust": "left as dust", "ignored": "left on purpose", "left": "not sold"}
    note = "target" if row["target"] else notes.get(row["left"] or "", "")
    return {
        "currency": visible(row["currency"]),
        "note": note,
        "before": _amounts(row["before"]),
        "after": _amounts(row["after"]),
    }


def _amounts(side: dict[str, Any] | None) -> list[str] | None:
    """Return amount, value in BTC and value in USD."""
    if side is None:
        return None
    amount, btc, usd = (read_amount(side[name]) for name in ("amount", "btc_value", "usd_value"))
    if amount == btc == 0:
        return ["0", "", ""]
    tied = read_amount(side.get("on_orders"))
    orders = f" ({short(tied)} in orders)" if tied else ""
    return [short(amount) + orders, in_btc(btc), in_usd(usd)]


def _cell(values: dict[str, Any] | None) -> str:
    return NOTHING if values is None or values["btc_value"] is None else in_btc(read_amount(values["btc_value"]))


def _dash(text: str) -> str:
    return NOTHING if text == "?" else text


def _curve(report: dict[str, Any]) -> list[list[Any]]:
    points: list[list[Any]] = report["settling"]["curve"]
    return points


def _details(report: dict[str, Any]) -> list[list[str]]:
    sale, settling, before = report["sale"], report["settling"], report["before"]
    found = [
        ["Sale", _OUTCOMES[sale["outcome"]]],
        ["Baseline read", _when(before and before["at"])],
        ["Sale sent", _when(sale["sent_at"])],
        ["Outcome known", _when(sale["decided_at"])],
        ["Request id", visible(sale["request_id"] or "")],
        ["Stopped by the sale" if _was_sold(report) else "Running before", visible(describe_counts(sale["stopped"]))],
        ["Settled", _when(settling["settled_at"])],
        ["Dust limit", _dust(report)],
    ]
    return [[name, text] for name, text in found if text]


def _was_sold(report: dict[str, Any]) -> bool:
    return report["sale"]["outcome"] in ("accepted", "reconciled", "recorded")


def _when(at: str | None) -> str:
    return times.moment(at) if at else ""


def _dust(report: dict[str, Any]) -> str:
    limit = report["unsold"]["dust_btc"]
    return f"{short(read_amount(limit))} BTC" if limit is not None else ""
