"""What may be merged, said in plain Python: it reads Git by itself and knows nothing of the portal's code.

Every file has lines that are only ever replaced, so what a change does is a set of ``(file, line, before, after)``.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass, field

from tests.support.git import GitRepo

Effect = frozenset[tuple[str, int, str, str]]
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

    def effect(self) -> Effect | None:
        """What merging would do now; ``None``: it conflicts, or there is nothing to merge."""
        base, head = f"origin/{self.target}", f"origin/{self.source}"
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
        assert effect is not None
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
        return is_open and self.effect() is not None and len(self.approvers()) >= int(found[1])

    def _lines(self, tree: str) -> dict[tuple[str, int], str]:
        found = {}
        for name in self.work.run("ls-tree", "-r", "--name-only", tree).splitlines():
            for number, line in enumerate(self.work.run("show", f"{tree}:{name}").splitlines()):
                found[name, number] = line
        return found
