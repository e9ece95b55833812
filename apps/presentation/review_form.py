"""What stands around the review form: what is approved, whether it will count, what was not displayed."""

from __future__ import annotations

from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.effects.reading import effects_of
from apps.changes.inverse_words import GoingBack, going_back
from apps.changes.models import ChangeRequest, Revision
from apps.policies.evaluation import Facts, Part
from apps.policies.evaluation.quality import duration_words
from apps.presentation.plain import visible
from apps.reviews import access
from apps.reviews.content import effects_in, files_of, key_of
from apps.reviews.marks import Marks, keys_of
from apps.reviews.models import Review
from apps.reviews.prospects import prospect
from apps.reviews.queries import gate_of, policy_of
from apps.reviews.resources import PREFIX, seen_resources
from apps.vcs.paths import display

LOOKED_INTO = 60
"""A change of more files is looked into only where a rule asks for it; else its deleted files alone are named."""
NAMED = 20
_KINDS = (("destroys", "Destroyed"), ("rbac", "Access rights"))


@dataclass(frozen=True, slots=True)
class Weighty:
    """One thing to look at first: ``file`` is the id of the file that shows it, ``resource`` the key of a rendered one."""

    file: str
    text: str
    seen: bool
    resource: str = ""


@dataclass(frozen=True, slots=True)
class WeightyGroup:
    """``title`` (Destroyed, Access rights) with at most :data:`NAMED` of its ``total`` rows, those not viewed first."""

    title: str
    rows: tuple[Weighty, ...]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class Subject:
    """What exactly is approved: revision, digest of the effect, where it goes, how much it is."""

    revision: str
    digest: str
    branch: str
    environments: tuple[str, ...]
    files: int
    targets: tuple[tuple[str, str], ...] = ()
    """Each target with the beginning of the digest of its rendered difference."""


@dataclass(frozen=True, slots=True)
class ReviewPanel:
    """``may_review``: the form is there. ``may_approve`` with ``why_not``; ``will_count``: the sentence before submitting,
    ``counts`` whether it is a good one; ``preauthorise_for``: how long its roll-back can be approved beforehand (empty: not); ``unseen``: what has to be viewed before; ``own``: the verdict that stands.
    """

    revision: int
    may_review: bool
    may_approve: bool
    why_not: str
    will_count: str = ""
    counts: bool = False
    unseen: tuple[Weighty, ...] = ()
    weighty: tuple[WeightyGroup, ...] = ()
    subject: Subject | None = None
    going_back: GoingBack | None = None
    preauthorise_for: str = ""
    own: Review | None = None
    may_withdraw: bool = False


def review_panel(
    user: User, change: ChangeRequest, marks: Marks | None = None, own: Review | None = None
) -> ReviewPanel:
    """The panel for ``user`` now; the service judges again when the form arrives.

    ``marks``: those of the present revision; ``own``: the verdict of ``user`` that stands.
    """
    comment = access.can_review(user, change, verdict=Review.Verdict.COMMENT)
    approve = access.can_review(user, change, verdict=Review.Verdict.APPROVE)
    revision = change.revision
    if revision is None or change.status != "in_review" or not comment.allowed:
        number = revision.number if revision else 0
        return ReviewPanel(number, may_review=False, may_approve=approve.allowed, why_not=approve.text)
    marks = marks or Marks()
    back = going_back(change)
    files = files_of(change, revision)
    rules, facts = gate_of(change)
    seen = (*keys_of(files, marks), *resource_keys_seen(user, change, facts))
    found = prospect(user, change, rules, facts, seen)
    by_key = {key_of(file): file.id for file in files} if found.unseen else {}
    return ReviewPanel(
        revision=revision.number,
        may_review=True,
        may_approve=approve.allowed,
        why_not=approve.text,
        will_count=found.text,
        counts=found.counts,
        unseen=tuple(_unseen(part, by_key) for part in found.unseen),
        weighty=_weighty(change, revision, facts, marks),
        subject=_subject(change, revision, facts),
        going_back=back,
        preauthorise_for=_preauthorise_for(change, back) if approve.allowed else "",
        own=own,
        may_withdraw=own is not None and access.can_withdraw_review(user, change, own).allowed,
    )


def _preauthorise_for(change: ChangeRequest, back: GoingBack | None) -> str:
    """For how long after the merge a roll-back that is approved now would go by that; empty: it cannot be."""
    seconds = policy_of(change).config.rollback.preauthorised_seconds
    return duration_words(seconds) if seconds and back is not None and back.is_possible else ""


def _unseen(part: Part, by_key: dict[str, str]) -> Weighty:
    resource = part.key.removeprefix(PREFIX) if part.key.startswith(PREFIX) else ""
    return Weighty(by_key.get(part.key, ""), visible(part.label), seen=False, resource=resource)


def resource_keys_seen(user: User, change: ChangeRequest, facts: Facts) -> tuple[str, ...]:
    """The keys of parts that are rendered resources which ``user`` has seen; asks only where there are some."""
    if not any(part.key.startswith(PREFIX) for part in facts.parts or ()):
        return ()
    return tuple(f"{PREFIX}{key}" for key in seen_resources(user, change))


def _subject(change: ChangeRequest, revision: Revision, facts: Facts) -> Subject:
    reached = tuple(row.name for row in facts.environments if row.affected)
    targets: tuple[tuple[str, str], ...] = ()
    if facts.renderings:
        targets = tuple((label, digest[:12]) for label, digest in effects_of(revision).digests.items())
    return Subject(
        revision.label, revision.subject[:12], change.target_branch, reached, revision.files_changed, targets
    )


def _weighty(change: ChangeRequest, revision: Revision, facts: Facts, marks: Marks) -> tuple[WeightyGroup, ...]:
    """What is destroyed, then which rights are touched: to be looked at first."""
    files = files_of(change, revision)
    small = len(files) <= LOOKED_INTO or facts.parts is not None
    effects = effects_in(change, revision) if small else {}
    rows: dict[str, list[Weighty]] = {kind: [] for kind, _ in _KINDS}
    for file in files:
        path, seen = visible(display(file.path)), file.id in marks.viewed
        for effect in effects.get(file.id, ()):
            rows[effect.kind].append(Weighty(file.id, f"{path}: {visible(effect.what)}", seen))
        if not small and file.status == "D":
            rows["destroys"].append(Weighty(file.id, f"{path}: the whole file", seen))
    return tuple(
        WeightyGroup(title, tuple(sorted(rows[kind], key=lambda row: row.seen)[:NAMED]), len(rows[kind]))
        for kind, title in _KINDS
        if rows[kind]
    )
