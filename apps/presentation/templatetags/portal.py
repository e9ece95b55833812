"""Template tags of the portal: `{% load portal %}`. They only draw; what to draw is decided in queries."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import Any

from django import template
from django.forms.boundfield import BoundField
from django.template.context import RequestContext
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.presentation import forms, stepper, words
from apps.presentation.moments import in_words
from apps.presentation.people import face_of

register = template.Library()

SECONDS = ((86_400 * 365, "year"), (86_400 * 30, "month"), (86_400, "day"), (3_600, "h"), (60, "min"))


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """A picture beside its word: hidden from screen readers, because the word is there."""
    return _drawn(name, f"icon {css}".strip())


@lru_cache(maxsize=512)
def _drawn(name: str, css: str) -> SafeString:
    """The same for as long as the process serves; a board draws hundreds."""
    return format_html(
        '<svg class="{}" width="16" height="16" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        css,
        static("icons.svg"),
        name,
    )


@register.simple_tag
def status_chip(state: Any, detail: str = "", text: str = "") -> SafeString:
    """Icon + word + colour family of a state. ``detail`` follows the word, ``text`` replaces it."""
    word = words.word_of(str(getattr(state, "value", state)))
    shown = text or word.text
    return format_html(
        '<span class="st st--{}">{}{}</span>',
        word.tone,
        icon(word.icon, "icon--spin" if word.spins else ""),
        f"{shown} {detail}".strip(),
    )


@register.simple_tag
def risk_chip(level: str, url: str = "") -> SafeString:
    """How risky a change is, in a word; a link to its reasons when ``url`` is given."""
    word = words.RISK.get(level, words.word_of(level))
    inside = format_html('{}{} <span class="sr">risk</span>', icon(word.icon), word.text)
    if url:
        return format_html('<a class="st st--{}" href="{}">{}</a>', word.tone, url, inside)
    return format_html('<span class="st st--{}">{}</span>', word.tone, inside)


@register.simple_tag
def plan_action(action: str) -> SafeString:
    """Create, update, replace or destroy: sign and word."""
    word = words.PLAN_ACTIONS.get(action) or words.word_of(action)
    return format_html('<span class="st st--{}">{}{}</span>', word.tone, icon(word.icon), word.text)


@register.simple_tag
def when(value: datetime | None, style: str = "relative", empty: str = "–") -> SafeString:
    """A moment with its zone. ``style="relative"`` lets the browser shorten it ("2 h ago"; "since": "2 h"); logs and
    audit use "absolute", or "exact" with seconds."""
    if value is None:
        return format_html('<span class="muted">{}</span>', empty)
    absolute = in_words(value)
    stamp = value.isoformat(timespec="seconds")
    if style == "exact":
        return format_html('<time datetime="{}">{}</time>', stamp, in_words(value, seconds=True))
    if style == "absolute":
        return format_html('<time datetime="{}">{}</time>', stamp, absolute)
    if style == "since":
        return format_html('<time datetime="{}" data-relative="since">{}</time>', stamp, absolute)
    return format_html('<time datetime="{}" data-relative>{}</time>', stamp, absolute)


@register.filter
def duration(seconds: float | None) -> str:
    """Seconds as a clock: 48 → 00:48, 4000 → 1:06:40."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


@register.filter
def took(seconds: float | None) -> str:
    """How long something took that is over: 0.4 → 0.4 s, and from ten seconds on as a clock."""
    return f"{seconds:.1f} s" if seconds is not None and 0 <= seconds < 10 else duration(seconds)


@register.filter
def until(began: datetime, ended: datetime) -> float:
    """The seconds between them."""
    return (ended - began).total_seconds()


@register.filter
def age(value: datetime | None) -> str:
    """How long ago, in one unit: “3 h”, “2 days”."""
    if value is None:
        return "–"
    passed = (timezone.now() - value).total_seconds()
    for size, unit in SECONDS:
        if passed >= size:
            count = int(passed // size)
            return f"{count} {unit}{'s' if count > 1 and unit not in {'h', 'min'} else ''}"
    return "just now"


@register.simple_tag
def person(user: Any, size: str = "") -> SafeString:
    """A person as a chip; nobody is the portal itself."""
    return render_to_string("components/person.html", {"face": face_of(user), "size": size})


@register.simple_tag
def avatar(user: Any) -> SafeString:
    """Only the picture: beside a name that is already there."""
    face = face_of(user)
    return format_html('<span class="avatar avatar--{}" aria-hidden="true">{}</span>', face.hue, face.initials)


@register.simple_tag
def field(bound: BoundField) -> SafeString:
    """Label, control, help and error of one form field."""
    return render_to_string("components/field.html", {"field": bound})


@register.filter
def control(bound: BoundField) -> SafeString:
    return forms.control(bound)


@register.filter
def field_kind(bound: BoundField) -> str:
    return forms.kind_of(bound)


@register.simple_tag
def change_steps(state: Any, note: str = "") -> SafeString:
    """The stepper of a change."""
    steps = stepper.steps_of(str(getattr(state, "value", state)), note=note)
    rows = [{"step": step, "spoken": stepper.spoken(step.mark)} for step in steps]
    return render_to_string("components/stepper.html", {"rows": rows})


@register.filter
def short(oid: str | None) -> str:
    """The first ten characters of an object id, as people compare them."""
    return (oid or "")[:10]


@register.filter
def plural(count: int, forms_: str) -> str:
    """“3 files” from ``3|plural:"file,files"``."""
    one, many = forms_.split(",")
    return f"{count} {one if count == 1 else many}"


@register.simple_tag(takes_context=True)
def is_at(context: RequestContext, url: str) -> bool:
    """Whether this page is ``url`` or lies under it."""
    return str(context.get("here", "")).startswith(url)
