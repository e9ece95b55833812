"""``via: kubernetes`` with a target: its resources are applied as the server merges them, and waited for.

All is tried first (dry run), then namespaces and definitions, then the rest, then what was there before and is no longer
rendered is deleted. A look does as much as :data:`SECONDS` allow and says how far it came; the next one goes on there. A
worker that is killed repeats at most one look: server-side apply of the same fields by the same manager changes nothing the
second time, and what is deleted is named by its uid.

A look that has tried something writes nothing: what is to be written is announced, and stored, before. So whatever becomes of
the worker, what it may have brought is known to the next run, which deletes it where it is no longer rendered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.clock import now
from apps.core.errors import Unavailable
from apps.deployments.dispatchers import (
    Applied,
    InDoubt,
    NotSent,
    Progress,
    Refused,
    ResourceState,
    Run,
    RunState,
    StepProgress,
    StepState,
    kube_taking,
)
from apps.deployments.dispatchers.kube_api import Answered, KubeApi, NoSuchKind, Place, metadata, option
from apps.deployments.dispatchers.kube_health import Health, health
from apps.deployments.dispatchers.kube_pruning import OVER, prune
from apps.deployments.dispatchers.kube_resources import (
    LABEL,
    Item,
    defines,
    difference,
    items_of,
    owner_of,
    secrets_in,
    to_prune,
)
from apps.deployments.dispatchers.remote import as_ended
from apps.deployments.dispatchers.words import joined, minutes
from apps.deployments.masking import SecretMask

DEFAULT_TIMEOUT = 900.0
SECONDS = 8.0
"""For one look: well below the lease of a deployment."""
MOST_LOG = 200_000
STAGES = ("check", "first", "recheck", "apply", "prune", OVER)
SHOWN = {"check": "check", "first": "apply", "recheck": "apply", "apply": "apply", "prune": "prune", "wait": "healthy"}
NAMES = {"check": "check", "apply": "apply", "prune": "prune", "healthy": "wait until healthy"}
_AT_ONCE = frozenset(
    (group, kind)
    for group, kinds in {
        "": "ConfigMap Secret ServiceAccount Service ResourceQuota LimitRange Endpoints",
        "rbac.authorization.k8s.io": "Role RoleBinding ClusterRole ClusterRoleBinding",
        "networking.k8s.io": "Ingress IngressClass NetworkPolicy",
        "scheduling.k8s.io": "PriorityClass",
        "storage.k8s.io": "StorageClass",
    }.items()
    for kind in kinds.split()
)
"""Groups and kinds without a state of their own: applied is healthy. What others call so (Knative's Service) has one."""


class Failed(Exception):
    """The run cannot go on; the words say why."""


@dataclass
class Work:
    """How far the run is; goes to and comes from ``external``. ``announced``: what was tried, as the ledger will have it.

    There its uid is empty where it was not there yet.
    """

    run: Run
    items: list[Item]
    stage: str = STAGES[0]
    at: int = 0
    deferred: list[int] = field(default_factory=list)
    ledger: list[list[str]] = field(default_factory=list)
    announced: list[list[str]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    moves: int = 0

    @classmethod
    def of(cls, run: Run, items: list[Item]) -> Work:
        known = run.external
        return cls(
            run,
            items,
            str(known.get("stage") or STAGES[0]),
            int(known.get("at") or 0),
            list(known.get("deferred") or []),
            list(known.get("ledger") or []),
            list(known.get("announced") or []),
            dict(known.get("logs") or {}),
        )

    def facts(self) -> dict[str, Any]:
        names = ("stage", "at", "deferred", "ledger", "announced", "logs", "problem")
        return {name: getattr(self, name) for name in names}

    @property
    def applied(self) -> list[Applied]:
        return [Applied(*entry) for entry in self.ledger]

    @property
    def has_to_be_stored(self) -> bool:
        """Whether the next thing would be written, and not all of it is announced where the next worker finds it."""
        stored = self.run.external.get("announced") or []
        return self.stage in {"first", "apply"} and len(self.announced) > len(stored)

    @property
    def todo(self) -> list[Any]:
        """What the present stage goes through, in order; the same in every look."""
        run = self.run
        is_pruning = run.to_apply is not None and run.options.get("prune") is True
        stages: dict[str, list[Any]] = {
            "check": self.items,
            "first": [item for item in self.items if item.is_first],
            "recheck": [self.items[number] for number in self.deferred],
            "apply": [item for item in self.items if not item.is_first],
            "prune": to_prune(run.to_apply.before, self.applied) if is_pruning and run.to_apply else [],
            "wait": [],
        }
        return stages[self.stage]

    def move(self) -> None:
        self.at += 1
        self.moves += 1

    def say(self, *lines: str) -> None:
        step = SHOWN[self.stage]
        before = self.logs.get(step, "")
        if len(before) < MOST_LOG:
            cut = "(the rest is left out)\n" if len(before) + sum(map(len, lines)) >= MOST_LOG else ""
            self.logs[step] = before + "".join(f"{line}\n" for line in lines)[:MOST_LOG] + cut


def dispatch(run: Run) -> Mapping[str, Any]:
    """One look's worth of work; :class:`Unavailable` only where nothing came of it."""
    work = Work.of(run, items_of(run))
    mask = SecretMask(secrets_in(work.items))
    end = time.monotonic() + SECONDS
    try:
        with KubeApi(run.outside) as api:
            while work.stage != OVER and time.monotonic() < end and _step(work, api):
                pass
    except (Failed, Answered, NoSuchKind) as problem:
        work.problem = mask.apply(str(problem).encode()).decode(errors="replace") + _state_of(work)
    except Unavailable as problem:
        if isinstance(problem, Refused):  # a name of the content that cannot be asked for: waiting does not help
            work.problem = problem.message + _state_of(work)
        elif not work.moves:
            raise (
                problem
                if isinstance(problem, (NotSent, InDoubt))
                else NotSent(problem.code, problem.message, **problem.details)
            ) from None
    return work.facts()


def _state_of(work: Work) -> str:
    return (
        f" {len(work.ledger)} of {len(work.items)} resources are applied." if work.ledger else " Nothing was applied."
    )


def _step(work: Work, api: KubeApi) -> bool:
    """The next thing of the stage; False when it has to be waited for."""
    limit = _limit(work.run)
    if work.run.age(now()) > limit:
        raise Failed(f"It was not applied in {minutes(limit)}.")
    if work.has_to_be_stored:
        return False
    todo = work.todo
    if work.at >= len(todo):
        work.stage, work.at = STAGES[STAGES.index(work.stage) + 1], 0
        work.moves += 1
        return True
    doing: dict[str, Callable[[Work, KubeApi, Any], bool]] = {
        "check": _check,
        "first": _apply,
        "recheck": _check,
        "apply": _apply,
        "prune": _prune,
    }
    if doing[work.stage](work, api, todo[work.at]):
        work.move()
        return True
    return False


def _limit(run: Run) -> float:
    return float(run.options.get("timeout") or DEFAULT_TIMEOUT)


def _placed(work: Work, item: Item, place: Place) -> Item:
    """The item with the namespace that its kind needs, or without one."""
    found = dict(metadata(item.body))
    if not place.is_namespaced:
        found.pop("namespace", None)
    elif not item.namespace:
        found["namespace"] = option(work.run, "namespace")
        if not found["namespace"]:
            raise Failed(f"{item} names no namespace. Name it in the manifest, in the target or in `deploy`.")
    return Item({**item.body, "metadata": found})


def _check(work: Work, api: KubeApi, item: Item) -> bool:
    """Ask the server what applying would do. What needs something else of the set first is asked again after that."""
    namespaces, kinds = defines(work.items)
    is_late = work.stage == "recheck"
    try:
        place = api.place(item.api_version, item.kind, anew=is_late)
    except NoSuchKind:
        if (item.group, item.kind) not in kinds:
            raise
        if not is_late:
            work.deferred.append(work.at)
        return not is_late  # the server takes a moment to serve what was just defined
    placed = _placed(work, item, place)
    path = place.one(placed.namespace, item.name)
    live = api.get(path)
    try:
        dry, _ = kube_taking.apply(
            work.run, api, path, placed.body, dry=True, say=lambda text: work.say(f"{placed}: {text}")
        )
    except Answered as problem:
        if problem.status == 404 and placed.namespace in namespaces and not is_late:
            work.deferred.append(work.at)
            return True
        raise Failed(f"{placed}: {_refusal(problem)}") from None
    work.say(*difference(placed, live, dry, work.run))
    work.announced.append([*_entry(placed), str(metadata(live).get("uid") or "") if live else ""])
    return True


def _entry(placed: Item) -> list[str]:
    """By which the ledger knows it, beside its uid."""
    return [placed.api_version, placed.kind, placed.namespace, placed.name]


def _refusal(problem: Answered) -> str:
    if problem.owners:
        return (
            f"another manager owns fields of it: {problem.words}. Nothing is taken from it: leave them out, or name it in "
            "`takeOver` of `deploy` in portal.yaml."
        )
    return f"{problem.words.rstrip('.')}."


def _apply(work: Work, api: KubeApi, item: Item) -> bool:
    place = api.place(item.api_version, item.kind)
    placed = _placed(work, item, place)
    path = place.one(placed.namespace, item.name)
    try:
        body, is_new = kube_taking.apply(work.run, api, path, placed.body, dry=False, say=lambda _: None)
    except Answered as problem:
        if problem.status == 409 and not problem.owners:
            return False  # somebody wrote it at the same moment: again in the next look
        raise Failed(f"{placed}: {_refusal(problem)}") from None
    uid = str(metadata(body).get("uid") or "")
    entry = _entry(placed)
    work.ledger = [one for one in work.ledger if one[:4] != entry] + [[*entry, uid]]
    work.say(f"{placed}: {'created' if is_new else 'applied'}")
    return True


def _prune(work: Work, api: KubeApi, old: Applied) -> bool:
    prune(old, work.run, api, work.applied, work.say)
    return True


def observe(run: Run) -> Progress:
    """What is known; asks the cluster only once all is applied."""
    if not run.is_sent:
        return Progress(RunState.NOT_STARTED)
    stage, problem = str(run.external.get("stage") or STAGES[0]), str(run.external.get("problem") or "")
    if problem:
        steps = _steps(run, stage, failure=problem)
        return Progress(RunState.ENDED, steps, "failed", problem=problem, resources=_states(run, {}))
    if run.is_cancelled and stage != "wait":
        return Progress(RunState.ENDED, _steps(run, stage, is_cancelled=True), "cancelled", resources=_states(run, {}))
    if stage != "wait":
        done = len(run.external.get("ledger") or [])
        return Progress(RunState.NOT_STARTED, _steps(run, stage), text=f"{done} resources are applied." if done else "")
    with KubeApi(run.outside) as api:
        found = _states(run, _healths(run, api))
    return _waiting(run, found)


def _waiting(run: Run, found: tuple[ResourceState, ...]) -> Progress:
    if all(one.health == "healthy" for one in found):
        text = f"{len(found)} resources are applied and healthy."
        return Progress(RunState.ENDED, _steps(run, "done"), "succeeded", text, resources=found)
    if run.is_cancelled:
        return Progress(RunState.ENDED, _steps(run, "wait", is_cancelled=True), "cancelled", resources=found)
    bad = [one for one in found if one.health == "degraded"]
    late = run.is_late(now(), _limit(run))
    waiting = bad or [one for one in found if one.health != "healthy"]
    named = joined(f"{one.kind} {one.name} ({one.message or one.health})" for one in waiting)
    if not bad and not late:
        return Progress(RunState.RUNNING, _steps(run, "wait"), text=f"Waiting for {named}.", resources=found)
    words = "Not healthy" if bad else f"Not healthy in {minutes(_limit(run))}"
    problem = f"{words}: {named}. All {len(found)} resources are applied."
    return Progress(RunState.ENDED, _steps(run, "wait", failure=problem), "failed", problem=problem, resources=found)


def _is_at_once(entry: Sequence[str]) -> bool:
    """Of an entry of the ledger, which begins with ``apiVersion`` and kind."""
    return has_no_state(entry[0].rpartition("/")[0], entry[1])


def has_no_state(group: str, kind: str) -> bool:
    """Whether it is healthy by being there."""
    return (group, kind) in _AT_ONCE


def bodies_of(run: Run, api: KubeApi) -> dict[tuple[str, ...], dict[str, Any] | None]:
    """What the ledger names and has a state of its own, as it is, by that entry; read once for each kind and namespace."""
    entries = [tuple(entry) for entry in run.external.get("ledger") or [] if not _is_at_once(entry)]
    found: dict[tuple[str, ...], dict[str, Any] | None] = {}
    for api_version, kind, namespace in sorted({entry[:3] for entry in entries}):
        try:
            place = api.place(api_version, kind)
        except (NoSuchKind, Answered) as problem:
            raise Unavailable("kind_gone", f"The state of {kind} cannot be read: {problem}") from None
        listing = api.items(place.many(namespace), f"{LABEL}={owner_of(run)}")
        bodies = {(metadata(one).get("name"), metadata(one).get("uid")): one for one in listing}
        for entry in entries:
            if entry[:3] == (api_version, kind, namespace):
                body = bodies.get((entry[3], entry[4]))
                # Items of a list do not repeat what the list is of.
                found[entry] = {**body, "apiVersion": api_version, "kind": kind} if body else None
    return found


def _healths(run: Run, api: KubeApi) -> dict[tuple[str, ...], Health]:
    return {entry: health(body) for entry, body in bodies_of(run, api).items()}


def _states(run: Run, healths: Mapping[tuple[str, ...], Health]) -> tuple[ResourceState, ...]:
    states = []
    for entry in run.external.get("ledger") or []:
        api_version, kind, namespace, name, _ = entry
        word, message = healths.get(tuple(entry), ("healthy" if _is_at_once(entry) else "unknown", ""))
        group = api_version.rpartition("/")[0]
        states.append(ResourceState(kind, name, namespace, group, "synced", word, message))
    return tuple(states)


def _steps(run: Run, stage: str, *, failure: str = "", is_cancelled: bool = False) -> tuple[StepProgress, ...]:
    """Check, apply, prune where it was asked for, wait; those before ``stage`` are over, that one runs or ended badly."""
    shown = [key for key in NAMES if key != "prune" or run.options.get("prune") is True]
    here = shown.index(SHOWN[stage]) if SHOWN.get(stage) in shown else len(shown)
    if stage == "prune" and "prune" not in shown:
        here = shown.index("healthy")
    logs = run.external.get("logs") or {}
    found = []
    for position, key in enumerate(shown):
        fields: dict[str, Any] = {"state": StepState.WAITING}
        if position < here:
            fields = as_ended()
        elif position == here:
            is_over = bool(failure) or is_cancelled
            fields = as_ended(failure, is_cancelled=is_cancelled) if is_over else {"state": StepState.RUNNING}
        size = len(str(logs.get(key, "")).encode())
        found.append(StepProgress(key=key, name=NAMES[key], output_bytes=size, **fields))
    return tuple(found)


def read_log(run: Run, key: str, offset: int, limit: int) -> bytes:
    """What was said of each resource."""
    return str((run.external.get("logs") or {}).get(key, "")).encode()[offset : offset + limit]
