"""What of an environment can be compared with what was deployed, and comparing it: one look for each target.

The targets are those of portal.yaml at the live commit; what deploys is the plan of the live deployment. Nothing of it is
about the newest commit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from apps.changes.effects.applying import applicable
from apps.changes.effects.targets import target_of
from apps.changes.effects.tools import fingerprint_of
from apps.core.errors import PortalError
from apps.deployments.dispatchers import Run, ToApply
from apps.deployments.dispatchers.drift import CannotTell, Found
from apps.deployments.dispatchers.registry import drift_finder_of, health_teller_of
from apps.deployments.dispatchers.standing import UNKNOWN, Standing, worst
from apps.deployments.jobs.asking import checks_of, standing_by_checks
from apps.deployments.jobs.brought import left_since
from apps.deployments.jobs.drift_commands import find_by_command
from apps.deployments.jobs.drift_commits import is_as_deployed
from apps.deployments.jobs.drift_stacks import with_stack
from apps.deployments.jobs.rendered import placed_body
from apps.deployments.jobs.runs import run_of
from apps.deployments.lifecycle import Status
from apps.deployments.models import Attempt, Deployment
from apps.deployments.planning.runner import is_planned_here
from apps.deployments.queries.connections import connection_for, outside_of
from apps.policies.config import EnvironmentConfig, TargetConfig
from apps.policies.queries import policy_at
from apps.rendering.model import RenderError
from apps.rendering.redaction import Fingerprint, redact_raw_value

PLANNED = ("terraform", "cloudformation")
COMMAND = "command"


@dataclass(frozen=True, slots=True)
class Look:
    """One target that is looked at. ``way``: the dispatcher, the kind of what a runner plans, or a command; empty: there is none.

    ``health``: asks how it does; ``None`` where nobody can say.
    """

    target: str
    way: str
    find: Callable[[], Found]
    health: Callable[[], Standing] | None = None


def looks_at(deployment: Deployment) -> list[Look]:
    """Everything of the live ``deployment``; at least one, if only to say that it cannot be checked."""
    environment = _config(deployment)
    via = str(deployment.plan["via"])
    found = []
    if drift_finder_of(via) is not None:
        teller = health_teller_of(via)
        health = (lambda: teller.find_health(_run_there(deployment))) if teller is not None else None
        found.append(Look(_name(deployment), via, lambda: _by_dispatcher(deployment, environment), health))
    targets = environment.targets if environment is not None else ()
    left = [_of_target(deployment, environment, target) for target in targets if _is_left(deployment, target)]
    if environment is not None and (drift := environment.drift).command:
        # It answers for all that nothing else can say anything about.
        left = [look for look in left if look.way]
        found.append(Look("", COMMAND, lambda: find_by_command(_attempt_there(deployment), drift)))
    looks = [*found, *left] or [Look("", "", lambda: _cannot(_no_way(deployment)))]
    if checks_of(deployment):
        looks[0] = replace(looks[0], health=partial(_by_checks, deployment, looks[0].health))
    return looks


def _by_checks(deployment: Deployment, teller: Callable[[], Standing] | None) -> Standing:
    """What ``deploy.health`` asks, and what the way of deploying tells where it can."""
    told = [_asked(teller)] if teller is not None else []
    return worst([*told, _asked(lambda: standing_by_checks(_attempt_there(deployment)))])


def _name(deployment: Deployment) -> str:
    """What the way compares, as a target: the one of portal.yaml, or the name in the other system."""
    raw = deployment.plan["raw"]
    names = (raw.get(key) for key in ("target", "application", "helmRelease", "kustomization"))
    return next((str(name) for name in names if name), str(deployment.plan["via"]))[:100]


def _is_left(deployment: Deployment, target: TargetConfig) -> bool:
    """Whether the way of deploying does not answer for this target. Argo CD and Flux answer for all that Kubernetes runs."""
    via = deployment.plan["via"]
    if via in {"kubernetes", "cloudformation"}:
        return bool(target.name != deployment.plan["raw"].get("target"))
    return via not in {"argocd", "flux"} or target.kind in PLANNED


def _of_target(deployment: Deployment, environment: EnvironmentConfig | None, target: TargetConfig) -> Look:
    assert environment is not None  # noqa: S101 - it has this target
    name = target.name[:100]
    if target.kind in PLANNED and target.options.get("plan") == "runner":
        return Look(name, target.kind, lambda: _by_runner(deployment, environment, target))
    if target.kind in PLANNED:
        text = f"{target.name} is not planned by a runner (`plan: runner`), so the portal has no access to its state."
    else:
        text = f"{target.name}: {_no_way(deployment)}"
    return Look(name, "", lambda: _cannot(text))


def _no_way(deployment: Deployment) -> str:
    return f"`via: {deployment.plan['via']}` cannot say what is there now; a command can (`drift: {{command: …}}` in portal.yaml)."


def _cannot(text: str) -> Found:
    raise CannotTell("no_way", text)


def _config(deployment: Deployment) -> EnvironmentConfig | None:
    repository = deployment.environment.repository
    config = policy_at(repository, deployment.change.target_branch, deployment.commit).config
    return config.environment(deployment.environment.name)


def _hide(deployment: Deployment) -> Fingerprint:
    """What takes the secrets out; :class:`CannotTell` where nobody knows what is secret."""
    revision = deployment.change.revision
    if revision is None:
        raise CannotTell("no_revision", f"{deployment.change.label} has no revision that was approved.")
    try:
        return fingerprint_of(revision)
    except RenderError as problem:
        raise CannotTell(problem.failure.value, problem.message) from problem


def _by_dispatcher(deployment: Deployment, environment: EnvironmentConfig | None) -> Found:
    """Ask the way that deployed it, through the connection that may be used now."""
    finder = drift_finder_of(str(deployment.plan["via"]))
    assert finder is not None  # noqa: S101 - looks_at has asked
    return finder.find_drift(_run(deployment, environment))


def _attempt_there(deployment: Deployment) -> Attempt:
    """That made the live state."""
    rows = Attempt.objects.filter(deployment=deployment, outcome=Status.SUCCEEDED).select_related("deployment")
    attempt = rows.order_by("-number").first()
    if attempt is None:
        raise CannotTell("no_run", f"{deployment.label} ran nothing, so nothing is known that should be there.")
    return attempt


def _run_there(deployment: Deployment) -> Run:
    """The attempt that made the live state, through the connection that may be used now."""
    attempt = _attempt_there(deployment)
    connection = connection_for(deployment.environment, deployment.plan)
    if connection is None:
        raise CannotTell("no_connection", "There is no connection through which it could be looked at.")
    if attempt.connection_id not in {None, connection.pk}:
        text = f"{deployment.label} was deployed through another connection than portal.yaml names now."
        raise CannotTell("other_connection", text)
    return replace(run_of(deployment, attempt, with_secrets=False), outside=outside_of(connection))


def _run(deployment: Deployment, environment: EnvironmentConfig | None) -> Run:
    """With what it applied rendered again, and what those left that came after it and did not succeed."""
    run, hide = replace(_run_there(deployment), is_as_deployed=partial(is_as_deployed, deployment)), _hide(deployment)
    if deployment.plan["via"] == "cloudformation":
        return with_stack(run, deployment, hide)
    left = left_since(_attempt_there(deployment)) if deployment.plan["via"] == "kubernetes" else ()
    redacted = ToApply(_resources(deployment, environment), "", lambda value: redact_raw_value(value, hide), left)
    return replace(run, to_apply=redacted)


def _resources(deployment: Deployment, environment: EnvironmentConfig | None) -> tuple[dict[str, object], ...]:
    """What ``via: kubernetes`` applied, which has to be what was approved; nothing for what others render."""
    if deployment.plan["via"] != "kubernetes" or not deployment.plan["raw"].get("target"):
        return ()
    name = str(deployment.plan["raw"]["target"])
    found = next((one for one in environment.targets if one.name == name), None) if environment else None
    revision = deployment.change.revision
    if environment is None or found is None or revision is None:
        raise CannotTell("no_target", f"portal.yaml names no target {name!r} at {deployment.commit[:10]}.")
    rendering = applicable(revision, deployment.commit, target_of(environment, found))
    return tuple(placed_body(one) for one in rendering.resources)


def _by_runner(deployment: Deployment, environment: EnvironmentConfig, target: TargetConfig) -> Found:
    row = deployment.environment
    if not is_planned_here(row.repository, row.name, target.name, target.kind):
        text = f"portal.yaml on {row.repository.default_branch} does not give {target.name} to the runner any more."
        raise CannotTell("not_planned_here", text)
    from apps.deployments.planning.refreshing import find_drift  # it may bring boto3, which is slow to start

    return find_drift(row, deployment.commit, target_of(environment, target), _hide(deployment))


def looked(look: Look) -> tuple[Found | None, str]:
    """What it told, or why it told nothing. An error of the portal itself is for the caller."""
    try:
        return look.find(), ""
    except PortalError as problem:
        return None, problem.message
    except RenderError as problem:
        return None, problem.message


def stands(look: Look) -> Standing | None:
    """How it does; "unknown" with the reason where it could not be asked. An error of the portal itself is for the caller."""
    return _asked(look.health) if look.health is not None else None


def _asked(teller: Callable[[], Standing]) -> Standing:
    try:
        return teller()
    except PortalError as problem:
        return Standing(UNKNOWN, problem.message)


def names(looks: list[Look]) -> Iterator[tuple[Look, str]]:
    """Each with a name that no other has: what Argo CD calls an application may also be a target."""
    taken: set[str] = set()
    for look in looks:
        name = look.target if look.target not in taken else f"{look.target[:70]} ({look.way or 'target'})"
        taken.add(name)
        yield look, name
