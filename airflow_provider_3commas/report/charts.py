"""Charts as inline SVG that stay readable at any width: positions in percent, letters in pixels.

Measured here; drawn here for the report's page, and by ``plugins/static/charts.js`` for the tab. No text from an XCom
gets in unescaped, and every chart has a title, a description and a table beside it.
"""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import Any

from airflow_provider_3commas.in_words import describe_duration
from airflow_provider_3commas.money import difference, grouped, in_btc, plain_or_none, read_amount, scaled, short, total
from airflow_provider_3commas.printable import one_line

#: Assets that get a bar of their own; the rest share one.
MAX_BARS = 8
_MAX_LABEL = 14
_ROW_HEIGHT, _TOP_MARGIN, _BAR_HEIGHT = 50, 4, 9
_PLOT_TOP, _PLOT_HEIGHT, _CURVE_HEIGHT = 22, 140, 186
_ROUND_NUMBERS = tuple(map(Decimal, ("1", "1.2", "1.5", "2", "2.5", "3", "4", "5", "6", "8", "10")))


def holdings_chart(report: dict[str, Any], prefix: str) -> str:
    """Draw what the account held before and after, by asset; empty if nothing is known.

    ``prefix`` makes the ids in the drawing unique in the page.
    """
    shape = holdings_shape(report)
    if shape is None:
        return ""
    parts = []
    for number, bar in enumerate(shape["bars"]):
        top = _TOP_MARGIN + number * _ROW_HEIGHT
        parts.append(
            f'<text class="tc-name" x="0" y="{top + 13}">{escape(bar["label"])}</text>'
            f'<text class="tc-value" x="100%" y="{top + 13}" text-anchor="end">{escape(bar["text"])}</text>'
            f"{_draw_bar('before', top + 19, bar['before'])}"
            f"{_draw_bar('after', top + 19 + _BAR_HEIGHT + 2, bar['after'])}"
        )
    height = _TOP_MARGIN + len(shape["bars"]) * _ROW_HEIGHT - 8
    return _svg(prefix, "Holdings before and after", shape["description"], height, "".join(parts))


def _draw_bar(side: str, top: int, percent: str | None) -> str:
    if percent is None:
        return ""
    bar = f'<rect class="tc-{side}" x="0" y="{top}" width="{percent}%" height="{_BAR_HEIGHT}" rx="2"/>'
    # A sliver of fixed width keeps what is not zero in sight.
    sliver = f'<rect class="tc-{side}" x="0" y="{top}" width="2" height="{_BAR_HEIGHT}"/>'
    return bar if percent == "0" else sliver + bar


def holdings_shape(report: dict[str, Any]) -> dict[str, Any] | None:
    """Measure the bars: label, text, and the lengths in percent (``None`` where nothing is known)."""
    sides = [side for side in ("before", "after") if report[side] is not None]
    rows = [(_label(row["currency"]), {side: _btc_value(row[side]) for side in sides}) for row in report["assets"]]
    if len(rows) > MAX_BARS:
        rest = rows[MAX_BARS - 1 :]
        others: dict[str, Decimal | None] = {side: total(values[side] for _, values in rest) for side in sides}
        rows = [*rows[: MAX_BARS - 1], (f"{len(rest)} others", others)]
    largest = max((value for _, values in rows for value in values.values() if value is not None), default=Decimal(0))
    if largest <= 0:
        return None
    bars = [_bar(label, values, largest) for label, values in rows]
    description = "Value in BTC by asset. " + " ".join(f"{bar['label']}: {bar['text']}." for bar in bars)
    return {"bars": bars, "sides": sides, "description": description}


def _label(currency: str) -> str:
    label = one_line(currency)
    return label if len(label) <= _MAX_LABEL else label[: _MAX_LABEL - 1] + "…"


def _btc_value(side: dict[str, Any] | None) -> Decimal | None:
    return read_amount(side["btc_value"]) if side else None


def _bar(label: str, values: dict[str, Decimal | None], largest: Decimal) -> dict[str, Any]:
    known = [value for value in values.values() if value is not None]
    return {
        "label": label,
        "text": " → ".join(grouped(value, 8 if value else 0) for value in known) + " BTC",
        "before": _percent(values.get("before"), largest),
        "after": _percent(values.get("after"), largest),
    }


