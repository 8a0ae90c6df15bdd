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

# Field, name and class; a phone has no room for the wide ones.
_FLEET_COLUMNS = [
    ("before", "Before", "tc-right tc-wide"),
    ("after", "After", "tc-right"),
    ("slippage", "Slippage", "tc-right tc-wide"),
    ("unsold", "Left unsold", "tc-right tc-wide"),
    ("time", "Time", "tc-right tc-wide"),
]


def render_html(report: dict[str, Any]) -> str:
    """Render a report as a page that needs nothing else.

    :param report: what ``build_report`` or ``build_fleet_report`` returned.
    :return: a HTML document.
    """
    if report["kind"] == "fleet":
        return _page("Liquidation of a fleet", _fleet(report))
    shown = describe(report)
    return _page(f"Liquidation of {shown['title']}", _account(report, shown, "a", heading=1))


@cache
def stylesheet() -> str:
    """Return the CSS that the page and Airflow's tab share."""
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
    """Render one account; ``prefix`` makes ids unique in the page, ``heading`` is the level of its heading."""
    level = heading + 1
    charts = _holdings(report, prefix, level) + _curve(report, shown, prefix, level)
    parts = (
        f'<div class="tc-head"><h{heading}><bdi>{escape(shown["title"])}</bdi></h{heading}>{_badge(shown)}</div>',
        f'<p class="tc-sub"><bdi>{escape(shown["subtitle"])}</bdi></p>',
        f'<p class="tc-headline"><bdi>{escape(shown["headline"])}</bdi></p>',
        _tiles(shown["tiles"]),
        f'<div class="tc-charts">{charts}</div>',
        _assets(shown["assets"], level),
        _unsold(shown["unsold"], level),
        _details(shown["details"], level),
        _list("Evidence", shown["evidence"], level),
        _list("Notes", shown["notes"], level),
    )
    return "\n".join(part for part in parts if part)


def _card(title: str, level: int, content: str) -> str:
    return f'<section class="tc-card"><h{level}>{title}</h{level}>{content}</section>'


def _table(columns: list[tuple[str, str]], rows: str, style: str = "") -> str:
    """Render a table of rendered rows; a column is its name and its class."""
    heads = "".join(f'<th scope="col"{_class(column_style)}>{name}</th>' for name, column_style in columns)
    return f"<table{_class(style)}><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""


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


def _holdings(report: dict[str, Any], prefix: str, level: int) -> str:
    chart = holdings_chart(report, f"{prefix}h")
    if not chart:
        return ""
    keys = "".join(
        f'<span class="tc-key tc-key-{name}">{name}</span>' for name in ("before", "after") if report[name] is not None
    )
    figure = f"<figure><figcaption>Value in BTC {keys}</figcaption>{chart}</figure>"
    return _card("Holdings before and after", level, figure)


def _curve(report: dict[str, Any], shown: dict[str, Any], prefix: str, level: int) -> str:
    shape = curve_shape(report)
    if shape is None:
        return ""
    rows = "".join(
        f'<tr><td>{escape(at)}</td><td class="tc-right">{escape(value)}</td></tr>' for at, value in shown["curve"]
    )
    table = _table([("Time", ""), ("Left unsold", "tc-right")], rows)
    return _card(
        "Value left unsold over time",
        level,
        f"<figure><figcaption>{escape(shape['caption'])}</figcaption>{curve_chart(report, f'{prefix}c')}</figure>"
        f"<details><summary>As a table</summary>{table}</details>",
    )


def _assets(assets: list[dict[str, Any]], level: int) -> str:
    if not assets:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><bdi>{escape(row["currency"])}</bdi>{_small(row["note"])}</th>'
        f"{_amounts(row['before'])}{_amounts(row['after'])}</tr>"
        for row in assets
    )
    return _card("By asset", level, _table([("Asset", ""), ("Before", "tc-right"), ("After", "tc-right")], rows))


def _amounts(texts: list[str] | None) -> str:
    amount, *values = texts or [UNKNOWN]
    return f'<td class="tc-right">{escape(amount)}{"".join(map(_small, values))}</td>'


def _small(text: str) -> str:
    return f'<span class="tc-small">{escape(text)}</span>' if text else ""


def _unsold(items: list[dict[str, Any]], level: int) -> str:
    if not items:
        return ""
    rows = "".join(
        f'<tr><th scope="row"><bdi>{escape(item["currency"])}</bdi></th><td class="tc-right">{escape(item["amount"])}'
        f"{''.join(map(_small, item['value']))}</td><td>{escape(item['why'])}</td></tr>"
        for item in items
    )
    table = _table([("Asset", ""), ("Amount", "tc-right"), ("Why", "")], rows)
    return _card("What was not sold, and why", level, table)


def _details(details: list[list[str]], level: int) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd><bdi>{escape(text)}</bdi></dd>" for name, text in details)
    return _card("Details", level, f'<dl class="tc-facts">{rows}</dl>')


def _list(title: str, texts: list[str], level: int) -> str:
    if not texts:
        return ""
    items = "".join(f"<li><bdi>{escape(text)}</bdi></li>" for text in texts)
    return _card(title, level, f"<ul>{items}</ul>")


def _fleet(fleet: dict[str, Any]) -> str:
    shown = describe_fleet(fleet)
    rows = "".join(_fleet_row(number, row) for number, row in enumerate(shown["rows"]))
    columns = [("Account", ""), ("Status", ""), *((name, style) for _, name, style in _FLEET_COLUMNS)]
    accounts = "".join(
        f'<details class="tc-one" id="account-{number}"><summary><bdi>{escape(row["title"])}</bdi></summary>'
        f"{_account(report, describe(report), f'a{number}', heading=2)}</details>"
        for number, (row, report) in enumerate(zip(shown["rows"], fleet["accounts"], strict=True))
    )
    return (
        f'<div class="tc-head"><h1>Liquidation of a fleet</h1></div><p class="tc-sub">{escape(shown["statuses"])}</p>'
        f'<p class="tc-headline">{escape(shown["headline"])}</p>{_tiles(shown["tiles"])}'
        f"{_card('Accounts', 2, _table(columns, rows, 'tc-fleet'))}{accounts}"
    )


def _fleet_row(number: int, row: dict[str, str]) -> str:
    why = f'<span class="tc-small tc-why"><bdi>{escape(row["why"])}</bdi></span>' if row["why"] else ""
    cells = "".join(f'<td class="{style}">{escape(row[field])}</td>' for field, _, style in _FLEET_COLUMNS)
    return (
        f'<tr><th scope="row" class="tc-account"><a href="#account-{number}"><bdi class="tc-clip">'
        f'{escape(row["title"])}</bdi></a><span class="tc-small"><bdi>{escape(row["subtitle"])}</bdi></span></th>'
        f"<td>{_badge(row)}{why}</td>{cells}</tr>"
    )
