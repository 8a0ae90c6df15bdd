"""A report as Markdown, for a chat, an issue or a mail."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from airflow_provider_3commas.printable import one_line
from airflow_provider_3commas.report.texts import UNKNOWN, describe, describe_fleet

# What means something in the middle of a line, in CommonMark or in GitHub's dialect.
_SPECIAL = re.compile(r"[\\`*_\[\]<>|~&@#$]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# What becomes a link without any markup, also after all escapes are resolved, unless a joiner is put in.
_LINK = re.compile(r"[@#]|/(?=/)|www(?=\.)|(?<=\w)\.(?=[^\W\d])", re.IGNORECASE)
# What begins an item of a list or underlines a heading, where it is first in its line.
_ITEM = re.compile(r"^(\d{0,9})([.)](?=\s|$)|[-+=](?=[-+=\s]|$))")
_ISOLATE, _END, _JOINER = "\u2068", "\u2069", "\u2060"


def render_markdown(report: dict[str, Any]) -> str:
    """Render a report as Markdown, with tables as GitHub has them.

    :param report: what ``build_report`` or ``build_fleet_report`` returned.
    :return: Markdown.
    """
    if report["kind"] == "fleet":
        return _fleet(report)
    return _account(report, "#")


def _account(report: dict[str, Any], heading: str) -> str:
    shown = describe(report)
    blocks = [
        f"{heading} Liquidation of {as_markdown(shown['title'])}",
        f"**{shown['status']}** · {as_markdown(shown['subtitle'])}",
        _escape(shown["headline"]),
    ]
    if shown["tiles"]:
        blocks.append(_tiles(shown["tiles"]))
    if shown["assets"]:
        rows = [
            [as_markdown(row["currency"]), _escape(row["note"]), *_amounts(row["before"]), *_amounts(row["after"])]
            for row in shown["assets"]
        ]
        columns = ["Asset", "", "Before", "in BTC", "in USD", "After", "in BTC", "in USD"]
        blocks += [f"{heading}# By asset", _table(columns, rows, right=2)]
    if shown["unsold"]:
        rows = [
            [as_markdown(item["currency"]), item["amount"], *item["value"], _escape(item["why"])]
            for item in shown["unsold"]
        ]
        blocks += [
            f"{heading}# What was not sold, and why",
            _table(["Asset", "Amount", "in BTC", "in USD", "Why"], rows),
        ]
    if shown["curve"]:
        blocks += [f"{heading}# Value left unsold over time", _table(["Time", "Left unsold"], shown["curve"], right=1)]
    blocks += [
        f"{heading}# Details",
        "\n".join(f"- {name}: {as_markdown(text)}" for name, text in shown["details"]),
    ]
    for title, texts in (("Evidence", shown["evidence"]), ("Notes", shown["notes"])):
        if texts:
            blocks += [f"{heading}# {title}", "\n".join(f"- {as_markdown(text)}" for text in texts)]
    return "\n\n".join(blocks) + "\n"


def _fleet(fleet: dict[str, Any]) -> str:
    shown = describe_fleet(fleet)
    columns = ["Account", "Status", "Before", "After", "Slippage", "Left unsold", "Time"]
    rows = [
        [
            f"{as_markdown(row['title'])}, {as_markdown(row['subtitle'])}",
            f"**{row['status']}**" + (f": {as_markdown(row['why'])}" if row["why"] else ""),
            *(row[name] for name in ("before", "after", "slippage", "unsold", "time")),
        ]
        for row in shown["rows"]
    ]
    blocks = [
        "# Liquidation of a fleet",
        f"{shown['headline']}",
        shown["statuses"] or "No account",
        _tiles(shown["tiles"]),
        "## Accounts",
        _table(columns, rows, right=2),
    ]
    return "\n\n".join(blocks) + "\n\n" + "\n".join(_account(report, "##") for report in fleet["accounts"])


def _tiles(tiles: list[dict[str, str]]) -> str:
    return _table(["", "", ""], [[tile["label"], f"**{tile['value']}**", tile["detail"]] for tile in tiles])


def _table(columns: list[str], rows: list[list[str]], right: int = 9) -> str:
    """Return a table; columns from ``right`` on are aligned to the right."""
    marks = ["---" if number < right else "---:" for number in range(len(columns))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, marks, *rows))


def _amounts(texts: list[str] | None) -> list[str]:
    return texts if texts else [UNKNOWN] * 3


def as_markdown(text: str) -> str:
    """Escape text from outside, so that Markdown shows nothing but text, which keeps its direction to itself.

    :param text: e.g. what people call an account.
    :return: one line of Markdown without markup or links, nor anything that would become one.
    """
    escaped = _escape(text)
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL", "AN") for letter in text)
    return f"{_ISOLATE}{escaped}{_END}" if turns else escaped


def _escape(text: str) -> str:
    escaped = _SPECIAL.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), one_line(text).strip())
    return _ITEM.sub(r"\1\\\2", _LINK.sub(lambda found: found[0] + _JOINER, escaped))
