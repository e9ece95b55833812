"""The drift of one environment: target by target, resource by resource, field by field, and what can be done about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from apps.accounts.models import User
from apps.changes.models import ChangeRequest
from apps.deployments import queries
from apps.deployments.access import can_check_drift, can_deploy, can_settle_drift
from apps.deployments.dispatchers.standing import UNKNOWN
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment, DriftAcceptance, DriftAdoption, DriftCheck, Environment
from apps.deployments.queries.adopted import Gone, gone_of
from apps.deployments.queries.drift import (
    NEVER,
    STALE,
    Drift,
    acceptances_of,
    adopted_for,
    adoption_of,
    drift_of,
    findings_of,
    holder_of,
)
from apps.policies.config.words import duration_words
from apps.presentation.board import environment_url
from apps.presentation.drift_words import DriftWord, drift_word
from apps.presentation.words import word_of

KINDS = {
    "missing": "It is gone.",
    "another": "Something else stands in its place.",
    "extra": "It should not be there.",
}
UNKNOWN_OUTCOME = str(Status.UNKNOWN)
SPANS = ((1, "a day"), (7, "a week"), (30, "30 days"), (90, "90 days"))
"""For how long a finding can be accepted: days, and their words."""
WAYS = {
    "kubernetes": "asked the cluster what applying it again would change",
    "argocd": "asked Argo CD",
    "flux": "asked Flux",
    "terraform": "terraform plan -refresh-only",
    "cloudformation": "asked CloudFormation",
    "command": "asked the command of portal.yaml",
}


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding; ``accepted``: who let it be, and until when; ``is_vague``: how it differs is not known, so nobody can."""

    mark: str
    path: str
    wanted: str
    found: str
    kind: str
    accepted: DriftAcceptance | None
    is_vague: bool = False

    @property
    def words(self) -> str:
        """What happened to the resource as a whole; empty for a field."""
        return KINDS.get(self.kind, "")


@dataclass(frozen=True, slots=True)
class ResourceRows:
    """``name`` is whole: ``Deployment web/shop``."""

    name: str
    rows: tuple[FindingRow, ...]

    @property
    def key(self) -> str:
        """Another one where it tells of something else first: a form that is open on a page never gets the mark of another finding."""
        return self.rows[0].mark


@dataclass(frozen=True, slots=True)
class TargetRows:
    """The latest check of one target; ``is_other``: it was about another deployment than what is live now."""

    check: DriftCheck
    resources: tuple[ResourceRows, ...]
    is_other: bool

    @property
    def title(self) -> str:
        return self.check.target or "The environment"

    @property
    def way(self) -> str:
        return WAYS.get(self.check.way, "")

    @property
    def state_key(self) -> str:
        found = [row for resource in self.resources for row in resource.rows]
        if found and not self.check.more and not self.check.why and all(row.accepted for row in found):
            return "drift_accepted"
        return f"drift_{self.check.state}"

    @property
    def health_words(self) -> str:
        """How it did when it was looked at; empty where nobody can say."""
        word, why = self.check.health, self.check.health_why
        if not word:
            return ""
        text = "Its health is not known" if word == UNKNOWN else word_of(word).text
        return f"{text}: {why}" if why else f"{text}."


@dataclass(frozen=True, slots=True)
class DriftPage:
    """``has_open``: whether something is left that can be put right; ``adoption``: the last that was asked for; ``adopted_in``: the
    open change that leaves nothing to adopt for who looks; ``gone``: what the open change of ``adoption`` was made of is not found any more.

    ``holder``: the deployment that holds the environment: nobody looks before it is over. Nobody looks at all, and nothing
    starts, where portal.yaml has no such environment any more.
    """

    environment: Environment
    drift: Drift
    word: DriftWord
    targets: tuple[TargetRows, ...]
    can_check: bool
    can_settle: bool
    can_deploy: bool
    adoption: DriftAdoption | None
    adopted_in: ChangeRequest | None
    holder: Deployment | None
    gone: Gone | None = None

    @property
    def url(self) -> str:
        return f"{environment_url(self.environment)}drift/"

    @property
    def every(self) -> str:
        return duration_words(self.drift.every_seconds)

    @property
    def spans(self) -> tuple[tuple[int, str], ...]:
        return SPANS

    @property
    def has_open(self) -> bool:
        return self.drift.fields > 0

    @property
    def is_stale(self) -> bool:
        """What is known may be otherwise by now, so it can be neither adopted nor accepted."""
        return self.drift.state == STALE

    @property
    def waits_for(self) -> str:
        """What a check that was asked for waits for; empty: for nothing."""
        if self.holder is None:
            return ""
        name = self.holder.label
        return (
            f"somebody decides what became of {name}" if self.holder.status == UNKNOWN_OUTCOME else f"{name} has ended"
        )

    @property
    def is_adopting(self) -> bool:
        return self.adoption is not None and self.adoption.ended_at is None

    @property
    def moves(self) -> bool:
        """Whether something that was asked for is under way, so that a page without scripts asks again."""
        return self.drift.is_asked or self.is_adopting

    @property
    def is_never(self) -> bool:
        return self.drift.state == NEVER


def drift_page(user: User, repository: str, name: str) -> DriftPage:
    """The page; :class:`NotVisible` when ``user`` may not know of it. At most a dozen queries beside those of the access rules."""
    row = queries.find_environment(user, repository, name)
    found = drift_of([row])[row.pk]
    accepted = acceptances_of(row)
    live = row.live_deployment
    adoption = adoption_of(row)
    return DriftPage(
        environment=row,
        drift=found,
        word=drift_word(found),
        targets=tuple(sorted((target_rows(check, row, accepted) for check in findings_of(row)), key=_rank)),
        can_check=live is not None and row.defined and can_check_drift(user, row).allowed,
        can_settle=can_settle_drift(user, row).allowed,
        can_deploy=live is not None and row.defined and can_deploy(user, live.change).allowed,
        adoption=adoption,
        adopted_in=adopted_for(user, row),
        holder=holder_of(row),
        gone=gone_of(adoption, found),
    )


def _rank(target: TargetRows) -> int:
    """What wants somebody first: drift, then what is not known, then the rest."""
    order = (DriftCheck.State.DRIFTED, DriftCheck.State.UNKNOWN, DriftCheck.State.IN_SYNC)
    return order.index(DriftCheck.State(target.check.state))


def target_rows(check: DriftCheck, row: Environment, accepted: Mapping[str, DriftAcceptance]) -> TargetRows:
    """What the last check of a target of ``row`` told, resource by resource; ``accepted``: acceptances that hold now, by mark."""
    resources: dict[str, list[FindingRow]] = {}
    for one in check.findings:
        words = {key: one[key] for key in ("mark", "path", "wanted", "found", "kind")}
        found = FindingRow(**words, accepted=accepted.get(one["mark"]), is_vague=one.get("is_vague", False))
        resources.setdefault(one["resource"], []).append(found)
    rows = tuple(ResourceRows(name, tuple(found)) for name, found in resources.items())
    return TargetRows(check, rows, check.deployment_id != row.live_deployment_id)
