"""One's own keyboard: which keys the shortcuts have, and whether they work at all."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction

from apps.accounts.access import can_choose_shortcuts
from apps.accounts.keymaps import checked
from apps.accounts.models import User
from apps.audit.actors import Actor
from apps.audit.services import record


@transaction.atomic
def choose_shortcuts(actor: User, *, user: User, is_on: bool, keys: Mapping[str, str]) -> User:
    """Give ``user`` these keys (shortcut → keys as typed, ``""`` for none); what ``keys`` leaves out has its default.

    So an empty mapping resets all. ``is_on=False`` switches all keys of the table off that can be switched off.
    InvalidInput ``bad_shortcuts`` with a sentence per shortcut; then nothing is changed.
    """
    can_choose_shortcuts(actor, user).require()
    own = checked(keys)
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    locked.shortcuts_on, locked.shortcut_keys = is_on, own
    locked.save(update_fields=["shortcuts_on", "shortcut_keys"])
    record(
        Actor.of(actor),
        "user.preferences_changed",
        target=f"user/{locked.username}",
        summary=f"Keyboard shortcuts of {locked.username} set",
        data={"shortcuts_on": is_on, "shortcut_keys": own},
    )
    return locked
