"""Accounts: created and switched off by administrators."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from apps.accounts import signals
from apps.accounts.access import can_manage_people
from apps.accounts.addresses import add_verified_address, is_held_by_another
from apps.accounts.models import Kind, User
from apps.audit.actors import SYSTEM, Actor
from apps.audit.services import record
from apps.core.errors import Conflict, InvalidInput


@transaction.atomic
def create_user(
    actor: User | None,
    *,
    username: str,
    email: str = "",
    display_name: str = "",
    password: str | None = None,
    kind: str = Kind.HUMAN,
    can_connect_repositories: bool = False,
    is_administrator: bool = False,
    sponsor: User | None = None,
) -> User:
    """Create a local account; ``actor`` is ``None`` only for the operator at the command line.

    ``sponsor`` is the person who answers for a service account: InvalidInput ``bad_sponsor``.

    ``email`` is recorded as verified, because the administrator vouches for it. Without a
    password nobody can sign in to it until one is set. InvalidInput ``bad_handle``,
    ``handle_taken``, ``email_taken``.
    """
    if actor is not None:
        can_manage_people(actor).require()
    user = User(
        username=User.normalize_username(username.strip()),
        display_name=display_name.strip(),
        kind=Kind(kind),
        can_connect_repositories=can_connect_repositories,
        sponsor=_checked_sponsor(kind, sponsor),
        is_superuser=is_administrator,
        is_staff=is_administrator,
    )
    if email and is_held_by_another(email):
        raise InvalidInput("email_taken", "Another account has this e-mail address.", field="email")
    user.set_password(password) if password else user.set_unusable_password()
    _save_new(user)
    if email:
        add_verified_address(user, email)
    _record_creation(actor, user)
    return user


def _record_creation(actor: User | None, user: User) -> None:
    record(
        Actor.of(actor) if actor else SYSTEM,
        "user.created",
        target=f"user/{user.username}",
        summary=f"Account {user.username} created",
        data={
            "kind": str(user.kind),
            "administrator": user.is_superuser,
            "email": user.email,
            "sponsor": user.sponsor.username if user.sponsor else "",
        },
    )


@transaction.atomic
def set_sponsor(actor: User, *, user: User, sponsor: User | None) -> User:
    """Who answers for a service account from now on, ``None``: nobody. What it wrote before stays with who answered then."""
    can_manage_people(actor).require()
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    locked.sponsor = _checked_sponsor(locked.kind, sponsor)
    locked.save(update_fields=["sponsor"])
    record(
        Actor.of(actor),
        "user.sponsor_set",
        target=f"user/{locked.username}",
        summary=f"{sponsor.username if sponsor else 'Nobody'} answers for {locked.username} now",
        data={"sponsor": sponsor.username if sponsor else ""},
    )
    return locked


def _checked_sponsor(kind: str, sponsor: User | None) -> User | None:
    if sponsor is not None and kind != Kind.SERVICE:
        raise InvalidInput("bad_sponsor", "Only a service account has somebody who answers for it.", field="sponsor")
    if sponsor is not None and not (sponsor.is_human and sponsor.is_active):
        raise InvalidInput(
            "bad_sponsor", "Who answers for a service account is a person with an active account.", field="sponsor"
        )
    return sponsor


def _save_new(user: User) -> None:
    try:
        user.clean_fields(exclude=["password", "email"])
    except ValidationError as error:
        raise InvalidInput("bad_handle", " ".join(error.messages), field="username") from error
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise InvalidInput("handle_taken", f"The handle {user.username} is taken.", field="username") from error


@transaction.atomic
def deactivate_user(actor: User, *, user: User, reason: str = "") -> User:
    """End every session, socket and token of ``user`` at their next use; nothing is deleted.

    Conflict ``own_account`` and ``last_administrator``: somebody must be left who can undo it.
    """
    can_manage_people(actor).require()
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if locked.pk == actor.pk:
        raise Conflict("own_account", "You cannot deactivate your own account. Ask another administrator.")
    administrators = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=locked.pk)
    if locked.is_superuser and not administrators.exists():
        raise Conflict("last_administrator", "This is the last active administrator. Appoint another one first.")
    return _set_active(actor, locked, active=False, reason=reason)


@transaction.atomic
def reactivate_user(actor: User, *, user: User) -> User:
    """Let a deactivated account sign in again, with the roles and teams it still has."""
    can_manage_people(actor).require()
    return _set_active(actor, User.objects.select_for_update(no_key=True).get(pk=user.pk), active=True, reason="")


def _set_active(actor: User, user: User, *, active: bool, reason: str) -> User:
    word = "reactivated" if active else "deactivated"
    if user.is_active is active:
        raise Conflict(f"already_{'active' if active else 'inactive'}", f"{user.username} is {word} already.")
    user.is_active = active
    user.save(update_fields=["is_active"])
    record(
        Actor.of(actor),
        f"user.{word}",
        target=f"user/{user.username}",
        summary=f"Account {user.username} {word}",
        data={"reason": reason} if reason else None,
    )
    signal = signals.user_reactivated if active else signals.user_deactivated
    transaction.on_commit(lambda: signal.send(sender=None, user_id=user.pk))
    return user


@transaction.atomic
def set_connect_permission(actor: User, *, user: User, allowed: bool) -> User:
    """Let ``user`` connect repositories and create teams, or no longer."""
    can_manage_people(actor).require()
    locked = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    locked.can_connect_repositories = allowed
    locked.save(update_fields=["can_connect_repositories"])
    record(
        Actor.of(actor),
        "user.permission_changed",
        target=f"user/{locked.username}",
        summary=f"{locked.username} may {'now' if allowed else 'no longer'} connect repositories",
        data={"permission": "connect_repositories", "allowed": allowed},
    )
    return locked
