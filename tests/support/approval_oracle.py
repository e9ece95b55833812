"""What may be merged, said in plain Python: it reads Git by itself and knows nothing of the portal's code.

Every file has lines that are only ever replaced, so what a change does is a set of ``(file, line, before, after)``.
"""

from __future__ import annotations

import re
import subprocess
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from tests.support.git import GitRepo

Effect = frozenset[tuple[str, int, str, str]]
OWNERS = (".github/CODEOWNERS", "CODEOWNERS")
"""Where the owners stand; of two files the first counts."""
NEEDED = re.compile(r"approvals: (\d)")


@dataclass
class Approval:
    """What somebody approved; ``life``: how often the change had been reopened by then."""

    who: str
    effect: Effect
    branch: str
    life: int
    withdrawn: bool = False


@dataclass
class Oracle:
    """The change as the people around it know it."""

    work: GitRepo
    source: str
    target: str = "main"
    status: str = "in_review"
    life: int = 0
    has_source: bool = True
    contributors: set[str] = field(default_factory=lambda: {"alice"})
    reviewers: set[str] = field(default_factory=lambda: {"bob", "kim", "carol"})
    approvals: list[Approval] = field(default_factory=list)
    head: str = ""

    def copy(self) -> Oracle:
        """What a copy of the portal's database, made now, knows."""
        return Oracle(
            self.work, self.source, self.target, self.status, self.life, self.has_source, set(self.contributors),
            set(self.reviewers), deepcopy(self.approvals),
        )  # fmt: skip

    def restore(self, then: Oracle) -> None:
        """The portal knows what it knew ``then``; Git is as it is, and says again who wrote what is proposed now."""
        known = then.copy()
        self.target, self.status, self.life = known.target, known.status, known.life
        self.reviewers, self.approvals = known.reviewers, known.approvals
        self.contributors = known.contributors | self._writers()

    def repeated(self, dispatched: Path) -> list[str]:
        """Heads that were merged twice into one branch, and commits that were deployed twice, by what Git and steps left behind."""
        found = dispatched.read_text().split() if dispatched.exists() else []
        merged = [line.split() for branch in ("main", "release") for line in self._merges(branch)]
        again = [*found, *(f"{branch} {head}" for branch, head in merged)]
        return sorted({one for one in again if again.count(one) > 1})

    def _merges(self, branch: str) -> list[str]:
        said = self.work.run("log", "--first-parent", "--merges", "--format=%P", f"origin/{branch}")
        return [f"{branch} {line.split()[1]}" for line in said.splitlines()]

    def _writers(self) -> set[str]:
        if not self.has_source:
            return set()
        return set(self.work.run("log", "--format=%al", f"origin/{self.target}..origin/{self.source}").split())

    def effect(self) -> Effect | None:
        """What merging would do now; ``None``: it conflicts, or there is nothing to merge. A deleted source is what it was last."""
        if self.has_source:
            self.head = self.work.run("rev-parse", f"origin/{self.source}")
        base, head = f"origin/{self.target}", self.head
        done = subprocess.run(
            ["git", "merge-tree", "--write-tree", "--name-only", "--no-messages", base, head],
            cwd=self.work.path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            return None
        before, after = self._lines(base), self._lines(done.stdout.split()[0])
        places = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
        return frozenset((*place, before.get(place, ""), after.get(place, "")) for place in places) or None

    def approve(self, who: str) -> None:
        effect = self.effect()
        if effect is not None:  # an approval of what conflicts is worth nothing, whatever becomes of it
            self.approvals.append(Approval(who, effect, self.target, self.life))

    def approvers(self) -> set[str]:
        """Whose approval is worth something now."""
        effect = self.effect()
        return {
            one.who
            for one in self.approvals
            if one.effect == effect
            and (one.branch, one.life, one.withdrawn) == (self.target, self.life, False)
            and one.who in self.reviewers - self.contributors
        }

    def policy(self) -> str:
        return self.work.run("show", f"origin/{self.target}:.gitops/portal.yaml")

    def allows(self) -> bool:
        """Whether the change may be merged now."""
        found = NEEDED.search(self.policy())
        assert found is not None
        is_open = self.status == "in_review" and self.has_source and "kind: freeze" not in self.policy()
        effect = self.effect()
        if not is_open or effect is None or len(self.approvers()) < int(found[1]):
            return False
        touched = {name for name, *_ in effect}
        return all(owners & self.approvers() for owners in map(self.owners_of, touched) if owners)

    def owners_of(self, name: str) -> set[str]:
        """By the CODEOWNERS of the target branch, whatever the change says: the last line that matches decides."""
        found: set[str] = set()
        tip = f"origin/{self.target}"
        places = self.work.run("ls-tree", "-r", "--name-only", tip, "--", *OWNERS).splitlines()
        place = next(place for place in OWNERS if place in places)
        for line in self.work.run("show", f"{tip}:{place}").splitlines():
            pattern, *owners = line.split()
            if pattern == "*" or fnmatchcase(name, pattern.removeprefix("/")):
                found = {owner.removeprefix("@") for owner in owners}
        return found

    def _lines(self, tree: str) -> dict[tuple[str, int], str]:
        found = {}
        for name in self.work.run("ls-tree", "-r", "--name-only", tree).splitlines():
            for number, line in enumerate(self.work.run("show", f"{tree}:{name}").splitlines()):
                found[name, number] = line
        return found
