"""Markdown of descriptions and comments as safe HTML: CommonMark, tables and strike-through; no raw HTML, no images.

Two fences: markdown-it-py escapes HTML in the source, and nh3 lets only the tags below through.
Links go nowhere that runs (http, https, mailto and our own pages) and pass no reputation on.
"""

from __future__ import annotations

import re
from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

from apps.presentation.plain import visible

LIMIT = 100_000  # characters
TAGS = {
    "p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li",
    "a", "table", "thead", "tbody", "tr", "th", "td", "h3", "h4", "h5", "h6",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_CHANGE = re.compile(r"(?<![\w/-])CHG-(\d{1,9})(?!\w)")
_HEADING = re.compile(r"<(/?)h([1-6])>")


@lru_cache(maxsize=1)
def _parser() -> MarkdownIt:
    parser = (
        MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")
    )
    parser.core.ruler.push("change_links", _link_changes)
    return parser


def _link_changes(state: StateCore) -> None:
    """Make ``CHG-42`` in running text (not in code, not inside a link) a link to the change."""
    for block in state.tokens:
        if block.type == "inline" and block.children and "CHG-" in block.content:
            depth = 0
            made: list[Token] = []
            for token in block.children:
                depth += token.nesting if token.type.startswith("link_") else 0
                made += _linked(token) if token.type == "text" and not depth else [token]
            block.children = made


def _linked(text: Token) -> list[Token]:
    found: list[Token] = []
    at = 0
    for match in _CHANGE.finditer(text.content):
        found += [
            Token("text", "", 0, content=text.content[at : match.start()]),
            Token("link_open", "a", 1, attrs={"href": f"/changes/{match[1]}/"}),
            Token("text", "", 0, content=match[0]),
            Token("link_close", "a", -1),
        ]
        at = match.end()
    return [*found, Token("text", "", 0, content=text.content[at:])]


def to_html(source: str) -> SafeString:
    """The HTML of ``source``; headings start at h3, ``CHG-42`` is a link."""
    html = _HEADING.sub(lambda m: f"<{m[1]}h{min(int(m[2]) + 2, 6)}>", _parser().render(visible(source[:LIMIT])))
    clean = nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "mailto"}, link_rel="nofollow noopener"
    )
    return mark_safe(clean)  # noqa: S308  # cleaned by nh3 on the line above
