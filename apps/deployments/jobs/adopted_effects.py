"""What an edit of a file does to one target: rendered with it and without, and whether that is exactly what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.changes.effects.registry import renderer_of
from apps.changes.effects.tools import toolbox
from apps.deployments.dispatchers.drift import both_words, path_words
from apps.rendering.comparing import compare
from apps.rendering.model import Action, Difference, Kind, Resource, ResourceId
from apps.rendering.planners import PLANNERS
from apps.rendering.protocol import Target, Tree
from apps.rendering.redaction import Fingerprint, redact_raw
from apps.rendering.views import WithFiles


class Effects:
    """One target on top of ``tree`` with ``files``, which :meth:`keep` adds to."""

    def __init__(self, target: Target, tree: Tree, hide: Fingerprint, files: dict[str, bytes]) -> None:
        self.target, self.tree, self.hide, self.files = target, tree, hide, files
        self._before: tuple[Resource, ...] | None = None

    def read(self, path: str) -> bytes:
        """The file as it is edited so far."""
        return WithFiles(self.tree, self.files).read(path)

    def keep(self, path: str, content: bytes) -> None:
        """Let what comes next be compared with this."""
        self.files[path] = content
        self._before = None

    def is_as_found(self, finding: Mapping[str, Any], path: str, content: bytes) -> bool:
        """Whether this content of the file changes the field of the finding as it was found, and nothing else."""
        difference = self._difference({**self.files, path: content})
        if len(difference.changes) != 1 or difference.changes[0].action is not Action.UPDATE:
            return False
        change = difference.changes[0]
        fields = [one for one in change.fields if not one.rule]
        if len(fields) != 1 or not self._is_named(change.id, finding["resource"]):
            return False
        values = both_words(fields[0].before, fields[0].after)
        is_there = self._is_stack or path_words(fields[0].path) == finding["path"]  # in a stack the place has the path
        return is_there and values == (finding["wanted"], finding["found"])

    @property
    def _is_stack(self) -> bool:
        return self.target.kind is Kind.CLOUDFORMATION

    def _difference(self, files: Mapping[str, bytes]) -> Difference:
        if self._is_stack:
            sides = WithFiles(self.tree, self.files), WithFiles(self.tree, files)
            return PLANNERS[self.target.kind].plan(*sides, self.target, toolbox(), self.hide).difference
        if self._before is None:
            self._before = self._rendered(self.files)
        return compare(self._before, self._rendered(files))

    def _rendered(self, files: Mapping[str, bytes]) -> tuple[Resource, ...]:
        rendered = renderer_of(self.target.kind).render(WithFiles(self.tree, files), self.target, toolbox())
        return tuple(redact_raw(one, self.hide) for one in rendered.resources)

    def _is_named(self, found: ResourceId, name: str) -> bool:
        """By the name that the look gave it. Where nothing rendered names a namespace the deployment did, for all alike."""
        kind, _, rest = name.partition(" ")
        if self._is_stack:
            return f"{found.kind} {found.name}" == name
        if found.namespace:
            return str(found) == name
        alike = [one.id for one in self._before or () if (one.id.kind, one.id.name) == (kind, found.name)]
        return alike == [found] and rest.rpartition("/")[2] == found.name
