"""What all forms of the portal share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django import forms

from apps.core.errors import InvalidInput, Unavailable

T = TypeVar("T")


class OnceField(forms.CharField):
    """The hidden key of a form that makes something new (see apps.web.once)."""

    def __init__(self) -> None:
        super().__init__(widget=forms.HiddenInput, required=False)


def attempt(form: forms.Form, act: Callable[[], T]) -> T | None:
    """What ``act`` returns, or ``None`` when the form or the domain refused the input.

    The domain's refusal becomes the error of its field, so that the form can be shown again
    with everything that was typed. Other refusals are not about the form and go on.
    """
    if not form.is_valid():
        return None
    try:
        return act()
    except (InvalidInput, Unavailable) as problem:
        if isinstance(problem, Unavailable) and "fields" not in problem.details:
            raise
        for name, text in problem.details.get("fields", {"": problem.message}).items():
            form.add_error(name if name in form.fields else None, str(text))
        return None
