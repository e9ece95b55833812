"""A9 to A15: the effect that was approved, the moment at which it runs, and the policy that is in force then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.museum.conftest import Open
from tests.support.museum import ENVIRONMENTS, REVIEWER, VALUES, Museum, email, exhibit, policy
from tests.support.tools import toolbox

MODULE = 'resource "aws_instance" "a" {\n  ami = "x"\n}\n'
PLANNED = "environments:\n  production:\n    targets:\n      net: {kind: terraform, path: infra, plan: pipeline}\n"
OVERLAY = "environments:\n  staging:\n    targets:\n      app: {kind: kustomize, path: clusters/staging}\n"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {colour: blue}\n"
KUSTOMIZED = {
    "base/kustomization.yaml": "resources: [map.yaml]\n",
    "base/map.yaml": MAP,
    "clusters/staging/kustomization.yaml": "namespace: staging\nresources: [../../base]\n",
}
BLOCKS = "".join(f"{name}:\n{''.join(f'  k{n}: 1{chr(10)}' for n in range(9))}" for name in ("staging", "prod"))
NARROW = "spec:\n  ingress:\n    - from:\n        - namespaceSelector: {}\n      podSelector: {}\n"
WIDE = NARROW.replace("      podSelector", "          podSelector")


def plan(size: int) -> dict[str, object]:
    """What ``terraform show -json`` says of one database."""
    change = {"actions": ["update"], "before": {"size": 2}, "after": {"size": size}}
    row = {"address": "aws_db_instance.a", "type": "aws_db_instance", "provider_name": "aws", "change": change}
    return {"format_version": "1.2", "terraform_version": "1.11.4", "planned_values": {}, "resource_changes": [row]}


@exhibit("A9")
def test_a_plan_that_is_swapped_after_its_approval_voids_it(open_museum: Open) -> None:
    museum = open_museum(policy(environments=PLANNED), {"infra/main.tf": MODULE})
    number = museum.propose("one", {"infra/main.tf": MODULE.replace('"x"', '"y"')})
    museum.render()
    path = f"changes/{number}/renderings/plan/"
    body = {"revision": 1, "environment": "production", "target": "net"}
    assert museum.post("alice", path, {**body, "plan": plan(3)}, status=403)["code"] == "contributor"
    museum.post("carol", path, {**body, "plan": plan(3)}, status=200)
    museum.review(number, "bob")
    assert museum.change(number)["verdict"]["allowed"]
    museum.post("carol", path, {**body, "plan": plan(9000)}, status=200)
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "plan_changed"
    assert len(museum.told(number, "rendering.handed_in")) == 2


@exhibit("A10")
@pytest.mark.parametrize(
    ("before", "approved", "later"),
    [
        ("spec: {}\n", NARROW, WIDE),
        (BLOCKS, BLOCKS.replace("k4: 1", "k4: 9", 1), "k4: 9".join(BLOCKS.rsplit("k4: 1", 1))),
    ],
    ids=["white space alone", "the same hunk in another block"],
)
def test_what_git_calls_the_same_patch_is_another_change(
    open_museum: Open, before: str, approved: str, later: str
) -> None:
    museum = open_museum(files={"net/policy.yaml": before})
    number = museum.approved("one", {"net/policy.yaml": approved})
    museum.pushed("one", {"net/policy.yaml": later}, at="main")
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "source_changed"
    assert museum.told(number, "change.revision_added")


@exhibit("A10")
def test_what_only_a_merge_commit_brings_is_shown_and_voids_the_approval(museum: Museum) -> None:
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.pushed("main", {"docs/other.md": "1\n"}, author="kim")
    museum.work.checkout("one")
    museum.work.merge("main", "merge", email("alice"), "--no-commit")
    museum.pushed("one", {"evil.yaml": "evil: true\n"})
    assert "evil: true" in museum.shown(number)
    museum.merge_is_refused(number, "rule")
    assert museum.told(number, "change.revision_added")


@exhibit("A11")
def test_a_base_that_changes_below_an_equal_difference_voids_the_approval(open_museum: Open) -> None:
    toolbox("kubectl")
    museum = open_museum(policy(environments=OVERLAY), KUSTOMIZED)
    number = museum.propose(
        "one", {"clusters/staging/kustomization.yaml": "namespace: other\nresources: [../../base]\n"}
    )
    museum.render()
    museum.review(number, "bob")
    assert museum.change(number)["verdict"]["allowed"]
    museum.pushed("main", {"base/map.yaml": MAP.replace("blue", "red")}, author="kim")
    museum.render()
    museum.merge_is_refused(number, "rule")
    assert museum.standing(number) == "rendered_changed"
    assert museum.told(number, "change.revision_added")


@exhibit("A12")
@pytest.mark.parametrize("base", ["https://example.org/base?ref=main", "github.com/acme/base//deploy?ref=v1"])
def test_a_base_that_a_name_elsewhere_decides_is_not_rendered_and_holds_the_merge(open_museum: Open, base: str) -> None:
    toolbox("kubectl")
    museum = open_museum(policy(environments=OVERLAY), KUSTOMIZED)
    number = museum.propose("one", {"clusters/staging/kustomization.yaml": f"resources: [../../base, '{base}']\n"})
    museum.render()
    museum.review(number, "bob")
    text = museum.merge_is_refused(number, "effect")
    assert "staging/app" in text
    row = museum.get("dave", f"changes/{number}/renderings/")["results"][0]
    assert row["state"] == "failed"


@exhibit("A13")
@pytest.mark.parametrize("field", ["revision", "commit", "head", "manifests"])
def test_nobody_can_name_something_else_to_be_merged_or_deployed(open_museum: Open, field: str) -> None:
    museum = open_museum(policy(environments=ENVIRONMENTS))
    evil = museum.pushed("evil", {"evil.yaml": "evil: true\n"})
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    merge = museum.post("alice", f"changes/{number}/merge/", {field: evil}, status=422)
    assert "Unknown field" in merge["fields"][field][0]
    body = {"change": number, "environment": "staging", field: evil}
    assert field in museum.post("alice", "deployments/", body, status=422)["fields"]
    museum.nothing_happened(number, museum.tip())


@exhibit("A14")
def test_a_freeze_that_begins_while_a_deployment_is_queued_holds_it(open_museum: Open) -> None:
    museum = open_museum(policy(environments=ENVIRONMENTS))
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.merge(number)
    moment = datetime.now(UTC).replace(microsecond=0)
    until = (moment + timedelta(days=1)).isoformat()
    freeze = f"windows: [{{name: year end, kind: freeze, from: {moment.isoformat()}, to: {until}}}]\n"
    museum.pushed("main", {".gitops/portal.yaml": policy(environments=ENVIRONMENTS, more=freeze)}, at="origin/main")
    museum.deploy_all()
    held = museum.deployment(number, "staging")
    assert (held["state"], [wait["code"] for wait in held["waits"]]) == ("pending", ["freeze"])
    assert "year end" in held["waits"][0]["text"]
    assert museum.told(number, "deployment.dispatched") == []


@exhibit("A15")
def test_a_rule_that_a_change_deletes_still_judges_that_change(open_museum: Open) -> None:
    strict = "  - {name: experts, needs: {approvals: 2, from: [role/reviewer]}}\n"
    museum = open_museum(policy(REVIEWER + strict))
    number = museum.propose("one", {".gitops/portal.yaml": policy()})
    museum.review(number, "bob")
    assert "experts" in museum.merge_is_refused(number, "rule")
    assert "experts" in museum.shown(number, "policy/")
    assert museum.told(number, "review.submitted")


@exhibit("A15")
def test_an_older_policy_that_was_in_force_at_the_approval_is_not_the_one_that_judges(museum: Museum) -> None:
    number = museum.approved("one", {VALUES: "replicas: 2\n"})
    museum.pushed("main", {".gitops/portal.yaml": policy("  - {name: kim, needs: {approvals: 1, from: [user/kim]}}\n")})
    assert "user/kim" in museum.merge_is_refused(number, "rule")
    entry = museum.told_of_repository("policy.changed")[0]
    assert entry["actor"]["name"] != "alice", "nobody is said to have agreed to it"
