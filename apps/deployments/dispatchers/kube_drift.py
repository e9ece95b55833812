"""Drift of what ``via: kubernetes`` applied: what ``kubectl diff --server-side --force-conflicts`` shows, and more.

Each resource of the live deployment is applied as a dry run that takes all of its fields, and the answer is compared with
the object as it is: what differs is what somebody made otherwise. A field that the deployment never named is nobody's
drift. A dry run writes nothing. What a deployment that came after it and did not succeed has left there is one too many.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from apps.deployments.dispatchers import Applied, Refused, Run
from apps.deployments.dispatchers.drift import ANOTHER, EXTRA, MISSING, CannotTell, Finding, Found, digest_of, of_field
from apps.deployments.dispatchers.kube_api import Answered, KubeApi, NoSuchKind, metadata, option
from apps.deployments.dispatchers.kube_apply import bodies_of
from apps.deployments.dispatchers.kube_health import standing
from apps.deployments.dispatchers.kube_pruning import Kept, named, still_there
from apps.deployments.dispatchers.kube_resources import Item, field_changes, items_of, secrets_in, to_prune
from apps.deployments.dispatchers.remote import plain_name
from apps.deployments.dispatchers.standing import Standing, of_parts
from apps.deployments.masking import SecretMask

NOT_LOOKED = "Fields that the deployment did not name, and objects that others made, are not compared."


def find_drift(run: Run) -> Found:
    """See the module. What could not be compared is a problem: with one nothing is called in sync."""
    if run.options.get("job"):
        raise CannotTell(
            "no_way", "What a Job did in the cluster is not known to the portal, so it cannot be compared."
        )
    try:
        items = items_of(run)
    except Refused as problem:
        raise CannotTell(problem.code, problem.message) from problem
    mask = SecretMask(secrets_in(items))
    ledger = {(one.api_version.rpartition("/")[0], one.kind, one.namespace, one.name): one for one in _applied(run)}
    findings: list[Finding] = []
    problems: list[str] = []
    left = to_prune(run.to_apply.before if run.to_apply else (), _applied(run))
    with KubeApi(run.outside) as api:
        looks = [(str(item), partial(_of_item, item, run, api, ledger)) for item in items]
        looks += [(named(old), partial(_of_left, old, run, api)) for old in left]
        for name, look in looks:
            try:
                findings += look()
            except (Answered, NoSuchKind) as problem:
                problems.append(
                    mask.apply(f"{name} could not be compared: {problem}".encode()).decode(errors="replace")
                )
    return Found(tuple(findings), (NOT_LOOKED,), tuple(problems), len(looks) - len(problems))


def find_health(run: Run) -> Standing:
    """Of what was applied and has a state of its own. A Job is over, and may have been removed since."""
    if run.options.get("job"):
        raise CannotTell("no_way", "What a Job did in the cluster has no health of its own.")
    with KubeApi(run.outside) as api:
        try:
            bodies = bodies_of(run, api)
        except Answered as problem:
            raise CannotTell("outside_refused", f"The cluster does not say how it does: {problem}") from problem
    return of_parts(
        (f"{kind} {namespace}/{name}", *standing(body))
        for (_, kind, namespace, name, _), body in bodies.items()
        if kind != "Job"
    )


def _applied(run: Run) -> list[Applied]:
    return [Applied(*map(str, entry)) for entry in run.external.get("ledger") or []]


def _of_item(item: Item, run: Run, api: KubeApi, ledger: dict[Any, Applied]) -> list[Finding]:
    placed, path = _placed(item, run, api)
    live = api.get(path)
    if live is None:
        return [Finding(str(placed), MISSING, wanted="there", found="gone")]
    old = ledger.get(placed.key)
    if old is not None and metadata(live).get("uid") != old.uid:
        why = "another object of that name, which somebody made"
        digest = digest_of(str(metadata(live).get("uid")))
        return [Finding(str(placed), ANOTHER, wanted="the object that was deployed", found=why, digest=digest)]
    dry, is_new = api.apply(path, placed.body, dry=True, force=True)
    if is_new:  # it went between the two requests
        return [Finding(str(placed), MISSING, wanted="there", found="gone")]
    return [of_field(str(placed), change) for change in field_changes(placed, dry, live, run)]


def _of_left(old: Applied, run: Run, api: KubeApi) -> list[Finding]:
    """What is not rendered, and still there by a deployment that did not succeed; what is no longer ours is not ours to name."""
    try:
        uid = metadata(still_there(old, run, api)).get("uid")
    except Kept:
        return []
    if uid in {one.uid for one in _applied(run)}:
        return []
    return [
        Finding(plain_name(named(old)), EXTRA, wanted="gone", found=f"brought by {old.by}", digest=digest_of(str(uid)))
    ]


def _placed(item: Item, run: Run, api: KubeApi) -> tuple[Item, str]:
    """As it was applied, and its address."""
    place = api.place(item.api_version, item.kind)
    found: dict[str, Any] = dict(metadata(item.body))
    if not place.is_namespaced:
        found.pop("namespace", None)
    elif not item.namespace:
        found["namespace"] = option(run, "namespace")
    placed = Item({**item.body, "metadata": found})
    if place.is_namespaced and not placed.namespace:
        raise Answered(0, "it names no namespace, so it cannot be looked for.")
    return placed, place.one(placed.namespace, item.name)
