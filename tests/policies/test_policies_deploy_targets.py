"""``deploy.target``: one of this environment, that this dispatcher can carry out as it was approved."""

from __future__ import annotations

import pytest

from apps.deployments.dispatchers.remote import spelled
from apps.policies.config import parse_portal_yaml

TARGETS = """\
      net: {kind: terraform, path: infra, plan: runner}
      old: {kind: terraform, path: infra, plan: pipeline}
      here: {kind: terraform, path: infra}
      shop: {kind: cloudformation, template: t.yaml, stack: s, plan: runner}
      look: {kind: cloudformation, template: t.yaml, stack: s}
      web: {kind: kustomize, path: k8s}
      all: {kind: flux, path: clusters}
"""


def problems(deploy: str) -> list[str]:
    text = f"apiVersion: portal/v1\nenvironments:\n  a:\n    targets:\n{TARGETS}    deploy: {{{deploy}}}\n"
    return [problem.message for problem in parse_portal_yaml(text.encode()).problems]


@pytest.mark.parametrize(
    "deploy",
    [
        "via: terraform, target: net",
        "via: terraform, target: old, timeout: 30m, start: manual",
        "via: cloudformation, connection: aws, target: shop",
        "via: kubernetes, connection: c, target: web",
    ],
)
def test_a_target_that_can_be_carried_out_is_taken(deploy: str) -> None:
    assert problems(deploy) == []


@pytest.mark.parametrize(
    ("deploy", "words"),
    [
        ("via: terraform, target: nets", "deploys the target `nets`, which this environment does not have"),
        ("via: terraform, target: shop", "deploys `shop` via terraform, but it is of the kind cloudformation"),
        ("via: terraform, target: here", "is planned without the state of the environment"),
        ("via: cloudformation, connection: aws, target: look", "is planned without the state of the environment"),
        ("via: cloudformation, connection: aws, target: net", "via cloudformation, but it is of the kind terraform"),
        ("via: kubernetes, connection: c, target: all", "via kubernetes, but it is of the kind flux"),
        ("via: terraform", "lacks the key `target`"),
        ("via: cloudformation, target: shop", "lacks the key `connection`"),
        ("via: terraform, target: net, connection: c", "connection"),
    ],
)
def test_one_that_cannot_be_is_refused_when_the_file_is_read(deploy: str, words: str) -> None:
    found = problems(deploy)
    assert len(found) == 1, found
    assert words in found[0]


@pytest.mark.parametrize(
    ("deploy", "key"),
    [
        ("via: gitlab, connection: g, project: a/b, variables: {REGION: , A: ''}", "variables.REGION"),
        ("via: gitlab, connection: g, project: a/b, inputs: {region: ~}", "inputs.region"),
        ("via: github, connection: g, repository: a/b, workflow: d.yml, inputs: {region: null}", "inputs.region"),
        ("via: jenkins, connection: j, job: deploy, parameters: {REGION: }", "parameters.REGION"),
    ],
)
def test_a_variable_without_a_value_is_a_mistake(deploy: str, key: str) -> None:
    """The pipeline was given the text "None"."""
    [message] = problems(deploy)
    assert message == f"`environments.a.deploy.{key}` has no value, which is not the same as an empty text."


def test_a_variable_without_a_value_in_an_older_plan_is_empty() -> None:
    assert [spelled(value) for value in (None, "", True, 7)] == ["", "", "true", "7"]
