"""Runbooks: Markdown files in the directory that ``portal.yaml`` names, at the tip of the default branch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from django.core.cache import cache

from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.policies.config import StandardConfig
from apps.policies.queries import policy_at
from apps.repositories import queries as repositories
from apps.repositories.models import Repository
from apps.runbooks.matching import About, Situation, about, fits, without_head
from apps.vcs import history, objects, paths
from apps.vcs.errors import BlobTooLarge, ObjectMissing
from apps.vcs.objects import TreeEntry

LIMIT = 200
"""Runbooks of one repository that are listed."""

LARGEST = 256 * 1024
SUGGESTED = 3
KEEP = 24 * 3600
"""Seconds for which the shelf of one commit is remembered; a commit never changes."""

_HEADING = re.compile(r"^#{1,2}\s+(.+?)\s*#*\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Runbook:
    """One file. ``slug`` is its path below the directory, without ``.md``; ``about``: when it is suggested."""

    repository: str
    slug: str
    title: str
    path: str
    about: About = field(default_factory=About)

    @property
    def url(self) -> str:
        return f"/runbooks/{self.repository}/{quote(self.slug)}/"


@dataclass(frozen=True, slots=True)
class RunbookText:
    """``source`` is Markdown; ``changed`` the last commit that touched it, if it can be told.

    ``standards``: the standard changes of the policy that name this runbook.
    """

    runbook: Runbook
    source: str
    commit: str
    changed: history.Commit | None
    standards: tuple[StandardConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """The runbooks of one repository. ``directory`` empty: its ``portal.yaml`` names none."""

    repository: str
    directory: str
    runbooks: tuple[Runbook, ...]


def shelves(user: User) -> list[Shelf]:
    """One shelf for each repository that ``user`` may see."""
    return [_shelf(repository) for repository in repositories.visible(user)]


def read_runbook(user: User, repository: str, slug: str) -> RunbookText:
    """The text; :class:`NotVisible` when there is none of that name or it may not be seen."""
    row = repositories.find(user, repository)
    found = next((one for one in _shelf(row).runbooks if one.slug == slug), None)
    if found is None:
        raise NotVisible("no_runbook", f"{repository} has no runbook {slug}.")
    commit = repositories.tip(row, row.default_branch)
    data = objects.read_file(row.mirror_path, commit, found.path, max_bytes=LARGEST) or b""
    changed = history.log(row.mirror_path, commit, path=found.path, limit=1)
    config = policy_at(row, row.default_branch, commit).config
    standards = tuple(one for one in config.standards if one.runbook in {found.slug, found.path.removesuffix(".md")})
    return RunbookText(
        found, without_head(data.decode("utf-8", "replace")), commit, changed[0] if changed else None, standards
    )


def suggested(repository: Repository, what: Situation) -> Sequence[Runbook]:
    """The runbooks that say they are for this, the most exact first; at most :data:`SUGGESTED`."""
    commit = repositories.tip(repository, repository.default_branch)
    key = f"runbooks:{repository.pk}:{repository.name}:{commit}"
    shelf: Shelf | None = cache.get(key)
    if shelf is None:
        shelf = _shelf(repository)
        cache.set(key, shelf, KEEP)
    found = [one for one in shelf.runbooks if fits(one.about, what)]
    return sorted(found, key=lambda one: (-one.about.named, one.title.lower()))[:SUGGESTED]


def _shelf(repository: Repository) -> Shelf:
    commit = repositories.tip(repository, repository.default_branch)
    try:
        directory = policy_at(repository, repository.default_branch, commit).config.runbooks if commit else ""
        entries = objects.list_tree(repository.mirror_path, commit, under=directory) if directory else []
    except ObjectMissing:
        return Shelf(repository.name, "", ())
    wanted = [entry for entry in entries if entry.type == "blob" and entry.path.endswith(".md")]
    found = (_runbook(repository, directory, entry) for entry in wanted[:LIMIT])
    return Shelf(repository.name, directory, tuple(sorted(found, key=lambda one: one.title.lower())))


def _runbook(repository: Repository, directory: str, entry: TreeEntry) -> Runbook:
    inside = entry.path.removeprefix(directory.rstrip("/") + "/").removesuffix(".md")
    try:
        text = objects.read_blob(repository.mirror_path, entry.oid, max_bytes=LARGEST).decode("utf-8", "replace")
    except BlobTooLarge:
        text = ""
    title = _title(without_head(text), inside)
    return Runbook(repository.name, paths.display(inside), title, entry.path, about(text))


def _title(text: str, name: str) -> str:
    """The first heading, else the file's name in words."""
    heading = _HEADING.search(text)
    return heading[1][:150] if heading else paths.display(name).replace("-", " ").capitalize()
