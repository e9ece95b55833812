"""Who may review, comment and assign."""

from __future__ import annotations

from apps.accounts.models import User
from apps.changes import queries as changes
from apps.changes.lifecycle import Status, words
from apps.changes.models import ChangeRequest
from apps.core.verdict import ALLOWED, Verdict, refused
from apps.policies.config import OPENER, WRITERS, is_policy
from apps.policies.evaluation import Facts, Ledger, may_confirm, may_override
from apps.policies.queries import Policy
from apps.repositories import access as repositories
from apps.repositories.models import Repository
from apps.repositories.roles import MAINTAIN, REVIEW
from apps.reviews.attention import CALLABLE
from apps.reviews.emergencies import open_debt, restores_earlier_state
from apps.reviews.facts import policy_of
from apps.reviews.models import Assignment, Emergency, Review, Thread, WindowOverride
from apps.reviews.people import people_of, principals

NOT_A_REVIEWER = (
    "Reviewing {label} needs the role reviewer in {repository}; a maintainer of the repository can give it."
)


def can_comment(user: User, change: ChangeRequest) -> Verdict:
    """Everybody who may ask for a change may discuss one."""
    return repositories.can_ask(user, change.repository)


def can_mark_viewed(user: User, change: ChangeRequest) -> Verdict:
    """Whoever may read the change keeps notes of what they read."""
    return repositories.can_see(user, change.repository)


def can_review(user: User, change: ChangeRequest, *, verdict: str, stage: str = Review.Stage.MERGE) -> Verdict:
    """May ``user`` submit ``verdict`` now? Contributors and service accounts never approve (DESIGN §5)."""
    if verdict == Review.Verdict.COMMENT:
        return can_comment(user, change)
    if verdict == Review.Verdict.APPROVE:
        # First, because no role would change it: whoever contributed needs somebody else.
        own = can_approve(user, change)
        if not own.allowed:
            return own
    if not repositories.can_review(user, change.repository).allowed:
        name = change.repository.name
        text = NOT_A_REVIEWER.format(label=change.label, repository=name)
        return refused("not_reviewer", text, repository=name, role=repositories.NEEDED[REVIEW])
    return _reviewable(change, stage)


def can_withdraw_review(user: User, change: ChangeRequest, review: Review) -> Verdict:
    """Who gave a verdict may take it back until it was acted upon: until merging for one on merging, else until done."""
    if review.reviewer_id != user.pk:
        who = review.reviewer.username
        return refused("not_yours", f"Only {who} can withdraw what {who} said. Others give a review of their own.")
    if review.verdict == Review.Verdict.COMMENT:
        return refused("not_a_verdict", "A comment is no verdict, so there is nothing to withdraw.")
    if review.stage == Review.Stage.DEPLOY:
        possible = change.status in {Status.IN_REVIEW, Status.MERGING, Status.MERGED}
    else:
        possible = change.status in {Status.DRAFT, Status.IN_REVIEW}
    if possible:
        return ALLOWED
    text = f"{change.label} is {words(change.status)}; what led to that stays on record and cannot be withdrawn."
    if change.status == Status.MERGING:
        return refused("too_late", f"Too late: {text} Until it is pushed, you can abort the merge.")
    if change.status in {Status.MERGED, Status.DONE}:
        return refused("too_late", f"Too late: {text} Roll its deployments back, or open a change that reverts it.")
    return refused("wrong_state", text)


def can_approve(user: User, change: ChangeRequest) -> Verdict:
    """Whether an approval of ``user`` could ever count for ``change``."""
    if not user.is_human:
        return refused("service_account", "Service accounts never approve; a person has to look at the change.")
    how = changes.contribution_of(user, change)
    if how:
        return refused("contributor", f"You contributed to {change.label} ({how}), so somebody else has to approve it.")
    if change.kind == ChangeRequest.Kind.ROLLBACK and change.requester_id == user.pk:
        return refused(
            "contributor", f"You asked for the roll-back {change.label}, so somebody else has to approve it."
        )
    return ALLOWED


def can_override(user: User, change: ChangeRequest, facts: Facts) -> Verdict:
    """Letting ``change`` through every window that holds it: for whom each of them names, and no contributor."""
    own = can_approve(user, change)
    if not own.allowed:
        return own
    ledger = Ledger(facts)
    closed = [hold for hold in facts.holds if not may_override(ledger, hold, user.pk)]
    if not closed:
        return ALLOWED
    names = " and ".join(f"“{name}”" for hold in closed for name in hold.windows)
    whom = " or ".join(dict.fromkeys(name for hold in closed for name in hold.principals))
    return refused("not_in_group", f"Only {whom} may let a change through {names}; portal.yaml says so.")


