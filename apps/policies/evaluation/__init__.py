"""The verdict: ``evaluate(rules, facts)``. Pure: neither Django nor Git (DESIGN §5)."""

from apps.policies.evaluation.facts import (
    BROKEN,
    RENDERED,
    WAITS,
    ChangeRequest,
    Contributor,
    EnvironmentFact,
    Facts,
    OpenThread,
    Part,
    PathOwners,
    Person,
    PolicyFact,
    RenderingFact,
    ResourceFact,
    Review,
)
from apps.policies.evaluation.judge import evaluate
from apps.policies.evaluation.record import from_record, replay, to_record
from apps.policies.evaluation.standing import SENTENCES, Standing
from apps.policies.evaluation.verdict import (
    FAILED,
    MET,
    NOT_NEEDED,
    WAITING,
    PolicyVerdict,
    Requirement,
    ReviewStanding,
    RuleRef,
)

__all__ = [
    "BROKEN",
    "FAILED",
    "MET",
    "NOT_NEEDED",
    "RENDERED",
    "SENTENCES",
    "WAITING",
    "WAITS",
    "ChangeRequest",
    "Contributor",
    "EnvironmentFact",
    "Facts",
    "OpenThread",
    "Part",
    "PathOwners",
    "Person",
    "PolicyFact",
    "PolicyVerdict",
    "RenderingFact",
    "Requirement",
    "ResourceFact",
    "Review",
    "ReviewStanding",
    "RuleRef",
    "Standing",
    "evaluate",
    "from_record",
    "replay",
    "to_record",
]
