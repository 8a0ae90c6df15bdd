"""Text from outside, such as an account's name, that has to stay text."""

from __future__ import annotations

import re

# What breaks lines, ends files or turns the direction of the text around it.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def visible(text: str) -> str:
    """Take out of a text what could disturb what stands around it.

    :param text: text from outside.
    :return: the same with a replacement character for every control character.
    """
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