def can_withdraw_override(user: User, change: ChangeRequest, override: WindowOverride) -> Verdict:
    """Who gave it, and maintainers."""
    if override.given_by_id == user.pk:
        return repositories.can_ask(user, change.repository)
    return repositories.can_maintain(user, change.repository)


def can_declare(user: User, change: ChangeRequest, policy: Policy) -> Verdict:
    """Whose change it is and writes here, who deploys, and whom ``emergency.from`` names; where the policy has emergencies."""
    see = repositories.can_ask(user, change.repository)
    if not see.allowed:
        return see
    config = policy.config.emergency
    if config is None:
        text = "portal.yaml on the target branch names nobody who could confirm an emergency (emergency.from)."
        return refused("no_emergencies", text)
    possible = _could_go(change)
    if not possible.allowed:
        return possible
    if not user.is_human:
        return refused("service_account", "Service accounts declare no emergency; a person has to.")
    known = principals(config.from_, people_of(change.repository))
    own = user.pk in {change.requester_id, change.owner_id} and repositories.can_write(user, change.repository).allowed
    named = any(user.pk in people for people in known.values())
    if own or named or repositories.can_deploy(user, change.repository).allowed:
        return ALLOWED
    return refused(
        "not_in_group", f"Its owner, a deployer, or one of {' or '.join(config.from_)} declares an emergency."
    )


def _could_go(change: ChangeRequest) -> Verdict:
    """Whether an emergency could take ``change`` anywhere."""
    if change.status not in {Status.IN_REVIEW, Status.MERGED}:
        return refused("wrong_state", f"{change.label} is {words(change.status)}; nothing of it could go now.")
    rego = policy_of(change).config.rego.directory
    paths = change.revision.paths if change.revision is not None else ()
    if change.status == Status.IN_REVIEW and any(is_policy(path, rego) for path in paths):
        return refused(
            "touches_policy", f"{change.label} changes the policy itself, and that never goes by an emergency."
        )
    if change.kind == ChangeRequest.Kind.ROLLBACK and restores_earlier_state(change):
        return refused(
            "rollback", f"{change.label} goes back to what was live before: its own, smaller gate is the fast way."
        )
    return ALLOWED


def can_confirm(user: User, change: ChangeRequest, facts: Facts) -> Verdict:
    """Whom ``emergency.from`` names, but neither who declared it nor who contributed."""
    own = can_approve(user, change)
    if not own.allowed:
        return own
    if facts.emergency is None or may_confirm(Ledger(facts), user.pk):
        return ALLOWED
    if facts.emergency.declared_by == user.pk:
        return refused("declared_it", "You declared this emergency, so somebody else has to confirm it.")
    whom = " or ".join(facts.emergency.principals)
    return refused("not_in_group", f"Only {whom}, with a role that may review here, can confirm an emergency.")


def can_end_emergency(user: User, change: ChangeRequest, emergency: Emergency) -> Verdict:
    """Who declared or confirmed it, and maintainers."""
    if emergency.declared_by_id == user.pk or emergency.confirmations.filter(person=user).exists():
        return repositories.can_ask(user, change.repository)
    return repositories.can_maintain(user, change.repository)


def _reviewable(change: ChangeRequest, stage: str) -> Verdict:
    if open_debt(change) is not None:
        return ALLOWED  # what went by an emergency is reviewed after
    if stage == Review.Stage.DEPLOY:
        possible = change.status in {Status.IN_REVIEW, Status.MERGING, Status.MERGED}
    else:
        possible = change.status == Status.IN_REVIEW
    if possible:
        return ALLOWED
    return refused("wrong_state", f"{change.label} is {words(change.status)}, so it cannot be reviewed now.")


def can_assign(user: User, change: ChangeRequest) -> Verdict:
    """Authors of the change, people who write here, and maintainers choose who is asked."""
    if change.status not in {Status.REQUESTED, Status.DRAFT, Status.IN_REVIEW}:
        return refused("wrong_state", f"{change.label} is {words(change.status)}; nobody needs to be asked any more.")
    if user.pk in {change.requester_id, change.owner_id}:
        return repositories.can_ask(user, change.repository)
    return repositories.can_write(user, change.repository)


