"""Notices to the contexts above, sent after commit, ids only."""

from __future__ import annotations

from django.dispatch import Signal

change_changed = Signal()
"""``change_id`` (int): a transition, a new revision or an edit of this change was committed."""
