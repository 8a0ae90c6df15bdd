"""A report as one HTML page: no script, nothing fetched, light and dark, down to the width of a phone."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from airflow_provider_3commas.report.charts import curve_chart, curve_shape, holdings_chart
from airflow_provider_3commas.report.texts import FOOTER, UNKNOWN, describe, describe_fleet


def render_html(report: dict[str, Any]) -> str:
    """Write a report as a page that needs nothing else.

    :param report: what ``build_report`` or ``build_fleet_report`` returned.
    :return: a HTML document.
    """
    if report["kind"] == "fleet":
        return _page("Liquidation of a fleet", _fleet(report))
    shown = describe(report)
    return _page(f"Liquidation of {shown['title']}", _account(report, shown, "a", heading=1))


@cache
def stylesheet() -> str:
    """Return the style that the page and Airflow's tab share.

    :return: CSS.
    """
    return Path(__file__).with_name("report.css").read_text(encoding="utf-8")


def _page(title: str, body: str) -> str:
    style = stylesheet()
    allowed = b64encode(sha256(style.encode()).digest()).decode()
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{allowed}'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f"<footer>{escape(FOOTER)}</footer>\n</main>\n</body>\n</html>\n"
    )


def _account(report: dict[str, Any], shown: dict[str, Any], prefix: str, *, heading: int) -> str:
    """Write the part about one account.

    :param report: its report.
    :param shown: the same in words.
    :param prefix: begins the ids, unique in the page.
    :param heading: level of its heading.
    """
    below = heading + 1
    return "\n".join(
        part
        for part in (
            f'<div class="tc-head"><h{heading}><bdi>{escape(shown["title"])}</bdi></h{heading}>{_badge(shown)}</div>',
            f'<p class="tc-sub"><bdi>{escape(shown["subtitle"])}</bdi></p>',
            f'<p class="tc-headline"><bdi>{escape(shown["headline"])}</bdi></p>',
            _tiles(shown["tiles"]),
            f'<div class="tc-charts">{_holdings(report, prefix, below)}{_curve(report, shown, prefix, below)}</div>',
            _assets(shown, below),
            _unsold(shown, below),
            _details(shown, below),
            _list("Evidence", shown["evidence"], below),
            _list("Notes", shown["notes"], below),
        )
        if part
    )


def _badge(shown: dict[str, Any]) -> str:
    return f'<span class="tc-badge tc-{shown["tone"]}">{escape(shown["status"])}</span>'


def _tiles(tiles: list[dict[str, str]]) -> str:
    if not tiles:
        return ""
    cells = "".join(
        f'<div><dt>{escape(tile["label"])}</dt><dd><span class="tc-number">{escape(tile["value"])}</span>'
        f'<br><span class="tc-detail">{escape(tile["detail"])}</span></dd></div>'
        for tile in tiles
    )
    return f'<dl class="tc-tiles">{cells}</dl>'


def _holdings(report: dict[str, Any], prefix: str, heading: int) -> str:
    chart = holdings_chart(report, f"{prefix}h")
    if not chart:
        return ""
    keys = "".join(
        f'<span class="tc-key tc-key-{name}">{name}</span>' for name in ("before", "after") if report[name] is not None
    )
    return (
        f'<section class="tc-card"><h{heading}>Holdings before and after</h{heading}>'
        f"<figure><figcaption>Value in BTC {keys}</figcaption>{chart}</figure></section>"
    )


def _curve(report: dict[str, Any], shown: dict[str, Any], prefix: str, heading: int) -> str:
    shape = curve_shape(report)
    if shape is None:
        return ""
    rows = "".join(
        f'<tr><td>{escape(at)}</td><td class="tc-right">{escape(value)}</td></tr>' for at, value in shown["curve"]
    )
    return (
        f'<section class="tc-card"><h{heading}>Value left unsold over time</h{heading}>'
        f"<figure><figcaption>{escape(shape['caption'])}</figcaption>{curve_chart(report, f'{prefix}c')}</figure>"
        f'<details><summary>As a table</summary><table><thead><tr><th scope="col">Time</th>'
        f'<th scope="col" class="tc-right">Left unsold</th></tr></thead><tbody>{rows}</tbody></table></details>'
        "</section>"
    )


def _assets(shown: dict[str, Any], heading: int) -> str:
    if not shown["assets"]:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><bdi>{escape(row["currency"])}</bdi>{_small(row["note"])}</th>'
        f"{_amounts(row['before'])}{_amounts(row['after'])}</tr>"
        for row in shown["assets"]
    )
    return (
        f'<section class="tc-card"><h{heading}>By asset</h{heading}><table><thead><tr><th scope="col">Asset</th>'
        '<th scope="col" class="tc-right">Before</th><th scope="col" class="tc-right">After</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _amounts(texts: list[str] | None) -> str:
    if texts is None:
        return f'<td class="tc-right">{UNKNOWN}</td>'
    amount, *values = (escape(text) for text in texts)
    return f'<td class="tc-right">{amount}{"".join(map(_small, values))}</td>'


def _small(text: str) -> str:
    return f'<span class="tc-small">{text}</span>' if text else ""


def _unsold(shown: dict[str, Any], heading: int) -> str:
    if not shown["unsold"]:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><bdi>{escape(item["currency"])}</bdi></th><td class="tc-right">{escape(item["amount"])}'
        f"{''.join(_small(escape(value)) for value in item['value'])}</td><td>{escape(item['why'])}</td></tr>"
        for item in shown["unsold"]
    )
    return (
        f'<section class="tc-card"><h{heading}>What was not sold, and why</h{heading}><table><thead><tr>'
        '<th scope="col">Asset</th><th scope="col" class="tc-right">Amount</th><th scope="col">Why</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></section>"
    )


def _details(shown: dict[str, Any], heading: int) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd><bdi>{escape(text)}</bdi></dd>" for name, text in shown["details"])
    return f'<section class="tc-card"><h{heading}>Details</h{heading}><dl class="tc-facts">{rows}</dl></section>'


def _list(title: str, texts: list[str], heading: int) -> str:
    if not texts:
        return ""
    items = "".join(f"<li><bdi>{escape(text)}</bdi></li>" for text in texts)
    return f'<section class="tc-card"><h{heading}>{title}</h{heading}><ul>{items}</ul></section>'


def _why(reason: str) -> str:
    return f'<span class="tc-small tc-why"><bdi>{escape(reason)}</bdi></span>' if reason else ""


def _fleet(fleet: dict[str, Any]) -> str:
    shown = describe_fleet(fleet)
    rows = "".join(
        f'<tr><th scope="row" class="tc-account"><a href="#account-{number}"><bdi class="tc-clip">'
        f"{escape(row['title'])}</bdi></a>"
        f'<span class="tc-small"><bdi>{escape(row["subtitle"])}</bdi></span></th>'
        f"<td>{_badge(row)}{_why(row['why'])}</td>"
        f'<td class="tc-right tc-wide">{escape(row["before"])}</td><td class="tc-right">{escape(row["after"])}</td>'
        f'<td class="tc-right tc-wide">{escape(row["slippage"])}</td>'
        f'<td class="tc-right tc-wide">{escape(row["unsold"])}</td>'
        f'<td class="tc-right tc-wide">{escape(row["time"])}</td></tr>'
        for number, row in enumerate(shown["rows"])
    )
    accounts = "".join(
        f'<details class="tc-one" id="account-{number}"><summary><bdi>{escape(row["title"])}</bdi></summary>'
        f"{_account(report, describe(report), f'a{number}', heading=2)}</details>"
        for number, (row, report) in enumerate(zip(shown["rows"], fleet["accounts"], strict=True))
    )
    return (
        f'<div class="tc-head"><h1>Liquidation of a fleet</h1></div><p class="tc-sub">{escape(shown["statuses"])}</p>'
        f'<p class="tc-headline">{escape(shown["headline"])}</p>{_tiles(shown["tiles"])}'
        '<section class="tc-card"><h2>Accounts</h2><table class="tc-fleet"><thead><tr><th scope="col">Account</th>'
        '<th scope="col">Status</th><th scope="col" class="tc-right tc-wide">Before</th>'
        '<th scope="col" class="tc-right">After</th><th scope="col" class="tc-right tc-wide">Slippage</th>'
        '<th scope="col" class="tc-right tc-wide">Left unsold</th><th scope="col" class="tc-right tc-wide">Time</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></section>{accounts}"
    )
