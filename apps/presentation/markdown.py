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
    return MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")


def to_html(source: str) -> SafeString:
    """The HTML of ``source``; headings start at h3, ``CHG-42`` is a link."""
    linked = (
        _CHANGE.sub(r"[CHG-\1](/changes/\1/)", visible(source[:LIMIT]))
        if "`" not in source
        else visible(source[:LIMIT])
    )
    html = _HEADING.sub(lambda m: f"<{m[1]}h{min(int(m[2]) + 2, 6)}>", _parser().render(linked))
    clean = nh3.clean(
        html, tags=TAGS, attributes=ATTRIBUTES, url_schemes={"http", "https", "mailto"}, link_rel="nofollow noopener"
    )
    return mark_safe(clean)  # noqa: S308  # cleaned by nh3 on the line above
