"""A text from outside is one printable line, whatever it is."""

from __future__ import annotations

import pytest

from airflow_provider_3commas.printable import MOST_TEXT, one_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Main", "Main"),
        ("a\nERROR b", "a ERROR b"),
        ("\x1b[2Jx\x07\x00", "�[2Jx��"),
        ("\ud800x", "�x"),
        ("a\u202eb\u2028c\u2066d", "a�b c�d"),
        ("Ω 漢字 é", "Ω 漢字 é"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        (" a  b\xa0c ", "a b c"),
        ("", ""),
    ],
)
def test_texts_are_one_printable_line(text, line):
    assert one_line(text) == line
    assert one_line(line) == line


def test_texts_are_of_bounded_length():
    assert len(one_line("x" * 5_000_000)) == MOST_TEXT
    assert one_line("x" * 9, 6) == "xxxxx…"
    assert one_line("\n" * 5_000_000 + "x", 50) == ""
