"""Whatever people or exchanges call things, Markdown shows it as text: read with a real parser, linkifier included."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_3commas.printable import one_line
from airflow_provider_3commas.report import as_markdown, build_fleet_report, build_report, render_markdown
from tests.foreign_text import FOREIGN, HARMLESS, kinds, read, seen, structure
from tests.report.samples import COMPLETE, HOSTILE


@pytest.mark.parametrize("text", ["evil.com", "a@b.com", "mailto:a@b", "http://evil.com", "![a](b)", "# a", "<b>"])
def test_parser_finds_what_is_not_escaped(text):
    assert not set(kinds(text)) <= HARMLESS


@settings(max_examples=1000, deadline=None)
@given(FOREIGN)
def test_foreign_text_is_text_wherever_it_stands(text):
    escaped = as_markdown(text)

    assert set(kinds(escaped)) <= HARMLESS
    assert read(escaped) == seen(one_line(text).strip())
    assert kinds(f"# {escaped}\n\nx") == [
        "heading_open", "inline", *kinds(escaped)[2:-1], "heading_close", *kinds("x")
    ]  # fmt: skip
    assert kinds(f"- {escaped}\n- x").count("list_item_open") == 2
    assert kinds(f"| a | b |\n|---|---|\n| {escaped} | x |").count("td_open") == 2


@given(FOREIGN)
def test_foreign_text_calls_nobody_and_is_no_formula(text):
    # GitHub turns @name and #1 into links, and what is between two dollars into a formula, after all else.
    assert not re.search(r"[@#](?!\u2060)|(?<!\\)\$", re.sub(r"&#?\w+;", "", as_markdown(text)))


_XCOM_TEXTS = (
    ("holdings_before", "account_name"),
    ("holdings_before", "exchange_name"),
    ("liquidation", "reason"),
    ("liquidation", "request_id"),
    ("liquidation", "mode"),
)


def report_with(text: str, outcome: str) -> dict:
    """Return a report in which every text from outside is this one."""
    xcoms = {name: dict(value) if isinstance(value, dict) else value for name, value in COMPLETE.items()}
    for name, field in _XCOM_TEXTS:
        xcoms[name][field] = text
    xcoms["holdings_before"]["holdings"] = [{**xcoms["holdings_before"]["holdings"][0], "currency": text or "ETH"}]
    xcoms["holdings_before"]["entities"] = {f"active_{text}_count": 3}
    xcoms["liquidation"] |= {"evidence": [text, text], "outcome": outcome}
    xcoms["settlement"]["residual"] = [{**xcoms["settlement"]["residual"][0], "currency": text or "ETH"}]
    return build_report(**xcoms)


@settings(max_examples=200, deadline=None)
@given(FOREIGN.filter(lambda text: seen(one_line(text))), st.sampled_from(["accepted", "unknown", "refused"]))
def test_foreign_text_changes_nothing_of_a_report_but_words(text, outcome):
    foreign, plain = report_with(text, outcome), report_with("plain", outcome)

    assert structure(render_markdown(foreign)) == structure(render_markdown(plain))
    fleets = [render_markdown(build_fleet_report([report, report])) for report in (foreign, plain)]
    assert structure(fleets[0]) == structure(fleets[1])


def test_hostile_text_of_all_kinds_changes_nothing_but_words():
    assert structure(render_markdown(report_with(HOSTILE, "unknown"))) == structure(
        render_markdown(report_with("plain", "unknown"))
    )
