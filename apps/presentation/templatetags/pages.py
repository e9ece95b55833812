"""Template tags for text that other people wrote: `{% load pages %}`."""

from __future__ import annotations

from collections.abc import Sequence

from django import template
from django.utils.safestring import SafeString

from apps.policies.config import Rule, WindowConfig, rule_words, window_words
from apps.presentation import markdown as rich
from apps.presentation import plain

register = template.Library()


@register.filter
def shown(text: object) -> str:
    """One line of foreign text: hidden and direction-turning characters named; escaped by the template."""
    return plain.one_line(text)


@register.filter
def markdown(text: str) -> SafeString:
    """Markdown as safe HTML."""
    return rich.to_html(text)


@register.filter
def turn(reason: str) -> str:
    """Why it is somebody's turn, without the words “Your turn” that the page sets before it."""
    return plain.one_line(reason).removeprefix("Your turn:").strip()


@register.filter
def of_somebody(reason: str) -> str:
    """A reason that was written to the person asked, as others read it: “you are …” becomes “is …”."""
    return plain.one_line(reason).replace("you are one of", "is one of").replace("asks for you", "asks for them")


@register.filter
def in_words(part: Rule | WindowConfig) -> str:
    """A rule or a window of the policy in plain words."""
    return rule_words(part) if isinstance(part, Rule) else window_words(part)


@register.filter
def choices(values: str, texts: str) -> list[tuple[str, str]]:
    """Values (by blanks) and their texts (by bars) of one preference."""
    return list(zip(values.split(), texts.split("|"), strict=True))


@register.filter
def more_than(total: int, listed: Sequence[object]) -> int:
    """How many of ``total`` are not among ``listed``."""
    return total - len(listed)
