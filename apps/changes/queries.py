"""What pages and the API read about changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.accounts.queries import people_by_email
from apps.changes.lifecycle import FOLLOWS_GIT, Status
from apps.changes.models import ChangeRequest, CheckReport, Contribution, Revision
from apps.changes.querysets import ChangeQuerySet
from apps.changes.search import Query, parse
from apps.core.errors import NotVisible
from apps.core.paging import Page, keyset_page
from apps.core.prepared import Prepared
from apps.core.reading import once_per_read
from apps.core.text import first_few
from apps.core.verdict import Reason
from apps.repositories.access import can_see
from apps.repositories.models import BranchTip
from apps.vcs.history import is_known_ancestor

MAX_PAGE = 100
REVISED = (
    "number", "status", "revision_id", "repository__name", "repository__directory",
    *(f"revision__{name}" for name in (
        "change_id", "number", "target_branch", "head_oid", "target_oid", "merge_bases", "result_tree", "conflicts",
        "files_changed", "lines_added", "lines_removed",
    )),
)  # fmt: skip
ME = "me"
BEHIND = "behind"
"""Of :class:`GitFacts`: the portal makes the next revision by itself."""
HOW: dict[str, str] = {
    Contribution.How.OPENED: "opened it",
    Contribution.How.AUTHORED: "wrote commits",
    Contribution.How.COMMITTED: "committed",
    Contribution.How.CO_AUTHORED: "is named as co-author",
    Contribution.How.PUSHED: "pushed to it",
    Contribution.How.SUGGESTED: "suggested code that was applied",
    Contribution.How.SPONSORED: "answers for a service account that contributed",
}
"""How somebody contributed, as it is said after their name."""


@dataclass(frozen=True, slots=True)
class Contributor:
    """Somebody who contributed. ``user`` is ``None`` for an address that belongs to nobody here; ``first``: the number of the
    first revision that they contributed to, 0 for the request itself.
    """

    user: User | None
    name: str
    email: str
    how: tuple[str, ...]
    first: int = 0

    @property
    def words(self) -> str:
        return ", ".join(HOW[how] for how in self.how)


@dataclass(frozen=True, slots=True)
class GitFacts:
    """What Git says of a change now, beside its latest revision; ``reasons`` are what stands in the way.

    ``is_current``: head and target tip of the latest revision are the recorded tips of the branches.
    ``landed_outside``: the head is contained in the target although the portal did not merge it.
    """

    source_gone: bool = False
    target_gone: bool = False
    is_current: bool = True
    conflicts: tuple[str, ...] = ()
    unrelated: bool = False
    several_bases: bool = False
    landed_outside: bool = False
    reasons: tuple[Reason, ...] = ()


def find(user: User, number: int) -> ChangeRequest:
    """CHG-``number`` with repository, people and present revision; :class:`NotVisible` for outsiders."""
    return _seen(user, number, _related.first(number))


def find_revised(user: User, number: int) -> ChangeRequest:
    """As :func:`find`, with nothing but what a difference needs of the repository and the present revision."""
    return _seen(user, number, _revised.first(number))


_related: Prepared[ChangeRequest] = Prepared(
    lambda number: _with_relations(ChangeRequest.objects.filter(number=number)), 1
)
_revised: Prepared[ChangeRequest] = Prepared(
    lambda number: ChangeRequest.objects.select_related("repository", "revision").only(*REVISED).filter(number=number),
    1,
)


def _seen(user: User, number: int, found: ChangeRequest | None) -> ChangeRequest:
    # The role is asked for by itself: every page needs it anyway, and a condition on three tables costs
    # more to put into SQL than both questions together.
    if found is None or not can_see(user, found.repository).allowed:
        raise NotVisible("change_not_found", "There is no such change, or you may not see it.", number=number)
    return found


def list_changes(
    user: User, *, q: str = "", state: str = "", repository: str = "", after: int | None = None, limit: int = 25
) -> Page[ChangeRequest]:
    """Visible changes, newest first, by keyset on the number; two queries whatever the length.

    ``q`` is the grammar of :mod:`apps.changes.search`; ``state`` and ``repository`` narrow it further.
    """
    rows = _with_relations(apply_query(ChangeRequest.objects.visible_to(user), parse(q), user))
    if state:
        rows = rows.filter(status__in=parse(f'state:"{state}"').states)
    if repository:
        rows = rows.filter(repository__name=repository)
    return keyset_page(rows, key="number", after=after, limit=max(1, min(limit, MAX_PAGE)))


def apply_query(rows: ChangeQuerySet, query: Query, user: User) -> ChangeQuerySet:
    """``rows`` narrowed by a parsed search; ``me`` is ``user``."""
    if query.states:
        rows = rows.filter(status__in=query.states)
    if query.repositories:
        rows = rows.filter(repository__name__in=query.repositories)
    if query.authors:
        rows = rows.filter(requester__username__in=_handles(query.authors, user))
    if query.owners:
        rows = rows.filter(owner__username__in=_handles(query.owners, user))
    if query.numbers:
        rows = rows.filter(number__in=query.numbers)
    texts = (
        Q(title__icontains=word) | Q(description__icontains=word) | Q(source_branch__icontains=word)
        for word in query.words
    )
    return rows.filter(reduce(Q.__and__, texts, Q()))


def revisions(change: ChangeRequest) -> list[Revision]:
    """All revisions, the first one first."""
    return list(change.revisions.select_related("pusher").order_by("number"))


def revision(change: ChangeRequest, number: int) -> Revision:
    """Revision r``number``; :class:`NotVisible` when there is none."""
    found = change.revisions.select_related("pusher").filter(number=number).first()
    if found is None:
        raise NotVisible("revision_not_found", f"{change.label} has no revision r{number}.", number=number)
    return found


def contributions(change: ChangeRequest) -> list[Contribution]:
    """All recorded acts in their order, each with its account.

    An address that was unknown when it was recorded counts for the person who has verified it since.
    """
    rows = list(Contribution.objects.filter(change=change).select_related("user").order_by("pk"))
    unknown = [row for row in rows if row.user_id is None]
    accounts = people_by_email({row.email for row in unknown}) if unknown else {}
    for row in unknown:
        row.user = accounts.get(row.email)
    return rows


@once_per_read
def contributors(change: ChangeRequest) -> tuple[Contributor, ...]:
    """Everybody who contributed to any revision; people first, then addresses that nobody has verified."""
    found: dict[object, Contributor] = {}
    for row in contributions(change):
        user = row.user
        key = user.pk if user else row.email
        before = found.get(key)
        how = tuple(dict.fromkeys([*(before.how if before else ()), row.how]))
        name = user.shown_name if user else row.name or row.email
        first = min(before.first, row.revision_number) if before else row.revision_number
        found[key] = Contributor(user, name, user.email if user else row.email, how, first)
    return tuple(sorted(found.values(), key=lambda person: person.user is None))


def contributor_ids(change: ChangeRequest) -> frozenset[int]:
    """Accounts that contributed and therefore cannot approve."""
    return frozenset(person.user.pk for person in contributors(change) if person.user)


def contribution_of(user: User, change: ChangeRequest) -> str:
    """How ``user`` contributed, in words; empty when not at all."""
    return next((person.words for person in contributors(change) if person.user and person.user.pk == user.pk), "")


def unknown_contributors(change: ChangeRequest) -> tuple[Contributor, ...]:
    """Names in commits that belong to no account: they could be anybody, also a reviewer."""
    return tuple(person for person in contributors(change) if person.user is None)


def strangers_of(changes: Iterable[ChangeRequest]) -> dict[int, tuple[str, ...]]:
    """Change id → how each contributor without an account took part first; as many queries, whatever the number."""
    rows = list(Contribution.objects.filter(change__in=list(changes), user=None).order_by("pk"))
    accounts = people_by_email({row.email for row in rows}) if rows else {}
    found: dict[int, dict[str, str]] = {}
    for row in rows:
        if row.email not in accounts:
            found.setdefault(row.change_id, {}).setdefault(row.email, row.how)
    return {change: tuple(how.values()) for change, how in found.items()}


def git_facts(change: ChangeRequest) -> GitFacts:
    """The facts of Git that verdict and pages show; one query."""
    latest = change.revision
    if latest is None:
        return GitFacts(reasons=(Reason("no_branch", f"{change.label} has no branch yet."),))
    names = {change.source_branch, change.target_branch} - {""}
    tips = dict(BranchTip.objects.filter(repository=change.repository_id, name__in=names).values_list("name", "oid"))
    source, target = tips.get(change.source_branch, ""), tips.get(change.target_branch, "")
    follows = change.status in FOLLOWS_GIT
    has_tree = bool(latest.result_tree)
    if change.kind == ChangeRequest.Kind.ADOPTION:
        return _adoption_facts(change, latest, target, follows=follows)
    facts = GitFacts(
        source_gone=bool(change.source_branch) and not source,
        target_gone=not target,
        is_current=(not change.source_branch or source == latest.head_oid) and target == latest.target_oid,
        conflicts=tuple(latest.conflicts),
        unrelated=not has_tree and not latest.conflicts,
        several_bases=len(latest.merge_bases) > 1,
        landed_outside=follows and latest.commit_count == 0,
    )
    return GitFacts(**{name: getattr(facts, name) for name in GitFacts.__dataclass_fields__ if name != "reasons"},
                    reasons=tuple(_reasons(change, facts)))  # fmt: skip


def _adoption_facts(change: ChangeRequest, latest: Revision, tip: str, *, follows: bool) -> GitFacts:
    """What is adopted happened already, so it is not followed; it has to be on its branch still."""
    if not follows:
        return GitFacts()
    is_there = bool(tip) and is_known_ancestor(change.repository.mirror_path, latest.head_oid, tip)
    gone = Reason("gone", f"{change.target_branch} does not contain it any more. Withdraw the change.")
    return GitFacts(is_current=is_there, reasons=() if is_there else (gone,))


def _reasons(change: ChangeRequest, facts: GitFacts) -> Iterable[Reason]:
    if change.status not in {*FOLLOWS_GIT, Status.MERGING}:
        return
    source, target = change.source_branch, change.target_branch
    if facts.source_gone:
        yield Reason("source_gone", f"The branch {source} was deleted. Push it again, or withdraw the change.")
    if facts.target_gone:
        yield Reason("target_gone", f"The target branch {target} does not exist any more. Retarget the change.")
    if facts.landed_outside:
        yield Reason("landed_outside", f"Everything in it is already on {target}: it was merged outside the portal.")
    if facts.unrelated:
        yield Reason(
            "unrelated_histories", f"{source} and {target} have no common commit. Rebase {source} onto {target}."
        )
    if facts.conflicts:
        files = first_few(facts.conflicts)
        yield Reason(
            "conflict", f"It conflicts with {target} in {files}. Merge or rebase {target} into {source} and push."
        )
    if not facts.is_current and not facts.source_gone and not facts.target_gone:
        yield Reason(BEHIND, "A branch moved a moment ago; the new revision is being made.")


def _handles(names: frozenset[str], user: User) -> set[str]:
    return {user.username if name == ME else name for name in names}


def _with_relations(rows: ChangeQuerySet) -> ChangeQuerySet:
    return rows.select_related("repository", "requester", "owner", "revision", "rolls_back", "merge_when_allowed_by")


def check_reports(change: ChangeRequest) -> QuerySet[CheckReport]:
    """All reports of the present merge result on its way into its branch, the oldest first."""
    revision = change.revision
    if revision is None or not revision.result_tree:
        return CheckReport.objects.none()
    rows = CheckReport.objects.filter(
        repository=change.repository_id, tree=revision.result_tree, target_branch=revision.target_branch
    )
    return rows.select_related("reported_by").order_by("pk")


def present_checks(change: ChangeRequest) -> list[CheckReport]:
    """The newest report of each name for the present merge result, by name."""
    newest = {row.name: row for row in check_reports(change)}
    return [newest[name] for name in sorted(newest)]
