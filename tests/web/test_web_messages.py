"""Which messages leave by themselves: those that confirm. What is wrong, or may go wrong, stays."""

from __future__ import annotations

import pytest
from django.contrib.messages.storage.base import Message
from django.template.loader import render_to_string


@pytest.mark.parametrize(("level", "leaves"), [(20, False), (25, True), (30, False), (40, False)])
def test_only_a_confirmation_is_among_what_leaves_by_itself(level: int, *, leaves: bool) -> None:
    html = render_to_string("components/messages.html", {"messages": [Message(level, "It was told.")]})
    stays, _, toasts = html.partition('<div class="toasts">')
    assert ("It was told." in toasts, "It was told." in stays) == (leaves, not leaves)
    assert html.count("data-dismiss") == 1
