"""An application of Argo CD as its API shows it, and which of its operations is the one of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from apps.deployments.dispatchers import Run
from apps.deployments.dispatchers.remote import listed, mapping, moment
from apps.deployments.dispatchers.words import said
from apps.vcs import history, objects
from apps.vcs.errors import GitFailed

INFO = "gitops-portal"
"""The name under which our key stands in the facts of an operation."""
FINISHED = {"Succeeded", "Failed", "Error"}


@dataclass(frozen=True)
class Application:
    """The application as Argo CD shows it, and what of it is about ``run``."""

    run: Run
    body: Mapping[str, Any]

    @property
    def status(self) -> dict[str, Any]:
        return mapping(self.body.get("status"))

    @property
    def operation(self) -> dict[str, Any]:
        """The latest operation with its phase; one that was only asked for has the phase ``Pending``."""
        asked = mapping(self.body.get("operation"))
        state = mapping(self.status.get("operationState"))
        if asked and (not state or str(state.get("phase")) in FINISHED):
            return {"operation": asked, "phase": "Pending"}
        return state

    @property
    def phase(self) -> str:
        return str(self.operation.get("phase") or "")

    @property
    def revision(self) -> str:
        """Of the latest operation."""
        asked = mapping(mapping(self.operation.get("operation")).get("sync"))
        return str(mapping(self.operation.get("syncResult")).get("revision") or asked.get("revision") or "")

    @property
    def is_busy(self) -> bool:
        return bool(self.phase) and self.phase not in FINISHED

    @property
    def is_automated(self) -> bool:
        found = mapping(mapping(self.body.get("spec")).get("syncPolicy")).get("automated")
        return isinstance(found, dict) and found.get("enabled") is not False

    @property
    def follows(self) -> str:
        source = mapping(mapping(self.body.get("spec")).get("source"))
        return said(self.run.outside, source.get("targetRevision"), 80) or "HEAD"

    @property
    def syncs_by_itself(self) -> bool:
        """Whether Argo CD follows the branch, and so goes on to whatever lands there next, also for another environment."""
        return self.is_automated or self.run.external.get("mode") == "auto"

    def holds(self, commit: str) -> bool:
        """Whether ``commit`` is ours or, where Argo CD syncs by itself, is known to contain it."""
        if commit == self.run.commit:
            return True
        return self.syncs_by_itself and history.is_known_ancestor(self.run.git_dir, self.run.commit, commit)

    @cached_property
    def is_beyond(self) -> bool:
        """Whether the latest operation is for a later commit that contains ours."""
        return self.revision != self.run.commit and self.holds(self.revision)

    @cached_property
    def is_at_unknown(self) -> bool:
        """Whether the latest operation is for a commit that the mirror does not have: it may be one that landed just now."""
        try:
            return self.syncs_by_itself and not objects.has_commit(self.run.git_dir, self.revision)
        except GitFailed:
            return True

    @property
    def is_ours(self) -> bool:
        """Whether the latest operation is the one that counts."""
        if self.revision != self.run.commit:
            return False
        if self.is_marked:
            return True
        if not self.is_whole or self.is_of_another_attempt:
            return False
        began = str(self.operation.get("startedAt") or "")
        if began and began == self.run.external.get("joined"):
            return True
        return self._began_after_sent(began)

    @property
    def is_marked(self) -> bool:
        """Whether the operation carries our key: nobody else's does."""
        return self.run.key in self._keys

    @property
    def is_of_another_attempt(self) -> bool:
        """Whether it was asked for under another key: its outcome is that of the other, whatever the clocks say."""
        return bool(self._keys) and not self.is_marked

    @property
    def _keys(self) -> list[Any]:
        infos = listed(mapping(self.operation.get("operation")).get("info"))
        return [one.get("value") for one in infos if one.get("name") == INFO]

    @property
    def is_whole(self) -> bool:
        """Whether it really brings out everything: no dry run, and no choice of resources."""
        asked = mapping(mapping(self.operation.get("operation")).get("sync"))
        return not asked.get("dryRun") and not asked.get("resources")

    @property
    def can_be_joined(self) -> bool:
        """Whether somebody brings out our commit, whole, right now."""
        return self.is_busy and self.revision == self.run.commit and self.is_whole and not self.is_of_another_attempt

    def _began_after_sent(self, began: str) -> bool:
        asked, started = moment(self.run.external.get("sent")), moment(began)
        return asked is not None and started is not None and started >= asked.replace(microsecond=0)

    @property
    def is_another_after_ours(self) -> bool:
        """Whether an operation for a revision without ours began after we asked, so that ours is over."""
        return (
            not self.is_beyond
            and self.revision != self.run.commit
            and self._began_after_sent(str(self.operation.get("startedAt") or ""))
        )

    @property
    def was_synced(self) -> bool:
        """Whether the history tells that our commit was brought out since we asked."""
        since = moment(self.run.external.get("sent"))
        entries = [one for one in listed(self.status.get("history")) if one.get("revision") == self.run.commit]
        return any(
            since and (at := moment(one.get("deployedAt"))) and at >= since.replace(microsecond=0) for one in entries
        )

    @property
    def health(self) -> str:
        return str(mapping(self.status.get("health")).get("status") or "Unknown")

    @property
    def compared(self) -> str:
        """The revision that Argo CD compares with."""
        return str(mapping(self.status.get("sync")).get("revision") or "")

    @cached_property
    def is_there(self) -> bool:
        """At our commit, or one that :meth:`holds` it, with nothing that differs from it."""
        return mapping(self.status.get("sync")).get("status") == "Synced" and self.holds(self.compared)

    @property
    def at(self) -> str:
        """Where it is, in words."""
        ours = self.run.commit[:10]
        if not self.is_there or self.compared == self.run.commit:
            return ours
        return f"{self.words(self.compared)[:10]}, a later commit that contains {ours}"

    @cached_property
    def results(self) -> list[dict[str, Any]]:
        """What the operation did with each resource, hooks among them."""
        return listed(mapping(self.operation.get("syncResult")).get("resources"))

    def words(self, text: Any) -> str:
        return said(self.run.outside, text)
