"""What taking an environment back to an earlier deployment of it would do. Reads only, but for trees that no ref names.

What an environment is made of are the paths that reach it by portal.yaml (:func:`apps.policies.config.affected_environments`);
these become exactly what the earlier commit had. The policy itself stays as it is: its rules judge this. Targets that the environment
did not have then stay, too: what only they name is not touched, and nothing that may be a part of them is deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.changes.effects.irreversible import Irreversible, ReadBack, irreversible_parts
from apps.changes.models import ChangeRequest, OutsideChange
from apps.changes.outside import is_on
from apps.core.errors import Conflict
from apps.core.text import first_few
from apps.deployments.lifecycle import Status
from apps.deployments.models import Deployment
from apps.deployments.queries.batches import left_by
from apps.deployments.queries.elsewhere import deploy_it_text, landed_elsewhere
from apps.deployments.queries.undoing import contains
from apps.policies.config import EnvironmentConfig, PortalConfig, affected_environments, is_policy, targets_reading
from apps.policies.queries import policy_at
from apps.vcs import objects, reapplying, refs, trees
from apps.vcs.gateway import ZERO_OID
from apps.vcs.paths import display

MOST_NAMED = 100
Entry = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Return:
    """``tree`` is what the branch becomes; ``conflicts``: paths that stand in the way, then it is empty.

    ``changes`` are taken back, the newest first, ``more`` of them unnamed, and ``outside``: what went past the portal and nobody
    adopted. ``paths`` become what they were, and ``shared`` are environments that are made of some of them, too: the change reaches
    them, and their rules judge it. ``differences``: what merging does, as :func:`apps.vcs.trees.diff_trees`.
    ``added``: targets that the environment did not have then, ``touched``: those of them that name some of ``paths``; ``left``: paths
    that came since and that no target names, which stay because of these.
    """

    deployment: Deployment
    tip: str
    tree: str
    differences: tuple[trees.TreeChange, ...]
    paths: tuple[str, ...]
    conflicts: tuple[str, ...]
    changes: tuple[ChangeRequest, ...]
    more: int
    shared: tuple[str, ...]
    read_back: ReadBack
    added: tuple[str, ...] = ()
    touched: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    outside: tuple[OutsideChange, ...] = ()

    @property
    def is_possible(self) -> bool:
        return bool(self.tree)


def require_earlier(deployment: Deployment) -> None:
    """Only what was live in its environment and is not any more, or has something over it that did not succeed.

    :class:`Conflict` ``never_good`` or ``is_live``.
    """
    environment = deployment.environment
    if deployment.status != Status.SUCCEEDED:
        raise Conflict(
            "never_good",
            f"{deployment.label} is {deployment.status}: only what succeeded in {environment.name} can be brought back.",
            status=deployment.status,
        )
    if not deployment.became_live:
        raise Conflict(
            "never_good",
            f"{deployment.label} ran nothing: what {environment.name} ran by then contained it. Only what was live there can be "
            "brought back.",
            status=deployment.status,
        )
    if environment.live_deployment_id == deployment.pk and left_by(environment) is None:
        raise Conflict(
            "is_live", f"{deployment.label} is what {environment.name} runs now, so there is nothing to bring back."
        )


def return_to(deployment: Deployment) -> Return:
    """What bringing ``deployment`` back would do now; raises what :func:`require_earlier` does.

    :class:`Conflict` ``target_gone``, ``commit_gone`` (the mirror does not hold it any more), ``targets_moved``, ``nothing_to_undo``.
    """
    require_earlier(deployment)
    environment, branch = deployment.environment, deployment.change.target_branch
    git_dir = environment.repository.mirror_path
    tip = refs.branch_tip(git_dir, branch)
    if tip is None:
        raise Conflict("target_gone", f"The branch {branch} is gone, so nothing can be merged into it.")
    if not objects.has_commit(git_dir, deployment.commit):
        raise Conflict(
            "commit_gone", f"The commit of {deployment.label} is not there any more, so it cannot be brought back."
        )
    config = policy_at(environment.repository, branch, tip).config
    added = _added_targets(deployment, config)
    every = _entries(git_dir, tip, deployment.commit, config, environment.name)
    entries, left = _apart(every, config, deployment, added)
    if not entries:
        raise _nothing_to_undo(deployment, config, added)
    tree = reapplying.with_entries(git_dir, objects.commit_tree_oid(git_dir, tip), entries) or ""
    paths = tuple(sorted(display(path) for path in entries))
    taken, pushed = _taken_back(deployment, paths), _pushed(deployment, tip, paths)
    return Return(
        deployment=deployment,
        tip=tip,
        tree=tree,
        differences=tuple(trees.diff_trees(git_dir, tip, tree)) if tree else (),
        paths=paths,
        conflicts=() if tree else paths,
        changes=tuple(taken[:MOST_NAMED]),
        more=max(0, len(taken) - MOST_NAMED),
        shared=tuple(name for name in affected_environments(config, list(entries)) if name != environment.name),
        read_back=_read_back(
            environment.name, taken, targets_reading(config, [one for _, some in pushed for one in some])
        ),
        added=added,
        touched=_named_by(added, environment.name, targets_reading(config, list(entries))),
        left=tuple(sorted(map(display, left))),
        outside=tuple(row for row, _ in pushed),
    )


def _nothing_to_undo(deployment: Deployment, config: PortalConfig, added: tuple[str, ...]) -> Conflict:
    """The branch has the state already; where that did not go to the environment yet, what does is named."""
    environment, branch = deployment.environment, deployment.change.target_branch
    git_dir = environment.repository.mirror_path

    def has_it(commit: str) -> bool:
        return not _entries(git_dir, commit, deployment.commit, config, environment.name)

    said = f"Everything that {environment.name} is made of is on {branch} as {deployment.label} had it."
    said += f" What came since ({first_few(added)}) stays." if added else ""
    row = landed_elsewhere(environment, branch, has_it)
    facts = {"change": row.number} if row is not None else {}
    return Conflict("nothing_to_undo", f"{said}{deploy_it_text(row, environment)}", **facts)


def _added_targets(deployment: Deployment, present: PortalConfig) -> tuple[str, ...]:
    """Names of targets that the environment has now and had not then, in the order of the file.

    :class:`Conflict` ``targets_moved`` where one of then is gone or is made of something else: the files of then would make another
    state, or none, and not the earlier one. The same where it had none, as everything reached it then.
    """
    environment, branch = deployment.environment, deployment.change.target_branch
    earlier = policy_at(environment.repository, branch, deployment.commit).config
    now, then = (_made_of(config.environment(environment.name)) for config in (present, earlier))
    moved = [name for name, what in (then or {}).items() if now is None or now.get(name) != what]
    if now is None or then is None or moved or bool(now) != bool(then):
        named = f" ({first_few(moved)})" if moved else ""
        raise Conflict(
            "targets_moved",
            f"portal.yaml says otherwise now what {environment.name} is made of than it did at {deployment.label}{named}, so the "
            "files of then would not make what ran then. Write the state that you want in Git, and propose that.",
        )
    return tuple(name for name in now if name not in then)


def _named_by(names: tuple[str, ...], environment: str, readers: Iterable[str]) -> tuple[str, ...]:
    """Those of ``names`` that are among ``readers``, which are ``environment/target``."""
    reading = set(readers)
    return tuple(name for name in names if f"{environment}/{name}" in reading)


def _made_of(environment: EnvironmentConfig | None) -> dict[str, tuple[Any, ...]] | None:
    """What each target is made of, wherever it stands in the file."""
    if environment is None:
        return None
    return {one.name: (one.kind, one.inputs, dict(one.options)) for one in environment.targets}


def _apart(
    entries: dict[str, Entry | None], config: PortalConfig, deployment: Deployment, added: tuple[str, ...]
) -> tuple[dict[str, Entry | None], list[str]]:
    """What comes back, and what no target names and came since: a target that came since may be made of it, so it stays.

    What only targets name that came since is in neither. :class:`Conflict` ``targets_moved`` where what an earlier target is made of
    comes back only without files of a later one.
    """
    if not added:
        return entries, []
    environment = deployment.environment.name
    new = {f"{environment}/{name}" for name in added}
    back: dict[str, Entry | None] = {}
    left: list[str] = []
    for path, entry in entries.items():
        readers = set(targets_reading(config, [path]))
        is_earlier = any(one.startswith(f"{environment}/") for one in readers - new)
        if is_earlier and entry is None and readers & new:
            raise _would_take_away(deployment, path, sorted(readers & new))
        if is_earlier or (not readers and entry is not None):
            back[path] = entry
        elif not readers:
            left.append(path)
    return back, left


def _would_take_away(deployment: Deployment, path: str, later: list[str]) -> Conflict:
    return Conflict(
        "targets_moved",
        f"{first_few(later)} came after {deployment.label} and is made of {display(path)}, too, which would go. Write the state that "
        "you want in Git, and propose that.",
    )


def _entries(git_dir: Path, tip: str, commit: str, config: PortalConfig, environment: str) -> dict[str, Entry | None]:
    """Path → mode and blob that the earlier commit had there, ``None`` where it had nothing; of what the environment is made of."""
    wanted: dict[str, Entry | None] = {}
    for row in trees.diff_trees(git_dir, tip, commit):
        if row.old_path != row.new_path and row.status == "R":
            wanted.setdefault(row.old_path, None)
        wanted[row.new_path] = None if row.new_oid == ZERO_OID else (row.new_mode, row.new_oid)
    rego = config.rego.directory
    return {
        path: entry
        for path, entry in wanted.items()
        if not is_policy(path, rego) and environment in affected_environments(config, [path])
    }


def _taken_back(deployment: Deployment, paths: Iterable[str]) -> list[ChangeRequest]:
    """What was merged after the change of ``deployment`` and touched one of the paths, the newest first."""
    since = deployment.change.merged_at
    rows = ChangeRequest.objects.filter(
        repository=deployment.environment.repository_id, target_branch=deployment.change.target_branch
    ).exclude(merge_commit="")
    if since is not None:
        rows = rows.filter(merged_at__gt=since)
    wanted = set(paths)
    found = rows.select_related("revision").order_by("-merged_at", "-number")
    return [row for row in found if row.revision is not None and wanted & set(row.revision.paths)]


def _pushed(deployment: Deployment, tip: str, paths: Iterable[str]) -> list[tuple[OutsideChange, list[str]]]:
    """What went to the branch past the portal since and is open, with what it touched of the paths, the newest first."""
    rows = OutsideChange.objects.open().filter(
        repository=deployment.environment.repository_id, branch=deployment.change.target_branch
    )
    git_dir, wanted = deployment.environment.repository.mirror_path, set(paths)
    found = []
    for row in rows.exclude(new_oid="").select_related("repository", "change", "pusher").order_by("-pk"):
        if is_on(row, tip) and not contains(git_dir, deployment.commit, row.new_oid):
            moved = trees.diff_trees(git_dir, row.old_oid, row.new_oid)
            found.append(
                (row, sorted(wanted & {display(path) for one in moved for path in (one.old_path, one.new_path)}))
            )
    return [(row, touched) for row, touched in found if touched]


def _read_back(environment: str, taken: Iterable[ChangeRequest], pushed: Iterable[str]) -> ReadBack:
    """What of all that does not come back here, each named once; ``pushed``: targets that a push past the portal changed unseen."""
    parts: dict[Irreversible, None] = {}
    unknown = {label: None for label in pushed if label.startswith(f"{environment}/")}
    known: dict[str, None] = {}
    for change in taken:
        found = irreversible_parts(change)
        known.update((label, None) for label in found.known if label.startswith(f"{environment}/"))
        parts.update((part, None) for part in found.parts if part.target.startswith(f"{environment}/"))
        unknown.update((label, None) for label in found.unknown if label.startswith(f"{environment}/"))
    return ReadBack(tuple(parts), tuple(unknown), tuple(label for label in known if label not in unknown))
