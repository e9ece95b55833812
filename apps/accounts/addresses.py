"""E-mail addresses that count: verified ones, each held by one account at most."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from django.db import transaction

from apps.accounts.models import User


def is_held_by_another(email: str, user: User | None = None) -> bool:
    """Whether another account has ``email`` as a verified or as its main address (in any case)."""
    verified = EmailAddress.objects.filter(email__iexact=email, verified=True)
    main = User.objects.filter(email__iexact=email)
    if user is not None and user.pk:
        verified, main = verified.exclude(user=user), main.exclude(pk=user.pk)
    return bool(verified.exists() or main.exists())


@transaction.atomic
def add_verified_address(user: User, email: str) -> bool:
    """Record ``email`` as a verified address of ``user``, unless another account holds it.

    Returns whether it is recorded now. The first address of an account becomes its main one.
    """
    email = email.strip().lower()
    if not email or is_held_by_another(email, user):
        return False
    EmailAddress.objects.update_or_create(user=user, email=email, defaults={"verified": True})
    if not user.email:
        EmailAddress.objects.filter(user=user, primary=True).update(primary=False)
        EmailAddress.objects.filter(user=user, email=email).update(primary=True)
        user.email = email
        user.save(update_fields=["email"])
    return True