def _percent(value: Decimal | None, largest: Decimal) -> str | None:
    return None if value is None else plain_or_none(scaled(max(value, Decimal(0)), Decimal(100), largest, 3))


def curve_chart(report: dict[str, Any], prefix: str) -> str:
    """Draw the value left unsold over time; empty if nothing is known. ``prefix``: see ``holdings_chart``."""
    shape = curve_shape(report)
    if shape is None:
        return ""
    levels = ((_PLOT_TOP, shape["top"]), (_PLOT_TOP + _PLOT_HEIGHT // 2, shape["middle"]))
    grid = "".join(f'<line class="tc-grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>' for y, _ in levels)
    scale = "".join(f'<text class="tc-tick" x="0" y="{y - 4}">{text}</text>' for y, text in levels)
    base = _PLOT_TOP + _PLOT_HEIGHT
    plot = (
        f'<svg x="0" y="{_PLOT_TOP}" width="100%" height="{_PLOT_HEIGHT}" viewBox="0 0 10000 10000" '
        f'preserveAspectRatio="none"><path class="tc-area" d="{shape["line"]} V10000 H{shape["start"]} Z"/>'
        f'<path class="tc-line" d="{shape["line"]}" vector-effect="non-scaling-stroke"/></svg>'
        f'<line class="tc-axis" x1="0" x2="100%" y1="{base}" y2="{base}"/>'
    )
    ticks = "".join(
        f'<text class="tc-tick" x="{x}" y="{base + 16}" text-anchor="{anchor}">{escape(text)}</text>'
        for x, anchor, text in (("0", "start", "0 s"), ("50%", "middle", shape["half"]), ("100%", "end", shape["end"]))
    )
    return _svg(prefix, "Value left unsold over time", shape["description"], _CURVE_HEIGHT, grid + plot + scale + ticks)


def curve_shape(report: dict[str, Any]) -> dict[str, Any] | None:
    """Measure the curve: its path and labels; ``None`` if there is nothing to draw."""
    points = [(int(seconds * 10 + 0.5), read_amount(value)) for seconds, value in report["settling"]["curve"]]
    known = [(tenths, value) for tenths, value in points if value is not None]
    if not known or known[-1][0] == 0:
        return None
    end = known[-1][0]
    top = ceiling(max(value for _, value in known))
    path: list[str] = []
    for tenths, value in known:
        x = scaled(Decimal(tenths), Decimal(10000), Decimal(end), 0)
        y = difference(Decimal(10000), scaled(max(value, Decimal(0)), Decimal(10000), top, 0))
        path.append(f"H{plain_or_none(x)} V{plain_or_none(y)}" if path else f"M{plain_or_none(x)} {plain_or_none(y)}")
    since = "the sale" if report["settling"]["curve_from"] == "sale" else "the beginning of the wait"
    first, last = in_btc(known[0][1]), in_btc(known[-1][1])
    return {
        "line": " ".join(path),
        "start": path[0][1:].partition(" ")[0],
        "top": f"{short(top)} BTC",
        "middle": f"{short(scaled(top, Decimal(1), Decimal(2), 40))} BTC",
        "half": describe_duration(end / 20),
        "end": describe_duration(end / 10),
        "caption": f"BTC; time since {since}",
        "description": f"From {first} to {last}, {describe_duration(end / 10)} after {since}.",
    }


def ceiling(value: Decimal) -> Decimal:
    """Return a round number to end an axis with: at least the value, 1 for zero."""
    if value <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(value.adjusted())
    return next(step * power for step in _ROUND_NUMBERS if step * power >= value)


def _svg(prefix: str, title: str, description: str, height: int, content: str) -> str:
    return (
        f'<svg class="tc-chart" role="img" aria-labelledby="{prefix}-t {prefix}-d" width="100%" height="{height}">'
        f'<title id="{prefix}-t">{escape(title)}</title>'
        f'<desc id="{prefix}-d">{escape(description)}</desc>{content}</svg>'
    )
