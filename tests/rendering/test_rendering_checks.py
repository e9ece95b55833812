"""Checks with the real checkers: what is broken is found, what is good is not blamed, and what did not run says so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from apps.rendering.checks import Checked, Finding, check_manifests, check_templates
from apps.rendering.checks import program as programs
from apps.rendering.checks.manifests import _asked
from apps.rendering.checks.program import not_installed
from apps.rendering.model import Kind, Resource, ResourceId, Source
from apps.rendering.own_patterns import OwnPatterns
from apps.rendering.protocol import Target
from apps.rendering.redaction import keyed
from tests.support.tools import checkers, toolbox
from tests.support.trees import MemoryTree

FINGERPRINT = keyed(b"key of a test")
CANARY = "canary-7f3e9a5b1d"
GOOD = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "labels": {"app": "web"}},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1", "ports": [{"containerPort": 80}], "resources": {"limits": {"cpu": 1}}}]},
        },
    },
}  # fmt: skip


def resource(body: Mapping[str, object]) -> Resource:
    meta = body.get("metadata")
    name = str(meta.get("name")) if isinstance(meta, dict) else ""
    return Resource(ResourceId("", str(body.get("kind")), "", name), body, Source("app/web.yaml", 7))


def changed(**spec: object) -> dict[str, object]:
    return {**GOOD, "spec": {**GOOD["spec"], **spec}}  # type: ignore[dict-item]


def manifests(*bodies: Mapping[str, object], version: str = "") -> Checked:
    options = {"kubeVersion": version} if version else {}
    target = Target("web", "staging", Kind.MANIFESTS, options)
    return check_manifests([resource(body) for body in bodies], target, checkers())


def test_good_manifests_have_no_findings_in_any_version_that_is_known() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": {"ports": [{"port": 80}]}}
    for version in ("", "1.25", "v1.32.4", "1.37"):
        found = manifests(GOOD, service, version=version)
        assert (found.findings, found.unknown, found.not_checked, found.more) == ((), (), "", 0)
        assert found.against == f"Kubernetes {version.removeprefix('v')[:4] or '1.37'}"
        assert found.tool == "kubernetes-validate 1.37.0"


def test_everything_that_is_wrong_is_named_with_its_place_and_without_its_value() -> None:
    template = {"spec": {"containers": [{"name": "web", "imag": CANARY}], "restartPolicy": [CANARY]}}
    body = changed(replicas=CANARY, template=template)
    del body["spec"]["selector"]  # type: ignore[attr-defined]
    found = {one.field: one for one in manifests(body).findings}
    assert {field: one.text for field, one in found.items()} == {
        "spec": "lacks selector",
        "spec.replicas": "must be integer, but is string",
        "spec.template.spec.containers.0": "does not know imag",
        "spec.template.spec.restartPolicy": "must be string, but is array",
    }
    one = found["spec.replicas"]
    assert (one.level, one.resource, one.place, one.check) == (
        "error",
        "Deployment web",
        "app/web.yaml:7",
        "schema: type",
    )
    assert CANARY not in str(found)


def test_a_field_that_came_later_is_an_error_for_the_older_version_alone() -> None:
    body = changed(
        template={
            "spec": {
                "containers": [{"name": "a", "image": "a"}],
                "resourceClaims": [{"name": "x", "resourceClaimName": "y"}],
            }
        }
    )
    assert manifests(body, version="1.36").findings == ()
    assert [one.text for one in manifests(body, version="1.30").findings] == ["does not know resourceClaimName"]


@pytest.mark.parametrize(
    ("api", "kind"),
    [("example.org/v1", "Widget"), ("apps.example.org/v1", "Deployment"), ("apps/v1beta9", "Deployment"), ("v1", "../_definitions"),
     ("v1", "_definitions"), ("", ""), ("v1/../x", "Pod"), ("v1", "\x00"), ("a" * 9000, "b" * 9000)],
)  # fmt: skip
def test_what_no_schema_knows_is_said_to_be_unknown_and_is_no_error(api: str, kind: str) -> None:
    found = manifests({"apiVersion": api, "kind": kind, "metadata": {"name": "x"}, "spec": {"a": 1}}, GOOD)
    assert found.findings == ()
    assert found.not_checked == ""
    assert len(found.unknown) == 1
    assert kind[:20].strip("\x00") in found.unknown[0]


def test_a_version_without_schemas_is_said_and_is_not_no_findings() -> None:
    for version in ("1.20", "2.0", "x"):
        found = manifests(changed(replicas="x"), version=version)
        assert found.findings == ()
        assert found.not_checked.startswith(f"there are no schemas of Kubernetes {version} in kubernetes-validate")


def test_a_checker_that_is_not_installed_is_said_and_is_not_no_findings(tmp_path: Path) -> None:
    target = Target("web", "staging", Kind.MANIFESTS)
    for box in (toolbox(), toolbox(checks=tmp_path), toolbox(checks=tmp_path / "none")):
        assert check_manifests([resource(GOOD)], target, box).not_checked == not_installed("kubernetes-validate")
        missing = check_templates(MemoryTree({}), MemoryTree({}), target, box, FINGERPRINT)
        assert missing.not_checked == not_installed("cfn-lint")


def test_a_checker_that_breaks_or_takes_too_long_is_said_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    target, box = Target("web", "staging", Kind.MANIFESTS), checkers()
    slow = replace(box, limits=replace(box.limits, wall=0.01))
    late = check_manifests([resource(GOOD)], target, slow)
    assert "did not finish" in late.not_checked
    assert late.passing
    monkeypatch.setattr(programs, "_INSIDE", Path("/nowhere"))
    broken = check_manifests([resource(GOOD)], target, box)
    assert broken.not_checked
    assert broken.passing
    assert broken.findings == ()


def test_e4_hostile_manifests_end_within_the_limits_with_a_bounded_answer() -> None:
    deep: object = "x"
    for _ in range(95):
        deep = {"properties": {"a": deep}}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "d"},
           "spec": {"group": "a", "scope": "Namespaced", "names": {"kind": "A", "plural": "a"}, "versions": [
               {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": deep}}]}}  # fmt: skip
    wide = changed(template={"spec": {"containers": [{"name": f"c{n}", f"x{n}": n} for n in range(2_000)]}})
    odd = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a"},
        "data": {"\ud800": 1e308, "a" * 100_000: [None]},
    }
    found = manifests(crd, wide, odd)
    assert found.not_checked == ""
    assert len(found.findings) == 200
    assert found.more > 1_500
    assert len(json.dumps(found.to_json())) < 400_000


def test_new_findings_are_marked_and_come_first() -> None:
    old = manifests(changed(replicas="x"))
    new = manifests(changed(replicas="x", paused="no")).compared(old)
    assert [(one.field, one.is_new) for one in new.findings] == [("spec.paused", True), ("spec.replicas", False)]
    assert not any(one.is_new for one in new.compared(Checked(not_checked="late")).findings), "nobody knows"
    assert Checked.of_json(json.loads(json.dumps(new.to_json()))) == new


TEMPLATE = """
Parameters: {Key: {Type: String, NoEcho: true, Default: CANARY}, Unused: {Type: String, Default: x}}
Resources:
  Store: {Type: AWS::S3::Bucket, Properties: {BucketNam: x, AccessControl: !Ref Key}}
  Odd: {Type: AWS::No::Such}
  Db: {Type: AWS::RDS::DBInstance, Properties: {DBInstanceClass: db.t3.micro, Engine: mysql, MasterUserPassword: {a: CANARY}, MasterUsername: [acme-1]}}
