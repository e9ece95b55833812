"""Notices to the contexts above, sent after commit, ids only."""

from __future__ import annotations

from django.dispatch import Signal

team_membership_changed = Signal()
"""``team_ids`` (list of int) and ``user_ids`` (list of int): who is in which team is no longer what it was."""

user_deactivated = Signal()
"""``user_id`` (int): sessions, sockets and tokens of this account are dead from now on."""

user_reactivated = Signal()
"""``user_id`` (int)."""
