"""Notices to the contexts above, sent after commit, ids only."""

from __future__ import annotations

from django.dispatch import Signal

repository_changed = Signal()
"""``repository_id`` (int): synchronised, a problem came or went, roles or settings changed."""