def can_decline(user: User, change: ChangeRequest) -> Verdict:
    """Whoever is asked to review says "not me"."""
    asked = Assignment.objects.filter(change=change, user=user, duty=Assignment.Duty.REVIEW, ended_at=None)
    if change.status == Status.IN_REVIEW and not asked.exists():
        return refused("wrong_state", f"{user.username} is not asked to review {change.label}; reload to see who is.")
    return _while_in_review(change)


def can_swap(user: User, change: ChangeRequest, person: User) -> Verdict:
    """The person who is asked, whose change it is, and maintainers let somebody else be asked."""
    if user.pk == person.pk:
        return can_decline(user, change)
    return _reminds(user, change, f"let somebody else than {person.username} be asked")


def can_nudge(user: User, change: ChangeRequest) -> Verdict:
    """Whose change it is, and maintainers."""
    return _reminds(user, change, "remind the people who are asked")


def can_rebalance(user: User, repository: Repository) -> Verdict:
    """Moving other people's reviews is for maintainers."""
    return repositories.can_maintain(user, repository)


def _reminds(user: User, change: ChangeRequest, what: str) -> Verdict:
    repository = change.repository
    if user.pk in {change.requester_id, change.owner_id}:
        able = repositories.can_ask(user, repository)
    else:
        able = repositories.can_maintain(user, repository)
    if not able.allowed:
        text = f"Only {(change.owner or change.requester).username} and maintainers of {repository.name} can {what}."
        return refused("not_owner", text, repository=repository.name, role=repositories.NEEDED[MAINTAIN])
    return _while_in_review(change)


def _while_in_review(change: ChangeRequest) -> Verdict:
    if change.status == Status.IN_REVIEW:
        return ALLOWED
    return refused("wrong_state", f"{change.label} is {words(change.status)}; nobody is asked to review it now.")


def can_resolve(user: User, thread: Thread) -> Verdict:
    """Who settles a thread or opens it again: its opener and maintainers, and whom ``threads.resolve`` names.

    Without a word in portal.yaml everybody who writes here settles threads, but for blocking ones.
    """
    repository = thread.change.repository
    if thread.created_by_id == user.pk or repositories.can_maintain(user, repository).allowed:
        return repositories.can_ask(user, repository)
    if is_for_its_opener(thread.kind, policy_of(thread.change).config.threads.resolve):
        return refused("not_opener", f"{_why_opener(thread)}; {thread.created_by.username} or a maintainer settles it.")
    return repositories.can_write(user, repository)


def can_hand_over(user: User, change: ChangeRequest) -> Verdict:
    """Whoever may discuss a change may move its turn, while it waits for somebody at all."""
    may = can_comment(user, change)
    if not may.allowed:
        return may
    if change.status not in CALLABLE:
        return refused(
            "wrong_state", f"{change.label} is {words(change.status)}; it waits for nobody, so there is no turn."
        )
    return ALLOWED


def can_take_over(user: User, change: ChangeRequest) -> Verdict:
    """Whether ``user`` could do anything about ``change``: an active person who may discuss it."""
    if not user.is_active:
        return refused("inactive", f"The account {user.username} is disabled.")
    if not user.is_human:
        return refused("service_account", f"{user.username} is a service account; it is never somebody's turn.")
    may = can_comment(user, change)
    return may if may.allowed else refused("not_able", f"{user.username} has no role in {change.repository.name}.")


def can_claim(user: User, change: ChangeRequest) -> Verdict:
    """A claim is a promise to review, so it needs what a review needs."""
    return can_review(user, change, verdict=Review.Verdict.APPROVE)


def can_apply(user: User, change: ChangeRequest) -> Verdict:
    """Suggestions are written to the branch by those who write here."""
    if change.status not in {Status.DRAFT, Status.IN_REVIEW}:
        return refused("wrong_state", f"{change.label} is {words(change.status)}; nothing can be applied to it now.")
    return repositories.can_write(user, change.repository)


def is_for_its_opener(kind: str, resolve: str) -> bool:
    """Whether a thread of this kind is settled by its opener (or a maintainer) alone, as portal.yaml says."""
    return resolve == OPENER or (kind == Thread.Kind.BLOCKING and resolve != WRITERS)


def _why_opener(thread: Thread) -> str:
    if thread.kind == Thread.Kind.BLOCKING:
        return "This thread blocks the change"
    return "In this repository a thread is settled by who opened it"
