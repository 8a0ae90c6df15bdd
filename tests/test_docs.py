"""Every promise in the documentation names the test that shows it."""

from __future__ import annotations

import re
from collections import Counter

from airflow_provider_3commas.targets import DOLLAR_CURRENCIES
from tests.conftest import ROOT
from tests.hostile_replies import EVERY

PAGE = (ROOT / "docs" / "what-happens-when.md").read_text("utf-8")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[str]:
    table = PAGE.split("## What we can't promise", maxsplit=1)[0]
    return [line for line in table.splitlines() if line.startswith("| ")][1:]


def test_each_row_names_tests_that_exist():
    assert len(rows()) > 30
    for row in rows():
        named = TEST.findall(row.rsplit("|", 2)[1])
        assert named, f"no test shows: {row}"
        for path, name in named:
            assert f"def {name}(" in (ROOT / path).read_text("utf-8"), f"{path} has no {name}"


def test_what_can_not_be_promised_is_said():
    table = PAGE.split("## What we can't promise", maxsplit=1)[1]
    for word in ("Signal Bot", "rebalance", "header is not documented", "first byte", "budget_url", "Airflow 3.3"):
        assert word in table


def test_what_counts_as_usd_is_what_is_said():
    section = (ROOT / "docs" / "sensor.md").read_text("utf-8").split("## What counts as USD\n\n")[1].split("\n\n")[0]
    listed = section.split(". What is left", maxsplit=1)[0]
    assert set(re.findall(r"`(\w+)`", listed)) == DOLLAR_CURRENCIES


def test_every_hostile_reply_is_in_the_table():
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    counted: Counter[str] = Counter()
    for kind, replies in re.findall(r"^\| (\w+) \| (\d+) \|", page, re.MULTILINE):
        counted[kind] += int(replies)
    assert counted == Counter(reply.kind for reply in EVERY)
    assert f"`make hostile-replies` plays {len(EVERY)} replies" in page


def test_every_lower_bound_that_closes_a_hole_is_said():
    page = (ROOT / "docs" / "security.md").read_text("utf-8")
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    bounds = re.findall(r"`([\w-]+>=[\d.]+)`", page)
    assert len(bounds) >= 5
    assert [bound for bound in bounds if f'"{bound}"' not in project] == []


def test_links_between_pages_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "benchmarks").glob("*.md")]:
        text = page.read_text("utf-8")
        for target in re.findall(r"\]\((?!https?://)([^)#\s]*)", text):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
