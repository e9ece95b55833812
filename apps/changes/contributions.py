"""Writing down who contributed. Rows are only added (DESIGN §5)."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from apps.accounts.models import User
from apps.accounts.queries import people_by_email
from apps.changes.models import ChangeRequest, Contribution
from apps.changes.snapshots import Person
from apps.repositories.models import RefUpdate

How = Contribution.How


def add_people(change: ChangeRequest, people: Iterable[Person], *, revision: int) -> None:
    """Record the people whom commits name; addresses that nobody has verified are kept as they are."""
    named = list(people)
    accounts = people_by_email({person.email for person in named if person.email})
    rows = [
        Contribution(
            change=change,
            revision_number=revision,
            user=accounts.get(person.email),
            name=person.name,
            email=person.email or f"<{person.name}>",
            how=person.how,
        )
        for person in named
    ]
    _add(change, rows)
    for account in accounts.values():
        _add_sponsor(change, account, revision=revision)


def add_account(change: ChangeRequest, user: User | None, how: str, *, revision: int) -> None:
    """Record an act of an account: opened, pushed, applied a suggestion."""
    if user is not None:
        row = Contribution(
            change=change,
            revision_number=revision,
            user=user,
            name=user.shown_name[:200],
            email=user.email[:254],
            how=how,
        )
        _add(change, [row])
        _add_sponsor(change, user, revision=revision)


def add_pushers(change: ChangeRequest, branch: str, commits: Collection[str], *, revision: int) -> None:
    """Record who pushed ``commits`` to ``branch``, as far as its host named them, whenever that was.

    A push is taken when it comes: then there may be no change yet, or one that follows nothing because it is merging or given up.
    What the portal pushed itself adds nobody here.
    """
    known = Contribution.objects.filter(change=change, how=How.PUSHED, user__isnull=False).values("user")
    rows = RefUpdate.objects.filter(repository=change.repository_id, branch=branch, pusher__isnull=False)
    rows = rows.exclude(cause=RefUpdate.Cause.PORTAL).exclude(pusher__in=known).order_by("pk")
    found = {who for who, tip in rows.values_list("pusher", "new_oid") if tip in commits}
    for user in User.objects.filter(pk__in=found).select_related("sponsor").order_by("pk"):
        add_account(change, user, How.PUSHED, revision=revision)


def _add_sponsor(change: ChangeRequest, account: User, *, revision: int) -> None:
    """What a programme writes was written for somebody: who answers for it then contributed, and cannot approve it."""
    if account.sponsor is not None:
        add_account(change, account.sponsor, How.SPONSORED, revision=revision)


def _add(change: ChangeRequest, rows: list[Contribution]) -> None:
    known = set(Contribution.objects.filter(change=change).values_list("user_id", "email", "how"))
    users = {(user_id, how) for user_id, _, how in known if user_id}
    unknown = {(email, how) for user_id, email, how in known if not user_id}
    fresh = []
    for row in rows:
        key, seen = ((row.user_id, row.how), users) if row.user_id else ((row.email, row.how), unknown)
        if key not in seen:
            seen.add(key)  # type: ignore[arg-type]
            fresh.append(row)
    Contribution.objects.bulk_create(fresh, ignore_conflicts=True)
