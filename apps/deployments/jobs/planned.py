"""What ``via: terraform`` and ``via: cloudformation`` carry out: the plan that was approved, sealed for as long as the run lasts.

Sealed when the attempt begins, so that a rendering that is made anew meanwhile changes nothing, and because a template with
its parameters has the secrets that nothing else stored has.
"""

from __future__ import annotations

import json
from typing import Any

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.targets import rendered_target
from apps.changes.effects.tools import fingerprint_of, toolbox
from apps.changes.models import Rendering, Revision
from apps.core.errors import Unavailable
from apps.core.secrets import decrypt, encrypt
from apps.deployments.dispatchers import Refused, ToPlan
from apps.deployments.jobs.rendered import target_at
from apps.deployments.masking import SecretMask
from apps.deployments.models import Attempt, Deployment
from apps.deployments.planning.approved import ApprovedPlan, opened_plan, stored_plan
from apps.deployments.planning.judging import long_enough, stack_judge, terraform_judge
from apps.deployments.planning.runner import READABLE, providers, variables_of
from apps.rendering import options
from apps.rendering.cloudformation.requests import stack_request
from apps.rendering.identity import identity_of
from apps.rendering.model import Kind, RenderError, ToolIdentity
from apps.rendering.protocol import Target
from apps.rendering.quoted import secret_texts_of
from apps.rendering.redaction import Fingerprint
from apps.rendering.terraform import modules
from apps.rendering.terraform.quotable import quotable
from apps.vcs import objects

KINDS = {"terraform": Kind.TERRAFORM, "cloudformation": Kind.CLOUDFORMATION}
"""``deploy.via`` → the kind of its target."""


def needs_plan(deployment: Deployment) -> bool:
    """Whether the plan carries out a plan of another system."""
    return deployment.plan["via"] in KINDS


def sealed_plan(deployment: Deployment) -> str:
    """What was approved; :class:`Refused` says why nothing can be carried out."""
    revision = deployment.change.revision
    if revision is None:
        raise Refused("not_as_approved", f"{deployment.change.label} has no revision that was approved.")
    tree = _tree(revision, deployment.commit)
    row = Rendering.objects.filter(
        revision=revision, environment=deployment.environment.name, target=deployment.plan["raw"].get("target")
    ).first()
    target = rendered_target(row) if row is not None else target_at(deployment)
    if target.kind is not KINDS[deployment.plan["via"]]:
        message = (
            f"{target.name} is of the kind {target.kind.value}, which is not deployed via {deployment.plan['via']}."
        )
        raise Refused("not_as_approved", message)
    document = {
        "name": target.name,
        "options": dict(target.options),
        "approved": stored_plan(row, f"{target.environment}/{target.name}"),
    }
    try:
        document |= _content(tree, target, fingerprint_of(revision))
    except RenderError as problem:
        raise Refused("not_as_approved", f"{target.name} cannot be planned: {problem.message}") from problem
    return encrypt(json.dumps(document))


def _tree(revision: Revision, commit: str) -> GitTree:
    git_dir = revision.change.repository.mirror_path
    tree = objects.commit_tree_oid(git_dir, commit)
    if tree != revision.result_tree:
        text = f"The files of {commit[:10]} are not those that were approved with {revision.label} of {revision.change.label}."
        raise Refused("not_as_approved", text)
    return GitTree(git_dir, tree)


def _content(tree: GitTree, target: Target, hide: Fingerprint) -> dict[str, Any]:
    """What is sent of the repository, and its secrets."""
    if target.kind is Kind.CLOUDFORMATION:
        request = stack_request(tree, target, hide)
        content = {"stack": request.stack, "template": request.template, "parameters": list(request.parameters)}
        return {"content": content, "hide": sorted(request.secrets)}
    root = options.path(target, "path")
    if not modules.exists(tree, root):
        raise Refused("not_as_approved", f"There is no Terraform module at the path of {target.name}.")
    reading = modules.follow(tree, root)
    secrets = {*quotable(tree, target, reading, hide), *secret_texts_of((tree,), ("./",), hide)}
    return {"content": {}, "hide": sorted(secrets)}


def to_plan(deployment: Deployment, attempt: Attempt) -> ToPlan | None:
    """What was sealed, opened; ``None`` where the plan carries out no plan."""
    if not attempt.sealed_rendering or not needs_plan(deployment):
        return None
    document = json.loads(decrypt(attempt.sealed_rendering))
    revision = deployment.change.revision
    if revision is None:  # then nothing was sealed either
        raise Refused("not_as_approved", f"{deployment.change.label} has no revision that was approved.")
    approved, hide = opened_plan(document["approved"]), fingerprint_of(revision)
    known: dict[str, Any] = {"name": document["name"], "options": document["options"], "hide": tuple(document["hide"])}
    if deployment.plan["via"] == "cloudformation":
        content = document["content"]
        judge = stack_judge(approved, hide, SecretMask(long_enough(document["hide"])), content["stack"])
        return ToPlan(judge=judge, content=content, **known)
    plan_secrets = [value for name, value in variables_of(deployment.environment).items() if name not in READABLE]
    tool, programs = _terraform(approved)
    return ToPlan(judge=terraform_judge(approved, hide, SecretMask(plan_secrets), tool), programs=programs, **known)


def _terraform(approved: ApprovedPlan) -> tuple[ToolIdentity | None, dict[str, Any]]:
    """Who plans here, and with which programs. A plan that a pipeline handed in names the version alone."""
    box = toolbox()
    try:
        found, program = identity_of("terraform", ("version",), box), box.find("terraform")
    except RenderError as problem:
        raise Unavailable("no_terraform", problem.message) from problem
    mirror = providers()
    has_build = len(approved.tool) > 2 and bool(approved.tool[2])
    tool = found if has_build or not approved.digest else None
    return tool, {"terraform": program, **({"providers": mirror} if mirror else {})}
