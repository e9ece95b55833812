"""What a second pair of eyes found: values that stayed readable, risks and replacements that were missed, places of errors."""

from __future__ import annotations

import pytest

from apps.rendering.comparing import compare
from apps.rendering.flux_releases import _at
from apps.rendering.kubernetes import Placed, resources
from apps.rendering.model import Failure, Kind, RenderError
from apps.rendering.protocol import Target
from apps.rendering.redaction import keyed, redact_text, redact_value
from apps.rendering.registry import RENDERERS
from apps.rendering.renderers.helm import Release, _failure
from apps.rendering.renderers.kustomize import _place_in
from apps.rendering.terraform.hiding import Cleaner
from tests.support.tools import toolbox
from tests.support.trees import MemoryTree

HIDE = keyed(b"k" * 32)


def difference(before: dict[str, object], after: dict[str, object]):
    old, new = (list(resources([Placed(body, None)])) for body in (before, after))
    return compare(old, new).changes[0]


def role(**more: object) -> dict[str, object]:
    kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "r"}}
    return {**kind, "rules": [], **more}


@pytest.mark.parametrize(("selector", "words"), [({}, "every cluster role"), ({"matchLabels": {"a": "b"}}, "a=b")])
def test_a_cluster_role_that_takes_over_others_is_a_risk(selector: dict[str, object], words: str) -> None:
    change = difference(role(), role(aggregationRule={"clusterRoleSelectors": [selector]}))
    assert [(risk.code, risk.weight.value) for risk in change.risks] == [("rbac", "high")]
    assert words in change.risks[0].text


@pytest.mark.parametrize(
    ("api", "kind", "before", "after"),
    [
        ("v1", "ResourceQuota", {"scopes": ["BestEffort"]}, {"scopes": ["Terminating"]}),
        ("v1", "Service", {"loadBalancerClass": "a"}, {"loadBalancerClass": "b"}),
        ("gateway.networking.k8s.io/v1", "GatewayClass", {"controllerName": "a"}, {"controllerName": "b"}),
    ],
)
def test_what_cannot_be_changed_in_place_is_a_replacement(
    api: str, kind: str, before: dict[str, object], after: dict[str, object]
) -> None:
    head = {"apiVersion": api, "kind": kind, "metadata": {"name": "x", "namespace": "n"}}
    assert difference({**head, "spec": before}, {**head, "spec": after}).action.value == "replace"


def test_a_sensitive_number_is_hidden_wherever_it_stands() -> None:
    cleaner = Cleaner({"48151623"}, HIDE)
    cleaned = cleaner.value({"n": 48151623, "text": "x48151623y", "port": 8080, "flag": True})
    assert "48151623" not in str(cleaned)
    assert (cleaned["port"], cleaned["flag"]) == (8080, True)


@pytest.mark.parametrize(
    "text",
    [
        "postgres://u:p@ssw0rd-CANARY@h/db",
        "--db-password=CANARY1",
        "jdbc:postgresql://h/db?user=u&password=CANARY1",
        "Server=h;Password=CANARY1;",
        "DB_PASSWORD=CANARY1",
        "Authorization: Bearer CANARY1-abcdefghijkl",
        "npm_" + "CANARY1" * 6,
        "https://hooks.slack.com/services/T0/B0/CANARY1",
    ],
)
def test_secrets_inside_texts_are_hidden(text: str) -> None:
    assert "CANARY" not in redact_text(text, HIDE)


@pytest.mark.parametrize("text", ["password=$(DB_PASSWORD)", "password={{ .Values.x }}", "https://h/a@b", "a: b@c"])
def test_references_and_ordinary_texts_stay_readable(text: str) -> None:
    assert redact_text(text, HIDE) == text


def test_names_and_secrets_that_another_resource_carries_are_hidden() -> None:
    carried = {"kind": "Secret", "apiVersion": "v1", "stringData": {"a": "CANARY1"}, "data": {"b": "Q0FOQVJZ"}}
    body = {"env": {"DB_PASS": "CANARY2", "JWT_SECRET": "CANARY3", "COMPASS": "north"}, "manifest": carried}
    cleaned = redact_value(body, HIDE)
    assert "CANARY" not in str(cleaned)
    assert "Q0FOQVJZ" not in str(cleaned)
    assert cleaned["env"]["COMPASS"] == "north"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("0123", "0123"),
        ("007", "007"),
        ("0", 0),
        ("-5", -5),
        ("99999999999999999999", "99999999999999999999"),
        ("'12'", "12"),
    ],
)
def test_values_for_a_path_have_the_types_that_helm_gives_them(value: str, wanted: object) -> None:
    assert _at("x.y", value) == {"x": {"y": wanted}}


@pytest.mark.parametrize("value", ["a,b=c", "{a,b}", "a\\b"])
def test_values_that_helm_would_take_apart_are_a_named_state(value: str) -> None:
    with pytest.raises(RenderError) as refused:
        _at("x.y", value)
    assert refused.value.failure is Failure.UNSUPPORTED


def test_errors_of_values_files_and_of_resources_have_their_file_and_line() -> None:
    release = Release("charts/web", "web")
    own = _failure("Error: cannot load values.yaml: error converting YAML to JSON: yaml: line 2: no", release, 1)
    assert (own.path, own.line) == ("charts/web/values.yaml", 2)
    other = _failure("Error: failed to parse ./env/v.yaml: error converting YAML to JSON: yaml: line 3: no", release, 1)
    assert (other.path, other.line) == ("env/v.yaml", 3)
    said = "MalformedYAMLError: yaml: line 4: found unknown character in File: d.yaml"
    assert _place_in(said, "apps/a") == ("apps/a/d.yaml", 4)


def test_an_empty_kustomization_is_the_error_of_the_tool_and_not_a_deletion_of_everything() -> None:
    tree = MemoryTree({"app/kustomization.yaml": "# nothing yet\n"})
    with pytest.raises(RenderError) as refused:
        RENDERERS[Kind.KUSTOMIZE].render(
            tree, Target("web", "production", Kind.KUSTOMIZE, {"path": "app"}), toolbox("kubectl")
        )
    assert "empty" in refused.value.message


def test_parts_of_a_cluster_that_apply_the_same_object_differently_cannot_be_evaluated() -> None:
    def part(name: str, more: str = "") -> str:
        return (
            f"apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\n"
            f"spec:\n  path: ./{name}\n  sourceRef: {{kind: GitRepository, name: flux-system}}\n{more}"
        )

    def same(word: str) -> str:
        return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: same, namespace: d}}\ndata: {{k: {word}}}\n"

    def failures(second: str) -> list[str]:
        files = {
            "clusters/a.yaml": part("a"),
            "clusters/b.yaml": part("b", "  dependsOn: [{name: a}]\n"),
            "a/c.yaml": same("one"),
            "b/c.yaml": same(second),
        }
        found = RENDERERS[Kind.FLUX].render(
            MemoryTree(files), Target("c", "production", Kind.FLUX, {"path": "clusters"}), toolbox("kubectl", "helm")
        )
        return [each.failure for each in found.parts if each.failure]

    assert failures("one") == []
    assert len(failures("two")) == 1
    assert "nobody can say which stays" in failures("two")[0]
