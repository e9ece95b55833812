"""Drift of what the runner of an environment plans: Terraform's refresh of the state. Of stacks it can say nothing.

It gets what plans get (the secrets that are marked for plans), and only where the default branch still says ``plan: runner``.
"""

from __future__ import annotations

from dataclasses import replace

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.tools import toolbox
from apps.deployments.dispatchers.drift import MISSING, CannotTell, Finding, Found, of_field
from apps.deployments.masking import SecretMask
from apps.deployments.models import Environment
from apps.deployments.planning.runner import READABLE, limits, providers, variables_of
from apps.rendering.model import Action, Difference, Kind, RenderError
from apps.rendering.protocol import Target
from apps.rendering.redaction import Fingerprint
from apps.rendering.terraform.runner import Credentials, refresh_with_state
from apps.vcs import objects

NOT_LOOKED = "What the code asks for and the state does not have is no drift of what was applied, and is not compared."


def find_drift(environment: Environment, commit: str, target: Target, hide: Fingerprint) -> Found:
    """The target as it was deployed with ``commit``. :class:`CannotTell` with words that have no credential."""
    variables = variables_of(environment)
    mask = SecretMask(value for name, value in variables.items() if name not in READABLE)
    try:
        if target.kind is Kind.TERRAFORM:
            git_dir = environment.repository.mirror_path
            tree = GitTree(git_dir, objects.commit_tree_oid(git_dir, commit))
            box = replace(toolbox(), limits=limits())
            given = Credentials(variables, mask.apply, providers())
            return _found(refresh_with_state(tree, target, box, hide, given))
        raise CannotTell("no_way", f"Nothing here can say whether {target.kind.value} has drifted.")
    except RenderError as error:
        message = mask.apply(error.message.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
        raise CannotTell(error.failure.value, message) from None


def _found(difference: Difference) -> Found:
    findings: list[Finding] = []
    for change in difference.changes:
        name = change.id.name
        if change.action is Action.DELETE:
            findings.append(Finding(name, MISSING, wanted="there", found="gone"))
            continue
        findings += [of_field(name, one) for one in change.fields if not one.rule]
    return Found(tuple(findings), (NOT_LOOKED,))
