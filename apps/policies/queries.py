"""Which policy governs a target branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.core.reading import once_per_read
from apps.policies.codeowners import CodeOwners
from apps.policies.config import DEFAULT_CONFIG, PortalConfig, affected_environments
from apps.policies.evaluation import EnvironmentFact, PathOwners, PolicyFact
from apps.policies.models import PolicyVersion
from apps.policies.reading import NO_OWNERS, PORTAL_PATH, Located, PolicyFiles, files_at, files_of
from apps.policies.rego.modules import Modules
from apps.repositories.models import Repository
from apps.vcs.errors import ObjectMissing
from apps.vcs.history import is_known_ancestor

FILE = "file"
DEFAULT = "default"
LAST_VALID = "last_valid"
BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy in force for a target tip.

    ``governs``: ``file`` (the files at the tip), ``default`` (there is no portal.yaml), ``last_valid``
    (the tip is broken: an earlier version holds, ``problems`` say why), ``broken`` (and there is no
    earlier one: only two maintainers can approve). ``oid`` is the tip that was asked for;
    ``portal_blob`` and ``owners_blob`` are the files that govern, ``modules`` those of Rego (``None``: it names none).
    """

    config: PortalConfig
    owners: CodeOwners
    problems: tuple[Located, ...]
    governs: str
    oid: str
    portal_blob: str = ""
    owners_blob: str = ""
    owners_path: str = ""
    modules: Modules | None = None

    def fact(self) -> PolicyFact:
        """What the verdict says about the policy."""
        problems = tuple(str(found) for found in self.problems if found.problem.severity == "error")
        return PolicyFact(
            self.governs, PORTAL_PATH, self.owners_path or "CODEOWNERS", problems, self.config.rego.directory
        )

    def environment_facts(self, changed_paths: Sequence[str]) -> tuple[EnvironmentFact, ...]:
        """All environments in promotion order, and whether the paths reach them."""
        reached = affected_environments(self.config, changed_paths)
        return tuple(
            EnvironmentFact(found.name, found.protected, found.name in reached) for found in self.config.environments
        )

    def path_owners(self, changed_paths: Sequence[str]) -> tuple[PathOwners, ...]:
        """Owners of every path (give the old and the new path of a rename)."""
        return tuple(PathOwners(path, self.owners.owners_of(path)) for path in dict.fromkeys(changed_paths))


def policy_at(repository: Repository, branch: str, commit_oid: str) -> Policy:
    """The policy that judges changes to ``branch`` while ``commit_oid`` is its tip.

    Always read from the target side, never from a change. Raises ``ObjectMissing`` when the mirror does
    not have the commit.
    """
    found = files_at(repository.mirror_path, commit_oid)
    if found.is_valid:
        return _policy(found, FILE if found.portal_blob else DEFAULT, commit_oid)
    earlier = _last_valid(repository, branch, commit_oid)
    if earlier is not None:
        return _policy(earlier, LAST_VALID, commit_oid, found.problems)
    return Policy(DEFAULT_CONFIG, NO_OWNERS, found.problems, BROKEN, commit_oid)


def _policy(files: PolicyFiles, governs: str, oid: str, problems: tuple[Located, ...] | None = None) -> Policy:
    return Policy(
        files.config,
        files.owners,
        files.problems if problems is None else problems,
        governs,
        oid,
        files.portal_blob,
        files.owners_blob,
        files.owners_path,
        files.modules,
    )


@once_per_read
def _last_valid(repository: Repository, branch: str, commit_oid: str) -> PolicyFiles | None:
    """The newest valid version that ``commit_oid`` comes after: what was pushed later does not govern what is judged by it."""
    rows = PolicyVersion.objects.filter(repository=repository, branch=branch, valid=True).order_by("-noted_at", "-id")
    row = next((one for one in rows if is_known_ancestor(repository.mirror_path, one.commit_oid, commit_oid)), None)
    if row is None:
        return None
    try:
        found = files_of(repository.mirror_path, row.portal_blob, row.owners_blob, row.owners_path, row.rego_tree)
    except ObjectMissing:
        return None
    return found if found.is_valid else None
