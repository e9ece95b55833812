"""Sample data of the component gallery (/help/ui/): every state, without touching the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms

from apps.core.verdict import Reason
from apps.presentation import words

ICONS = (
    "queue changes deploys environments audit repository settings search user team rocket book bell check-circle clock "
    "diamond-bang octagon-x arc calendar dash question snowflake undo info alert lock risk-low risk-medium risk-high plus minus "
    "tilde plus-minus check close menu more chevron-down chevron-right link external copy download filter edit trash play stop "
    "retry log eye comment key sign-out file folder branch commit merge sun moon contrast density keyboard mark"
)


class SampleForm(forms.Form):
    """One control of each kind."""

    title = forms.CharField(max_length=200, help_text="What will be different when this is live.")
    target = forms.ChoiceField(choices=[("main", "main"), ("release", "release")], label="Target branch")
    why = forms.CharField(widget=forms.Textarea, required=False, label="Why")
    draft = forms.BooleanField(required=False, label="Start as a draft")
    verdict = forms.ChoiceField(
        choices=[("approve", "Approve"), ("request_changes", "Request changes"), ("comment", "Comment")],
        widget=forms.RadioSelect,
    )


@dataclass(frozen=True, slots=True)
class SampleRequirement:
    """Stands for a requirement of a policy verdict."""

    code: str
    name: str
    state: str
    text: str
    evidence: str = ""
    who_can_act: tuple[str, ...] = ()
    rule: str = ""


@dataclass(frozen=True, slots=True)
class SampleVerdict:
    """Stands for a policy verdict."""

    allowed: bool
    summary: str
    requirements: tuple[SampleRequirement, ...]
    reasons: tuple[Reason, ...] = ()


_MET = SampleRequirement("security", "security", "met", "1 of 1", "@lee approved r3")
_REQUIREMENTS = (
    _MET,
    SampleRequirement(
        "experts", "network experts", "waiting", "1 of 2 approvals", "", ("@raj", "@kim"), "production experts"
    ),
    SampleRequirement("checks", "checks", "failed", "9 of 10 passed", "terraform validate failed on r3", ("@eva",)),
    SampleRequirement("dba", "a DBA", "not_needed", "no database object is touched"),
)


def sample() -> dict[str, Any]:
    """The context of the gallery template, as ``sample``."""
    form = SampleForm(data={"title": "", "target": "main", "verdict": "approve"})
    return {
        "at": datetime(2026, 11, 23, 9, 12, tzinfo=UTC),
        "states": list(words.WORDS),
        "step_states": ("requested", "changes_requested", "merging", "deploy_failed", "rolled_back", "done"),
        "icons": ICONS.split(),
        "tabs": [
            {"title": "Overview", "url": "#o", "current": True},
            {"title": "Changes", "url": "#c", "count": 12},
            {"title": "Approvals", "url": "#a", "count": "2/3"},
            {"title": "History", "url": "#h"},
        ],
        "verdict": SampleVerdict(
            False,
            "Waiting for 2 of 3. Shortest way: raj or kim approves.",
            _REQUIREMENTS,
            (Reason("frozen", "prod-eu is frozen until Fri 08:00 UTC."),),
        ),
        "allowed": SampleVerdict(True, "Ready to merge: the requirement is met.", (_MET,)),
        "facts": [("Branch", "ingress-6 → main"), ("Revision", "r3 of 3"), ("Merge result", "4f1c09ab12")],
        "selects": [
            {"name": "state", "label": "State", "options": [("", "Any", False), ("in_review", "In review", True)]}
        ],
        "chips": [{"label": "state: in review", "url": "#x"}, {"label": "“ingress”", "url": "#y"}],
        "form": form,
    }
