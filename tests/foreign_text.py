"""Texts that want to be more than text, and a real Markdown parser that shows what becomes of them."""

from __future__ import annotations

from hypothesis import strategies as st
from markdown_it import MarkdownIt

# CommonMark with tables, and links for whatever looks like an address, of which it finds more than GitHub does.
_PARSER = MarkdownIt("gfm-like")
#: Letters that nobody sees, with which names are kept from becoming links or turning what is around them.
INVISIBLE = "\u2060\u2068\u2069"
#: What Markdown of nothing but text consists of.
HARMLESS = {"inline", "text", "text_special", "paragraph_open", "paragraph_close"}

_PARTS = st.sampled_from(
    [
        *"@.:/\\`*_[]()<>|~&#!-+=$^ \n\t\r0123xa",
        "www", "mailto:", "xmpp:", "http://", "ftp://", "//", "evil.com", "a@b.com", "xn--", "&#64;", "&lt;", "\u3002",
        "[x](y)", "![x](y)", "[x]: http://a", "<a href=x>", "<!--", "| a |\n|---|\n", "---", "===", "```", "    ",
        "1. ", "- ", "# ", "\n\n", "\u2028", "\u2060", "\u202e", "\u05d0",
    ]
)  # fmt: skip
FOREIGN = st.lists(_PARTS | st.text(max_size=3), max_size=12).map("".join)


def kinds(text: str) -> list[str]:
    """Return what a text consists of, in order."""
    return [one.type for token in _PARSER.parse(text) for one in (token, *(token.children or []))]


def structure(text: str) -> list[str]:
    """Return what a text consists of beside words."""
    return [kind for kind in kinds(text) if kind not in ("text", "text_special")]


def read(text: str) -> str:
    """Return the words that people see."""
    return seen("".join(child.content for token in _PARSER.parse(text) for child in token.children or []))


def seen(text: str) -> str:
    """Return a text without what nobody sees."""
    return "".join(letter for letter in text if letter not in INVISIBLE)