"""
FINE = "Resources:\n  Store: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 5}}\n"


def templates(before: str | dict[str, str], after: str | dict[str, str], **options: str) -> Checked:
    sides = [side if isinstance(side, dict) else {"cfn/t.yaml": side} for side in (before, after)]
    trees = [MemoryTree({path: text.encode() for path, text in side.items()}) for side in sides]
    target = Target("net", "staging", Kind.CLOUDFORMATION, {"template": "cfn/t.yaml", **options})
    hide = FINGERPRINT.knowing(OwnPatterns((), ("acme-*",)))
    return check_templates(*trees, target, checkers(), hide)


def test_a_good_template_has_no_findings() -> None:
    found = templates(FINE, FINE.replace("5", "6"), region="eu-west-1")
    assert (found.findings, found.not_checked, found.tool) == ((), "", "cfn-lint 1.58.0")


def test_a_broken_template_is_told_with_lines_and_without_secrets_and_what_is_new_is_marked() -> None:
    found = templates(FINE, TEMPLATE.replace("CANARY", CANARY), region="eu-west-1")
    assert found.not_checked == ""
    by = {(one.check, one.resource): one for one in found.findings}
    unknown = by["E3006", "Odd"]
    assert (unknown.level, unknown.place, unknown.is_new) == ("error", "cfn/t.yaml:5", True)
    assert "AWS::No::Such" in unknown.text
    assert by["E3002", "Store"].field == "Resources.Store.Properties.BucketNam"
    assert any(one.level == "warning" for one in found.findings)
    assert any("MasterUsername" in one.field for one in found.findings)
    assert CANARY not in str(found)
    assert "acme-1" not in str(found)


def test_what_was_broken_before_is_not_new_although_its_line_moved() -> None:
    old = TEMPLATE.replace("CANARY", "12345678")
    found = templates(old, "Description: a line more\n" + old)
    assert found.errors > 1
    assert not any(one.is_new for one in found.findings)


def test_a_template_cannot_turn_its_own_errors_off_nor_bring_rules() -> None:
    broken = "Metadata: {cfn-lint: {config: {SETTING}}}\nResources:\n  Odd: {Type: AWS::No::Such, Metadata: {cfn-lint: {config: {ignore_checks: [E3006]}}}}\n"
    found = templates(FINE, broken.replace("SETTING", "ignore_checks: [E, W]"))
    assert [one.check for one in found.findings] == ["E3006"]
    for setting in ("append_rules: [rules]", "override_spec: x.json", "custom_rules: x", "ignore_bad_template: true"):
        found = templates(
            FINE, {"cfn/t.yaml": broken.replace("SETTING", setting), "cfn/.cfnlintrc": "ignore_checks: [E]"}
        )
        assert f"cfn/t.yaml sets {setting.partition(':')[0]} of cfn-lint" in found.not_checked
        assert found.findings == ()


def test_templates_nested_in_the_repository_are_checked_too() -> None:
    outer = "Resources:\n  In: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml}}\n"
    found = templates({}, {"cfn/t.yaml": outer, "cfn/inner.yaml": FINE.replace("DelaySeconds", "Delay")})
    assert ("cfn/inner.yaml", "E3002") in {(one.path, one.check) for one in found.findings}


def test_a_finding_is_known_by_what_it_says_and_not_by_its_line() -> None:
    assert Finding("a", "error", "b", line=1).key == Finding("a", "error", "b", line=2).key


def test_a_checker_sees_neither_network_nor_files_of_this_machine_nor_variables(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The script of a checker is replaced by one that looks around."""
    box = checkers()
    look = (
        "import json, os, sys, urllib.request\n"
        "def open_(path):\n    try: return open(path).read()[:20]\n    except OSError: return ''\n"
        "print(json.dumps([sorted(os.environ), open_('/etc/passwd'), os.listdir('/sys/class/net') if os.path.isdir('/sys/class/net') else [], os.getuid()]))"
    )  # fmt: skip
    (tmp_path / "check_manifests.py").write_text(look)
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    monkeypatch.setattr(programs, "_INSIDE", tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    names, passwd, interfaces, user = _asked([resource(GOOD)], "", box)
    assert "AWS_SECRET_ACCESS_KEY" not in names
    assert (passwd, interfaces) == ("", [])
    assert user != 0
