"""Every promise in the documentation names the test that shows it."""

from __future__ import annotations

import re

from tests.conftest import ROOT

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
    for word in ("Signal Bot", "header is not documented", "first byte", "budget_url", "Airflow 3.3"):
        assert word in table
