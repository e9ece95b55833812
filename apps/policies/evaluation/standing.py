"""Whether an approval counts, and if not, why: one fixed list (UX §2.7).

:class:`Standing` is that list and :data:`SENTENCES` its words; no other place has either. ``policy_changed`` is given by nothing: every
approval is judged by the policy of now, so a changed policy shows as requirements that wait.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import StrEnum
from functools import cached_property

from apps.policies.config import Needs
from apps.policies.evaluation.facts import (
    APPROVE,
    REQUEST_CHANGES,
    ROLLBACK,
    CannotEvaluate,
    Contributor,
    Facts,
    Part,
    Person,
    Review,
)
from apps.policies.evaluation.quality import is_expired
from apps.policies.evaluation.seeing import unseen_parts, wanted_parts
from apps.policies.evaluation.touched import Touched
from apps.policies.evaluation.verdict import ReviewStanding


class Standing(StrEnum):
    """The codes. Those after ``UNKNOWN`` are given by callers that know more than the source."""

    COUNTS = "counts"
    AUTHOR = "author"
    COMMITTER = "committer"
    PUSHER = "pusher"
    CO_AUTHOR = "co_author"
    SUGGESTION = "suggestion"
    SPONSOR = "sponsor"
    REQUESTER = "requester"
    NOT_IN_GROUP = "not_in_group"
    ROLE_REMOVED = "role_removed"
    DISABLED = "disabled"
    SERVICE_ACCOUNT = "service_account"
    SOURCE_CHANGED = "source_changed"
    SUPERSEDED = "superseded"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"
    RENDERED_CHANGED = "rendered_changed"
    PLAN_CHANGED = "plan_changed"
    BASE_MOVED = "base_moved"
    RETARGETED = "retargeted"
    REOPENED = "reopened"
    EXPIRED = "expired"
    REAUTHENTICATION_MISSING = "reauthentication_missing"
    NOT_ALL_SEEN = "not_all_seen"
    POLICY_CHANGED = "policy_changed"
    INVERSE_DIFFERS = "inverse_differs"
    APPROVAL_LOST = "approval_lost"
    NOT_NAMED = "not_named"


SENTENCES = {
    Standing.COUNTS: "{who}'s approval of r{revision} counts.",
    Standing.AUTHOR: "{who} is an author of r{contributed}, and nobody approves their own change.",
    Standing.COMMITTER: "{who} committed to r{contributed}, and nobody approves their own change.",
    Standing.PUSHER: "{who} pushed r{contributed}, and nobody approves their own change.",
    Standing.CO_AUTHOR: "{who} is named as co-author in r{contributed}, and nobody approves their own change.",
    Standing.SUGGESTION: "{who}'s suggestion is part of r{contributed}, and nobody approves their own change.",
    Standing.SPONSOR: "{who} answers for a service account that contributed to r{contributed}, and nobody approves their own change.",
    Standing.REQUESTER: "{who} asked for this rollback, so another person must approve it.",
    Standing.NOT_IN_GROUP: "{who} is not in a group that this rule asks for.",
    Standing.ROLE_REMOVED: "{who} no longer has a role that may approve here.",
    Standing.DISABLED: "{who}'s account is disabled.",
    Standing.SERVICE_ACCOUNT: "{who} is a service account, and only people approve.",
    Standing.SOURCE_CHANGED: "r{current} changed the source since {who} approved r{revision}.",
    Standing.SUPERSEDED: "{who} has since given another verdict.",
    Standing.WITHDRAWN: "{who} withdrew the approval of r{revision}.",
    Standing.UNKNOWN: "{who}'s approval could not be evaluated, so it does not count.",
    Standing.RENDERED_CHANGED: "r{current} changed the rendered result since {who} approved r{revision}.",
    Standing.PLAN_CHANGED: "r{current} changed the plan since {who} approved r{revision}.",
    Standing.BASE_MOVED: "The target branch moved and the result differs from what {who} approved.",
    Standing.RETARGETED: "{who} approved r{revision} for another target branch.",
    Standing.REOPENED: "{who} approved r{revision} before the change was withdrawn and reopened.",
    Standing.EXPIRED: "{who}'s approval of r{revision} has expired.",
    Standing.REAUTHENTICATION_MISSING: "{who} did not sign in again for this approval, which the rule asks for.",
    Standing.NOT_ALL_SEEN: "{who} had not viewed everything that this rule asks for: {unseen}.",
    Standing.POLICY_CHANGED: "The policy changed since {who} approved r{revision}.",
    Standing.INVERSE_DIFFERS: "{who} approved another roll-back beforehand than this one.",
    Standing.APPROVAL_LOST: "{who}'s approval of the change that is rolled back does not count any more, so neither does the roll-back.",
    Standing.NOT_NAMED: "Something that does not come back was not named to {who}, so this roll-back is not approved beforehand.",
}
BEFOREHAND = {
    Standing.COUNTS: "Pre-authorised by {who} {beforehand}.",
    Standing.EXPIRED: "{who} pre-authorised it {beforehand}; the time for that is over.",
    Standing.WITHDRAWN: "{who} withdrew the approval with which this roll-back was pre-authorised.",
}
"""The words of what was given with the approval of the change that is rolled back, where they are others."""
CARRIED = "{who}'s approval of r{revision} counts: put on the target branch as it is now, it is exactly r{current}."
_LISTS = (
    "conflicts",
    "changed_paths",
    "environments",
    "owners",
    "people",
    "reviews",
    "contributors",
    "change_requests",
    "open_threads",
    "holds",
    "overrides",
)
_HOW = {
    "author": Standing.AUTHOR,
    "committer": Standing.COMMITTER,
    "pusher": Standing.PUSHER,
    "co_author": Standing.CO_AUTHOR,
    "suggestion": Standing.SUGGESTION,
    "sponsor": Standing.SPONSOR,
}


def _supersedes(later: Review, review: Review) -> bool:
    """Whether a person's later review stands for their earlier approval.

    A request for changes does; an approval of the same content does too, so that taking it back takes back both. One of other
    content does not: where a change returns to what was approved before, that approval is worth what it was. A comment never does.
    """
    if later.person != review.person:
        return False
    return later.verdict == REQUEST_CHANGES or (
        later.verdict == APPROVE and later.subject_equal is review.subject_equal
    )


class Ledger:
    """Facts by person, and what every review of this gate is worth."""

    def __init__(self, facts: Facts) -> None:
        _require_complete(facts)
        self.facts = facts
        self.people: dict[int, Person] = {person.id: person for person in facts.people}
        self.contributed: dict[int, Contributor] = {}
        for contributor in facts.contributors:
            self.contributed.setdefault(contributor.person, contributor)
        self.reviews = reviews = [review for review in facts.reviews if self._belongs(review)]
        self.standings = tuple(
            self._standing(review, reviews[index + 1 :])
            for index, review in enumerate(reviews)
            if review.verdict == APPROVE
        )
        self.approvers: dict[int, ReviewStanding] = {found.person: found for found in self.standings if found.counts}
        self._approvals: dict[int, Review] = {}
        self._outside: dict[tuple[int, int, int], ReviewStanding] = {}

    @cached_property
    def touched(self) -> Touched:
        """What the change touches, arranged for rules."""
        return Touched(self.facts)

    def _belongs(self, review: Review) -> bool:
        """Approvals never cross a stage or an environment; a rollback is deployed on the approval of its merge."""
        facts = self.facts
        if facts.kind == ROLLBACK and review.stage == "merge":
            return True
        return review.stage == facts.stage and review.environment == (
            facts.environment if facts.stage == "deploy" else ""
        )

    def name(self, person: int) -> str:
        found = self.people.get(person)
        return found.username if found else f"person {person}"

    def names(self, people: Iterable[int]) -> tuple[str, ...]:
        """Usernames in alphabetical order."""
        return tuple(sorted(self.name(person) for person in people))

    def bar(self, person: int) -> Standing | None:
        """Why this person's approval could never count now, whatever they approve."""
        found = self.people.get(person)
        if found is None:
            return Standing.UNKNOWN
        checks = (
            (not found.active, Standing.DISABLED),
            (not found.human, Standing.SERVICE_ACCOUNT),
            (person in self.contributed, self._how(person)),
            (self.facts.kind == ROLLBACK and person == self.facts.requester, Standing.REQUESTER),
            (not found.may_approve, Standing.ROLE_REMOVED),
        )
        return next((standing for applies, standing in checks if applies), None)

    def _how(self, person: int) -> Standing:
        contributor = self.contributed.get(person)
        return _HOW.get(contributor.how if contributor else "", Standing.AUTHOR)

    def _standing(self, review: Review, later: list[Review]) -> ReviewStanding:
        barred = self.bar(review.person)
        if barred is not None:
            return self.describe(review, barred)
        if review.why_not == Standing.WITHDRAWN:
            return self.describe(review, Standing.WITHDRAWN)
        if any(_supersedes(other, review) for other in later):
            return self.describe(review, Standing.SUPERSEDED)
        if review.subject_equal is True and review.counts is True:
            return self.describe(review, Standing.COUNTS)
        return self.describe(review, self._given(review))

    def _given(self, review: Review) -> Standing:
        """The caller's reason, when it is one of the list; else what the subject says."""
        known = {standing.value: standing for standing in Standing if standing is not Standing.COUNTS}
        if review.why_not in known:
            return known[review.why_not]
        if review.subject_equal is True:
            return Standing.UNKNOWN
        return Standing.BASE_MOVED if review.revision == self.facts.revision else Standing.SOURCE_CHANGED

    def describe(self, review: Review, code: Standing, *, unseen: str = "") -> ReviewStanding:
        """The standing of a review in words."""
        contributor = self.contributed.get(review.person)
        carried = code is Standing.COUNTS and review.carried is True
        sentence = CARRIED if carried else SENTENCES[code]
        text = (BEFOREHAND.get(code, sentence) if review.beforehand else sentence).format(
            who=self.name(review.person),
            revision=review.revision,
            current=self.facts.revision,
            contributed=contributor.revision if contributor else 0,
            unseen=unseen,
            beforehand=review.beforehand,
        )
        counts = code is Standing.COUNTS
        return ReviewStanding(
            review.person,
            self.name(review.person),
            review.revision,
            review.verdict,
            counts,
            code.value,
            text,
            review.id,
        )

    def outside(self, standing: ReviewStanding) -> ReviewStanding:
        """The same approval for a rule whose groups the person is not in."""
        key = (standing.person, standing.revision, standing.review)  # asked by every rule of other groups
        if key not in self._outside:
            self._outside[key] = self.describe(self._review_of(standing), Standing.NOT_IN_GROUP)
        return self._outside[key]

    def without_seeing(self, standing: ReviewStanding, words: str, unseen: tuple[Part, ...]) -> ReviewStanding:
        """The same approval for a rule that asks for more than had been viewed."""
        found = self.describe(self._review_of(standing), Standing.NOT_ALL_SEEN, unseen=words)
        return replace(found, unseen=unseen, reason=words)

    def weaker(self, standing: ReviewStanding, code: Standing) -> ReviewStanding:
        """The same approval for a rule that asks for a younger or a surer one."""
        return self.describe(self._review_of(standing), code)

    def approval_of(self, person: int) -> Review:
        """The approval of ``person`` that counts."""
        if person not in self._approvals:
            standing = self.approvers[person]
            given = [review for review in self.reviews if review.person == person and review.verdict == APPROVE]
            self._approvals[person] = next(review for review in reversed(given) if review.id == standing.review)
        return self._approvals[person]

    def seen_by(self, person: int) -> frozenset[str]:
        """Keys of the parts that this person had viewed when they gave the approval that counts."""
        return frozenset(self.approval_of(person).seen)

    def lacks(self, person: int, needs: Needs) -> Standing | None:
        """Why the approval of ``person`` is not what a rule asks for, beside what was seen."""
        review = self.approval_of(person)
        if needs.reauthenticate and review.reauthenticated is not True:
            return Standing.REAUTHENTICATION_MISSING
        return Standing.EXPIRED if is_expired(review, needs, self.facts) else None

    def is_fit(self, person: int, needs: Needs) -> bool:
        """Whether the approval of ``person`` is all that a rule asks for."""
        unseen = unseen_parts(wanted_parts(self.facts, needs.seen), self.seen_by(person))
        return not unseen and self.lacks(person, needs) is None

    @staticmethod
    def _review_of(standing: ReviewStanding) -> Review:
        return Review(standing.person, standing.verdict, standing.revision, id=standing.review)

    def members(self, principal: str) -> tuple[int, ...]:
        """People behind a name; raises :class:`CannotEvaluate` for what is no list of ids."""
        found = self.facts.principals.get(principal, ())
        if not all(type(person) is int for person in found):
            raise CannotEvaluate(f"the members of {principal} are not known")
        return tuple(found)


def _require_complete(facts: Facts) -> None:
    """Nothing there is an empty tuple; a fact that is missing must not be taken for it."""
    for name in _LISTS:
        if not isinstance(getattr(facts, name), tuple):
            raise CannotEvaluate(f"the fact `{name}` is missing")
