"""Texts from outside, such as an account's name, as one printable line: it can neither flood nor forge anything."""

from __future__ import annotations

#: Characters of a text that are kept by default.
MOST_TEXT = 2000

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
# Format characters like those that turn a text around, but parts of emoji and of words in some scripts.
_JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def one_line(text: str, most: int = MOST_TEXT) -> str:
    """Return a text as one printable line, cut off if it is too long."""
    # What would be cut off has to be looked at no further: 16 MB of control characters would take seconds.
    line = " ".join(text[: 4 * most].split())
    if not line.isprintable():
        line = "".join(
            character if character.isprintable() or character in _JOINERS else _REPLACEMENT for character in line
        )
    return line if len(line) <= most else line[: most - 1] + "…"
