"""The verdict: ``evaluate(rules, facts)``. Pure: neither Django nor Git (DESIGN §5)."""

from apps.policies.evaluation.facts import (
    ChangeRequest,
    Contributor,
    EnvironmentFact,
    Facts,
    OpenThread,
    Part,
    PathOwners,
    Person,
    PolicyFact,
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
    "FAILED",
    "MET",
    "NOT_NEEDED",
    "SENTENCES",
    "WAITING",
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
    "Requirement",
    "Review",
    "ReviewStanding",
    "RuleRef",
    "Standing",
    "evaluate",
    "from_record",
    "replay",
    "to_record",
]
