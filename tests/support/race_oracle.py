"""What may be merged and started, counted from the audit log alone. Nothing here asks the portal's own verdict.

The entries of a round are read in their order; who approved what, who may approve, and where the branches are is kept in
plain sets; wherever a merge or a start stands in the log, it must have been possible at exactly that place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

REVIEWERS = {"reviewer", "maintainer"}
MERGERS = {"author", "deployer", "maintainer"}


@dataclass
class Known:
    """How the round began, and what the entries have said since."""

    need: int
    subject: str
    head: str
    target: str
    branch: str = "main"
    source: str = "one"
    roles: dict[str, str] = field(default_factory=dict)
    experts: set[str] = field(default_factory=set)
    contributors: set[str] = field(default_factory=set)
    approved: dict[str, tuple[str, str]] = field(default_factory=dict)  # who → subject and target branch
    tips: dict[str, str] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)  # tips whose policy lets nothing through
    subjects: dict[int, tuple[str, str]] = field(default_factory=dict)  # revision → subject and target branch
    pushers: dict[int, set[str]] = field(default_factory=dict)
    merges: int = 0
    starts: int = 0
    wrong: list[str] = field(default_factory=list)

    def valid(self) -> set[str]:
        """Whose approval is worth something here and now."""
        return {
            name
            for name, what in self.approved.items()
            if what == (self.subject, self.branch)
            and self.roles.get(name) in REVIEWERS
            and name in self.experts
            and name not in self.contributors
        }

    def read(self, entries: Iterable[Any]) -> Known:
        for entry in entries:
            reader = READERS.get(entry.action)
            if reader is not None:
                reader(self, entry.actor_name, entry.data, entry.target)
        return self


def _reviewed(known: Known, who: str, data: dict[str, Any], _: str) -> None:
    if data["verdict"] == "approve":
        known.approved[who] = (data["subject"], known.branch)


def _taken_back(known: Known, who: str, _: dict[str, Any], __: str) -> None:
    known.approved.pop(who, None)


def _member_set(known: Known, _: str, data: dict[str, Any], target: str) -> None:
    known.roles[target.removeprefix("user/")] = data["role"]


def _left_team(known: Known, _: str, data: dict[str, Any], target: str) -> None:
    known.experts -= {str(value) for value in data.values()} | {target.removeprefix("user/")}


def _disabled(known: Known, _: str, __: dict[str, Any], target: str) -> None:
    known.roles.pop(target.removeprefix("user/"), None)


def _moved(known: Known, _: str, data: dict[str, Any], __: str) -> None:
    for move in data["moves"]:
        known.tips[move["branch"]] = move["new"]


def _revised(known: Known, _: str, data: dict[str, Any], __: str) -> None:
    known.head, known.target = data["head"], data["target_tip"]
    known.subject, known.branch = known.subjects[data["revision"]]
    known.contributors |= known.pushers.get(data["revision"], set())


def _reopened(known: Known, who: str, data: dict[str, Any], target: str) -> None:
    _revised(known, who, data, target)
    known.approved.clear()


def _merging(known: Known, who: str, _: dict[str, Any], __: str) -> None:
    known.merges += 1
    if len(known.valid()) < known.need:
        known.wrong.append(f"merged with {sorted(known.valid())} of {sorted(known.approved)}, needs {known.need}")
    if known.roles.get(who) not in MERGERS:
        known.wrong.append(f"{who}, who is {known.roles.get(who)}, merged")
    if known.tips.get(known.source, known.head) != known.head or known.tips.get(known.branch) != known.target:
        known.wrong.append("merged a revision that was not the present state of its branches")
    if known.target in known.forbidden:
        known.wrong.append("merged against the policy of its target")


def _started(known: Known, _: str, __: dict[str, Any], ___: str) -> None:
    known.starts += 1
    if len(known.valid()) < known.need:
        known.wrong.append(f"started with {sorted(known.valid())}, needs {known.need}")
    if known.tips.get(known.branch) in known.forbidden:
        known.wrong.append("started in a freeze")


READERS = {
    "review.submitted": _reviewed,
    "review.withdrawn": _taken_back,
    "repository.member_set": _member_set,
    "team.member_removed": _left_team,
    "user.deactivated": _disabled,
    "repository.outside_change": _moved,
    "repository.ref_moved": _moved,
    "change.revision_added": _revised,
    "change.retargeted": _revised,
    "change.reopened": _reopened,
    "change.merging": _merging,
    "deployment.started": _started,
}
