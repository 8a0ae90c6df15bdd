"""The page and the Markdown: complete, harmless whatever the data, and readable without seeing the charts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_3commas.printable import one_line
from airflow_provider_3commas.report import build_fleet_report, build_report, render_html, render_markdown
from airflow_provider_3commas.report.texts import describe
from tests.report.samples import BEFORE, COMPLETE, FACTS, HOSTILE, LEFT, SETTLEMENT, damaged

_VOID = {"meta", "br"}
_TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "div", "h1", "h2", "h3", "p", "bdi", "span", "dl",
    "dt", "dd", "br", "section", "figure", "figcaption", "svg", "desc", "text", "rect", "line", "path",
    "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "a", "footer",
}  # fmt: skip


class Page(HTMLParser):
    """Check that a page is well-formed, and collect what is in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def hostile() -> dict:
    xcoms = json.loads(json.dumps(COMPLETE))
    xcoms["holdings_before"] |= {"account_name": HOSTILE, "exchange_name": HOSTILE}
    xcoms["holdings_before"]["holdings"][2]["currency"] = HOSTILE
    xcoms["holdings_before"]["entities"][f"active_{HOSTILE}_count"] = 3
    xcoms["settlement"]["residual"][0]["currency"] = HOSTILE
    xcoms["liquidation"] |= {"mode": HOSTILE, "request_id": HOSTILE, "evidence": [HOSTILE]}
    return build_report(**xcoms)


@pytest.mark.parametrize("report", [hostile(), build_fleet_report([hostile(), hostile()])], ids=["account", "fleet"])
def test_hostile_text_is_only_text_in_html(report):
    page = Page(render_html(report))

    assert page.tags <= _TAGS
    assert not [name for _, name, _ in page.attributes if name.startswith("on") or name in ("src", "style")]
    assert {value[0] for _, name, value in page.attributes if name == "href"} <= {"#"}
    assert one_line(HOSTILE) in page.text
    assert "\u202e" not in page.text


def test_hostile_text_is_only_text_in_markdown():
    text = render_markdown(hostile())

    assert "<" not in text
    assert not re.search(r"(?<!\\)[\[\]`]", text)
    assert not re.search(r"[^\\]\]\(", text)
    assert "\u202e" not in text
    # Tables keep their columns: a bar in a name does not make another.
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert rows
    for row in rows:
        assert len(re.findall(r"(?<!\\)\|", row)) in (3, 4, 6, 9), row


def test_a_name_from_right_to_left_turns_nothing_else():
    name = "\u05d7\u05e9\u05d1\u05d5\u05df 7"
    report = build_report(**{**COMPLETE, "holdings_before": {**BEFORE, "account_name": name}})

    assert f"# Liquidation of \u2068{name}\u2069\n" in render_markdown(report)
    assert f"<bdi>{name}</bdi>" in render_html(report)
    assert "\u2068" not in render_markdown(build_report(**COMPLETE))


def test_page_needs_nothing_else_and_runs_nothing():
    text = render_html(build_report(**COMPLETE))
    page = Page(text)

    assert not page.tags & {"script", "link", "img", "iframe", "object", "use", "image"}
    assert "://" not in text
    assert "@import" not in text
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{allowed}'" in text
    assert "url(" not in style


def test_charts_can_be_read_without_being_seen():
    text = render_html(build_fleet_report([build_report(**COMPLETE), build_report(**COMPLETE)]))
    page = Page(text)

    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    named = [value.split() for _, name, value in page.attributes if name == "aria-labelledby"]
    assert len(named) == 4
    assert all(set(names) <= set(ids) for names in named)
    assert sum(1 for _, name, value in page.attributes if (name, value) == ("role", "img")) == 4
    # What the curve shows stands in a table too, and so do the holdings.
    assert page.text.count("Left unsold") >= 3
    assert "1 min 5 s" in page.text


def test_page_is_for_light_and_dark_and_for_phones():
    text = render_html(build_report(**COMPLETE))

    assert "prefers-color-scheme: dark" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "max-width: 620px" in text


def test_markdown_has_every_section_of_a_complete_liquidation():
    text = render_markdown(build_report(**COMPLETE))

    assert text.startswith("# Liquidation of Main\n")
    assert "| Slippage | **\N{MINUS SIGN}0.33 %** | \N{MINUS SIGN}0.00196000 BTC, of what was sold |" in text
    assert "| DOGE | left as dust | 12 | 0.00004000 BTC | 2.40 USD | 12 | 0.00004000 BTC | 2.40 USD |" in text
    assert "- Stopped by the sale: 2 bots, 1 deal\n" in text


@pytest.mark.parametrize(
    "missing", [[], ["settlement", "history"], ["holdings_before"], ["liquidation"], list(COMPLETE)]
)
def test_notes_on_what_is_missing_are_in_every_rendering(missing):
    report = build_report(**{name: xcom for name, xcom in COMPLETE.items() if name not in missing})
    page, text = Page(render_html(report)).text, render_markdown(report)

    for note in report["notes"]:
        assert note in page
        assert note.split("(")[0].split("_")[0] in text
    assert report["headline"] in page


def test_more_assets_than_bars_share_one():
    residual = [{"currency": f"C{number}", "amount": "1", "btc_value": "0.00001"} for number in range(20)]
    xcoms = {**COMPLETE, "settlement": {**SETTLEMENT, "residual": residual}}
    page = Page(render_html(build_report(**xcoms)))

    assert "17 others" in page.text


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["1.5", "-2e-7", "9e39", "ETH"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("currency"), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(xcoms=st.fixed_dictionaries(dict.fromkeys(COMPLETE, _VALUES)))
def test_no_xcom_breaks_the_report(xcoms):
    report = build_report(**xcoms)
    json.dumps(report)
    for text in (render_html(report), render_markdown(report), render_html(build_fleet_report([report, report]))):
        text.encode()


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_no_damage_to_an_xcom_breaks_the_report(seed):
    report = build_report(**damaged(seed))
    assert Page(render_html(report)).tags <= _TAGS
    render_markdown(report).encode()


def test_wait_that_failed_has_no_time_to_settle():
    xcoms = {**COMPLETE, "settlement": None, "facts": {**FACTS, "result": LEFT}}
    report = build_report(**xcoms, settlement_state="failed")
    tiles = {tile["label"]: (tile["value"], tile["detail"]) for tile in describe(report)["tiles"]}

    assert "Time to settle" not in tiles
    assert tiles["Time waited"] == ("2 min", "until the last poll \u00b7 5 polls")
    assert tiles["Left unsold"] == ("0.10000000 BTC", "1 as dust, 1 not sold")
    assert "not sold" in render_markdown(report)
