"""What a change touches, arranged so that each of many rules looks only at what it could mean."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from apps.core.patterns import PathIndex
from apps.policies.config import ResourceClause
from apps.policies.evaluation.facts import Facts, ResourceFact


class Touched:
    """Paths by folder; rendered resources by environment, kind and action. Made once for a verdict."""

    def __init__(self, facts: Facts) -> None:
        self.paths = PathIndex(facts.changed_paths)
        self._resources: dict[str, dict[tuple[str, str], list[ResourceFact]]] = {}
        for rendering in facts.renderings or ():
            found = self._resources.setdefault(rendering.environment, {})
            for resource in rendering.resources:
                found.setdefault((resource.kind, resource.action), []).append(resource)

    def has_resource(self, clause: ResourceClause, environments: Collection[str]) -> bool:
        """Whether all lists of the clause hold for one and the same resource in one of these environments."""
        return any(
            _is_meant(clause, rows)
            for environment in environments
            for (kind, action), rows in self._resources.get(environment, {}).items()
            if (not clause.actions or action in clause.actions) and fits_any(clause.kinds, (kind,))
        )


def _is_meant(clause: ResourceClause, resources: Iterable[ResourceFact]) -> bool:
    return any(
        fits_any(clause.names, names_of(resource)) and fits_any(clause.risks, resource.risks) for resource in resources
    )


def names_of(resource: ResourceFact) -> tuple[str, str]:
    """What a resource is called in clauses: by its name, and with its namespace."""
    return resource.name, f"{resource.namespace}/{resource.name}"


def fits_any(patterns: Sequence[str], values: Sequence[str]) -> bool:
    """Whether one of the values fits one of the globs; where none is given, everything does."""
    return not patterns or any(fnmatchcase(value, pattern) for pattern in patterns for value in values)
