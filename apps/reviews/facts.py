"""Gathering what the verdict depends on: from rows and from the policy on the target branch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from apps.changes import queries as changes
from apps.changes.effects.reading import Effects
from apps.changes.lifecycle import FOLLOWS_GIT, Status
from apps.changes.models import ChangeRequest, Contribution, Revision
from apps.changes.queries import Contributor
from apps.core.clock import now
from apps.core.errors import InvalidInput
from apps.policies import evaluation
from apps.policies.queries import Policy, policy_at
from apps.repositories.roles import REVIEW
from apps.reviews.attestation import seen_keys
from apps.reviews.carry_over import carries_over, last_reopening
from apps.reviews.circumstances import author_kinds, lasting, reported_checks
from apps.reviews.content import parts_of
from apps.reviews.effects import known_effects, lost_to_effect, rendering_facts
from apps.reviews.emergencies import emergency_fact, emergency_in_force, restores_earlier_state
from apps.reviews.given import reviews_of
from apps.reviews.holds import hold_facts, override_facts, override_principals
from apps.reviews.models import Review, Thread
from apps.reviews.people import People, people_of, principals
from apps.reviews.preauthorising import preauthorisations, preauthorised_reviews
from apps.reviews.rego import with_rego
from apps.reviews.resources import resource_parts
from apps.reviews.thread_states import UNSETTLED
from apps.vcs import refs

HOW = {
    Contribution.How.OPENED: "author",
    Contribution.How.AUTHORED: "author",
    Contribution.How.COMMITTED: "committer",
    Contribution.How.CO_AUTHORED: "co_author",
    Contribution.How.PUSHED: "pusher",
    Contribution.How.SUGGESTED: "suggestion",
    Contribution.How.SPONSORED: "sponsor",
}
RETARGETED = "retargeted"
WITHDRAWN = "withdrawn"
REOPENED = "reopened"
ALWAYS = ("role/reviewer", "role/maintainer")


def policy_of(change: ChangeRequest) -> Policy:
    """The policy that governs ``change``: the one on the target tip of its present revision, never its own.

    Once it is merged, what is left are its deployments, and they are judged by the tip as it is now: a freeze or a rule that
    came later holds them too.
    """
    branch = change.target_branch
    if change.status in {Status.MERGED, Status.DONE}:
        tip = refs.branch_tip(change.repository.mirror_path, branch)
        return policy_at(change.repository, branch, tip or change.merge_commit)
    if change.revision is not None:
        return policy_at(change.repository, branch, change.revision.target_oid)
    tip = change.repository.branch_tips.filter(name=branch).values_list("oid", flat=True).first()
    return policy_at(change.repository, branch, tip or "")


def require_environment(policy: Policy, environment: str) -> None:
    """:class:`InvalidInput` ``unknown_environment``, which names those that ``policy`` defines; empty is none, and fine."""
    if environment and policy.config.environment(environment) is None:
        known = ", ".join(one.name for one in policy.config.environments) or "none"
        text = f"There is no environment {environment}; there are {known}."
        raise InvalidInput("unknown_environment", text, field="environment")


def approval_facts(
    change: ChangeRequest, *, stage: str = Review.Stage.MERGE, environment: str = "", policy: Policy | None = None
) -> evaluation.Facts:
    """The facts of one gate of ``change`` as they are now (DESIGN §5: judged at use, nothing cached)."""
    policy = policy or policy_of(change)
    revision = change.revision
    reviews = reviews_of(change)
    beforehand = preauthorisations(change, policy)
    contributors = [row for row in changes.contributors(change) if row.user is not None]
    owners = policy.path_owners(revision.paths) if revision else ()
    people = people_of(change.repository, [review.reviewer for review in (*beforehand, *reviews)] + [change.requester])
    people.by_id.update({row.user.pk: row.user for row in contributors if row.user is not None})
    known = principals([*ALWAYS, *_named(policy, owners), *override_principals(policy), *_confirmers(policy)], people)
    effects = known_effects(policy, revision)
    facts = evaluation.Facts(
        stage=str(stage),
        status=str(change.status),
        environment=environment,
        kind=_kind(change),
        requester=change.requester_id,
        environments=_environments(change, policy, revision),
        owners=owners,
        principals=known,
        people=_people(people),
        reviews=(
            *preauthorised_reviews(beforehand, change, policy, effects, _facts_of),
            *_reviews(reviews, revision, effects),
        ),
        contributors=_contributors(contributors),
        change_requests=_change_requests(reviews, stage, environment, people, _ids(contributors)),
        open_threads=_open_threads(change),
        policy=policy.fact(),
        rollback=policy.config.rollback,
        standards=policy.config.standards,
        renderings=rendering_facts(effects),
        authors=author_kinds(change, policy, people),
    )
    facts = _with_emergency(facts, change, policy)
    facts = _with_time(facts, change, policy, effects)
    facts = facts if revision is None else _with_revision(facts, change, revision)
    return _with_rules(facts, change, policy, people, effects)


def _facts_of(change: ChangeRequest, stage: str, environment: str) -> evaluation.Facts:
    return approval_facts(change, stage=stage, environment=environment)


def _with_emergency(facts: evaluation.Facts, change: ChangeRequest, policy: Policy) -> evaluation.Facts:
    """The smaller gate of an emergency in force, where the policy knows any; a rollback has its own."""
    if policy.config.emergency is None or facts.kind != evaluation.NORMAL:
        return facts
    emergency = emergency_fact(emergency_in_force(change), policy)
    return facts if emergency is None else replace(facts, kind=evaluation.EMERGENCY, emergency=emergency)


def _with_time(
    facts: evaluation.Facts, change: ChangeRequest, policy: Policy, effects: Effects | None
) -> evaluation.Facts:
    """The moment of judging, which windows hold at it, and who let the change through them."""
    # At the merge, a window without environments holds also what reaches none.
    reached = (
        [facts.environment] if facts.environment else [*(row.name for row in facts.environments if row.affected), ""]
    )
    holds = hold_facts(policy, facts.stage, reached)
    overrides = override_facts(change, change.revision, effects, facts.stage, facts.environment) if holds else ()
    return replace(facts, moment=int(now().timestamp()), lasting=lasting(policy), holds=holds, overrides=overrides)


def _with_rules(
    facts: evaluation.Facts, change: ChangeRequest, policy: Policy, people: People, effects: Effects | None
) -> evaluation.Facts:
    """What modules of Rego answer, and then what the rules, theirs among them, ask for beside approvals."""
    facts, policy = with_rego(facts, change, policy, people)
    return _with_parts(replace(facts, people=_people(people)), change, policy, effects)


def _with_parts(
    facts: evaluation.Facts, change: ChangeRequest, policy: Policy, effects: Effects | None
) -> evaluation.Facts:
    """What has to be seen and what pipelines reported, where a rule of this gate asks: looking into every file is not free."""
    if change.revision is not None:
        facts = replace(facts, checks=reported_checks(change, policy, facts.stage))
    asks = any(rule.needs.seen and rule.stage == facts.stage for rule in policy.config.rules)
    if not asks or change.revision is None:
        return facts
    resources = resource_parts(effects) if effects is not None else ()
    return replace(facts, parts=(*parts_of(change, change.revision), *resources))


def _kind(change: ChangeRequest) -> str:
    """The smaller gate of a rollback is for going back to a state that was there before, and for nothing else."""
    restores = change.kind == ChangeRequest.Kind.ROLLBACK and restores_earlier_state(change)
    return str(ChangeRequest.Kind.ROLLBACK if restores else ChangeRequest.Kind.NORMAL)


def _with_revision(facts: evaluation.Facts, change: ChangeRequest, revision: Revision) -> evaluation.Facts:
    """What the present revision is, and whether Git still says the same."""
    git = changes.git_facts(change)
    follows = change.status in {*FOLLOWS_GIT, Status.MERGING}
    return replace(
        facts,
        revision=revision.number,
        is_current=not follows or (git.is_current and not git.target_gone),
        has_target=not follows or not git.target_gone,
        has_source=not follows or not (git.source_gone or change.source_deleted_at is not None),
        is_empty=not revision.paths and not revision.conflicts,
        conflicts=tuple(revision.conflicts),
        changed_paths=tuple(revision.paths),
        files=revision.files_changed,
        uncounted=revision.uncounted_files,
        lines=revision.lines_added + revision.lines_removed,
    )


def _contributors(rows: Iterable[Contributor]) -> tuple[evaluation.Contributor, ...]:
    return tuple(
        evaluation.Contributor(row.user.pk, HOW[Contribution.How(row.how[0])], row.first)
        for row in rows
        if row.user is not None
    )


def _ids(rows: Iterable[Contributor]) -> frozenset[int]:
    return frozenset(row.user.pk for row in rows if row.user is not None)


def _confirmers(policy: Policy) -> tuple[str, ...]:
    return policy.config.emergency.from_ if policy.config.emergency else ()


def _named(policy: Policy, owners: Iterable[evaluation.PathOwners]) -> set[str]:
    names = {name for rule in policy.config.rules for name in rule.needs.principals}
    names.update(name for standard in policy.config.standards for name in standard.by)
    for found in owners:
        for match in found.matches:
            names.update(match.owners)
    return names


def _environments(
    change: ChangeRequest, policy: Policy, revision: Revision | None
) -> tuple[evaluation.EnvironmentFact, ...]:
    facts = policy.environment_facts(revision.paths if revision else ())
    if change.kind != ChangeRequest.Kind.ROLLBACK or not change.rollback_environments:
        return facts
    # What brings an earlier state back takes out what many changes did: the rules of all that it reaches hold.
    reaches = change.rolls_back_id is None
    return tuple(
        replace(row, affected=row.name in change.rollback_environments or (reaches and row.affected)) for row in facts
    )


def _people(people: People) -> tuple[evaluation.Person, ...]:
    return tuple(
        evaluation.Person(
            id=user.pk,
            username=user.username,
            active=user.is_active,
            human=user.is_human,
            may_approve=people.can(user.pk, REVIEW),
        )
        for user in sorted(people.by_id.values(), key=lambda user: user.pk)
    )


def _reviews(rows: Sequence[Review], revision: Revision | None, effects: Effects | None) -> list[evaluation.Review]:
    """All that say more than a comment, in the order in which they were given."""
    reopened = last_reopening([row.revision for row in rows], revision)
    return [_review(row, revision, effects, reopened) for row in rows if row.verdict != Review.Verdict.COMMENT]


def _review(row: Review, revision: Revision | None, effects: Effects | None, reopened: int) -> evaluation.Review:
    """An approval is worth something only for the subject that the reviewer saw, on the branch that it was for.

    ``reopened``: what was said before the revision of this number is about a change that was given up.
    """
    equal = revision is not None and bool(row.subject) and row.subject == revision.subject
    carried = not equal and _is_carried(row, revision)
    same_source = equal or carried
    lost = lost_to_effect(row.effects, effects) if same_source else ""
    same_branch = revision is not None and row.revision.target_branch == revision.target_branch
    is_given_up = row.revision.number < reopened
    why_lost = REOPENED if is_given_up else lost if same_branch else RETARGETED
    return evaluation.Review(
        person=row.reviewer_id,
        verdict=str(row.verdict),
        revision=row.revision.number,
        stage=str(row.stage),
        environment=row.environment,
        subject_equal=same_source and not lost,
        counts=same_branch and not is_given_up and row.withdrawn_at is None,
        why_not=WITHDRAWN if row.withdrawn_at else why_lost,
        id=row.pk,
        seen=seen_keys(row.shown),
        at=int(row.created_at.timestamp()),
        reauthenticated=row.reauthenticated,
        carried=carried,
    )


def _is_carried(row: Review, revision: Revision | None) -> bool:
    """Only approvals carry over; a request for changes needs no proof to stand."""
    if revision is None or row.verdict != Review.Verdict.APPROVE or not row.subject:
        return False
    return carries_over(revision.change.repository.mirror_path, row.revision, revision)


def _change_requests(
    reviews: Sequence[Review], stage: str, environment: str, people: People, contributors: Collection[int]
) -> tuple[evaluation.ChangeRequest, ...]:
    """Who asks for changes, judged at use like an approval: an objection lasts while its giver may still give it.

    The person's own later approval clears it, for this gate; who contributed since cannot approve any
    more and takes it back by a comment, or one push by the objector would hold the change for ever.
    """
    latest: dict[int, Review] = {}
    for row in reviews:
        if row.stage != stage or row.environment != environment:
            continue
        if row.verdict != Review.Verdict.COMMENT:
            latest[row.reviewer_id] = row
        elif row.reviewer_id in contributors:
            latest.pop(row.reviewer_id, None)
    return tuple(
        evaluation.ChangeRequest(row.reviewer_id, row.revision.number)
        for row in latest.values()
        if row.verdict == Review.Verdict.REQUEST_CHANGES
        and row.withdrawn_at is None
        and people.can(row.reviewer_id, REVIEW)
    )


def _open_threads(change: ChangeRequest) -> tuple[evaluation.OpenThread, ...]:
    """Answered is not settled: somebody who may has to resolve or drop it."""
    rows = change.threads.filter(kind=Thread.Kind.BLOCKING, state__in=[str(state) for state in UNSETTLED])
    return tuple(evaluation.OpenThread(row.created_by_id, row.anchor.place) for row in rows)
