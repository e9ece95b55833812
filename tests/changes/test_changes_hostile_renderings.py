"""Attacks on renderings, from the push to the gate: hooks (E3), bombs and hidden values (case 38, E4), packed charts (case 39),
links (case 12), what runs code (case 13), values in what tools say (E6)."""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from apps.changes.effects.reading import difference_of
from apps.changes.models import ChangeRequest, Rendering
from apps.rendering.comparing import difference_digest, words
from apps.rendering.model import ToolIdentity
from apps.reviews.queries import verdict_of
from tests.changes.test_changes_effects import DEPLOYMENT, Place, approve, requirement
from tests.support.effects import render_all
from tests.support.people import cast
from tests.support.repositories import pushed
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db

CANARY = "canary-7f3e9a5b1d"
PORTAL = """
apiVersion: portal/v1
environments:
  staging:
    targets:
      web: {kind: helm, chart: charts/web, values: [env/staging.yaml], release: web, namespace: shop}
      app: {kind: kustomize, path: clusters/staging}
      raw: {kind: manifests, path: raw}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
  - {name: hooks, when: {resources: {risk: [hook]}}, needs: {approvals: 1, from: [user/kim]}}
  - {name: deleting jobs, when: {resources: {kinds: [Job], actions: [delete]}}, needs: {approvals: 1, from: [user/kim]}}
  - {name: other namespaces, when: {resources: {names: ["kube-system/*"]}}, needs: {approvals: 1, from: [user/kim]}}
  - {name: rights, when: {resources: {risk: [rbac]}}, needs: {approvals: 1, from: [user/kim]}}
"""
HOOK = """
apiVersion: batch/v1
kind: Job
metadata: {name: wipe, namespace: kube-system, annotations: {"helm.sh/hook": KIND, "helm.sh/hook-delete-policy": hook-succeeded}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: wipe, image: "wipe:1"}]}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: wipe, annotations: {"helm.sh/hook": KIND, "helm.sh/hook-weight": "-5"}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: wipe, namespace: kube-system}]
"""
TEMPLATE = "charts/web/templates/hook.yaml"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    toolbox("helm", "kubectl")
    made = Place(cast(), tmp_path)
    made.work.commit("policy", files={".gitops/portal.yaml": PORTAL})
    pushed(made.repository, made.work, "main")
    return made


def state(change: ChangeRequest, name: str) -> str:
    change.refresh_from_db()
    return next(one.state for one in verdict_of(change).requirements if one.name == name)


def rendered(
    place: Place, name: str, files: Mapping[str, str | bytes], remove: tuple[str, ...] = ()
) -> tuple[ChangeRequest, dict[str, Rendering]]:
    change = place.propose(name, files, remove=remove)
    return change, render_all(change)


def failed(rows: dict[str, Rendering], label: str) -> Rendering:
    row = rows[label]
    assert (row.state, row.digest, row.document) == ("failed", "", None), "never “no change”"
    return row


@pytest.mark.parametrize("kind", ["pre-delete", "post-delete", "pre-install", "post-upgrade,pre-rollback", "test"])
def test_e3_every_hook_of_a_chart_is_a_resource_for_pages_and_rules_as_any_other_is(place: Place, kind: str) -> None:
    change, rows = rendered(place, "hook", {TEMPLATE: HOOK.replace("KIND", f'"{kind}"')})
    found = {(one[0], one[1], one[2], one[3]): set(one[4]) for one in rows["staging/web"].facts["resources"]}
    assert set(found) == {("Job", "create", "kube-system", "wipe"), ("ClusterRoleBinding", "create", "", "wipe")}
    assert "hook" in found["Job", "create", "kube-system", "wipe"]
    assert {"hook", "rbac"} <= found["ClusterRoleBinding", "create", "", "wipe"]
    texts = [risk[2] for risk in rows["staging/web"].facts["risks"]]
    assert f"Helm runs it as a hook ({kind}), outside the release." in texts
    approve(place, change)
    assert {state(change, name) for name in ("hooks", "other namespaces", "rights")} == {"waiting"}
    assert not verdict_of(change).allowed


def test_e3_a_hook_that_goes_is_a_delete_and_one_that_changes_when_it_runs_is_a_change(place: Place) -> None:
    place.work.commit("hook", files={TEMPLATE: HOOK.replace("KIND", '"post-install"')})
    pushed(place.repository, place.work, "main")
    change, rows = rendered(place, "later", {TEMPLATE: HOOK.replace("KIND", '"pre-delete"')})
    difference = difference_of(rows["staging/web"])
    assert difference is not None
    job = next(one for one in difference.changes if one.id.kind == "Job")
    assert [(words(field.path), field.before, field.after) for field in job.fields] == [
        ('metadata.annotations["helm.sh/hook"]', "post-install", "pre-delete")
    ]
    assert "hook" in {risk.code for risk in job.risks}
    assert state(change, "hooks") == "waiting"
    gone, rows = rendered(place, "gone", {}, (TEMPLATE,))
    assert rows["staging/web"].facts["counts"]["delete"] == 2
    assert state(gone, "deleting jobs") == "waiting"


def test_e3_hooks_of_argo_cd_in_plain_manifests_and_overlays_are_told_too(place: Place) -> None:
    hook = HOOK.replace("helm.sh/hook-delete-policy", "argocd.argoproj.io/hook-delete-policy")
    hook = hook.replace("helm.sh/hook", "argocd.argoproj.io/hook").replace("KIND", "PostDelete")
    files = {"raw/hook.yaml": hook, "base/app.yaml": DEPLOYMENT + f"---{hook}"}
    change, rows = rendered(place, "argo", files)
    for label in ("staging/raw", "staging/app"):
        risks = {risk[2] for risk in rows[label].facts["risks"]}
        assert "Argo CD runs it as a hook (PostDelete)." in risks
    assert state(change, "hooks") == "waiting"


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "more than"),
        ("[" * 5000, "levels"),
        ("kind: ConfigMap\nkind: Secret\n", "twice"),
        ("a: !!python/object/apply:os.system [id]\n", "tag"),
        ("kind: A\n---\n" * 25_000, "documents"),
    ],
)
def test_case_38_and_e4_hostile_yaml_is_a_failure_with_its_file_and_holds_the_gate(
    place: Place, text: str, says: str
) -> None:
    change, rows = rendered(place, "bomb", {"raw/bomb.yaml": text})
    row = failed(rows, "staging/raw")
    assert says in row.message
    assert row.message_path == "raw/bomb.yaml"
    assert requirement(change, "effect") == "failed"


def test_case_38_the_value_behind_an_alias_or_a_merge_is_shown_and_a_bare_no_is_what_kubernetes_reads(
    place: Place,
) -> None:
    text = """
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: &l {who: "root"}, annotations: *l}
data: {one: &x "value behind", two: *x}
immutable: no
"""
    _, rows = rendered(place, "alias", {"raw/a.yaml": text})
    difference = difference_of(rows["staging/raw"])
    assert difference is not None
    body = difference.changes[0].after
    assert body is not None
    assert body["data"] == {"one": "value behind", "two": "value behind"}
    assert body["metadata"]["annotations"] == {"who": "root"}
    assert body["immutable"] is False


def chart(*members: tuple[str, bytes], link: str = "") -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
        if link:
            entry = tarfile.TarInfo("redis/templates/link.yaml")
            entry.type, entry.linkname = tarfile.SYMTYPE, link
            archive.addfile(entry)
    return data.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        chart(("redis/Chart.yaml", b"name: redis\nversion: 1.0.0\n"), ("../../evil", b"x")),
        chart(("redis/Chart.yaml", b"name: redis\nversion: 1.0.0\n"), ("/tmp/evil", b"x")),
        chart(("redis/Chart.yaml", b"name: redis\nversion: 1.0.0\n"), link="/etc/passwd"),
        chart(("redis/Chart.yaml", b"name: redis\nversion: 1.0.0\n"), ("redis/x", b"\0" * 50_000_000)),
    ],
    ids=["slip", "absolute", "link", "bomb"],
)
def test_case_39_a_packed_chart_with_a_way_out_or_a_bomb_is_a_failure_and_leaves_nothing(
    place: Place, data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    change, rows = rendered(place, "packed-chart", {"charts/web/charts/redis-1.0.0.tgz": data})
    row = failed(rows, "staging/web")
    assert row.failure in {"refused", "too_large", "template"}
    assert row.message_path == "charts/web/charts/redis-1.0.0.tgz", row.message
    assert requirement(change, "effect") == "failed"
    assert list(own.iterdir()) == [], "every private directory of these runs is gone"
    assert not (tmp_path / "evil").exists()


def test_case_12_a_link_in_a_chart_to_a_file_of_this_server_is_refused_by_name(place: Place) -> None:
    secret = place.work.path.parent / "of-the-server.yaml"
    secret.write_text(f"colour: {CANARY}\n")
    place.work.run("checkout", "-q", "main")
    (place.work.path / "charts/web/values.yaml").symlink_to(secret)
    (place.work.path / "raw/link.yaml").symlink_to("/etc/passwd")
    change, rows = rendered(place, "links", {"docs/x.md": "x"})
    for label in ("staging/web", "staging/raw"):
        row = failed(rows, label)
        assert "link" in row.message
        assert CANARY not in row.message
        assert "root:" not in row.message
    assert requirement(change, "effect") == "failed"


def test_case_13_what_would_run_code_or_ask_elsewhere_is_refused_and_what_rendered_is_part_of_the_digest(
    place: Place,
) -> None:
    plugin = "resources: [../../base]\ngenerators: [g.yaml]\n"
    generator = 'apiVersion: x/v1\nkind: G\nmetadata: {name: g, annotations: {"config.kubernetes.io/function": "exec: {path: ./run.sh}"}}\n'
    files = {
        "clusters/staging/kustomization.yaml": plugin,
        "clusters/staging/g.yaml": generator,
        "clusters/staging/run.sh": "#!/bin/sh\ntouch /tmp/ran\n",
    }
    change, rows = rendered(place, "plugin", files)
    assert failed(rows, "staging/app").failure in {"refused", "unsupported", "template"}
    assert requirement(change, "effect") == "failed"
    remote = {"clusters/staging/kustomization.yaml": "resources: [https://example.org/base?ref=main]\n"}
    assert failed(rendered(place, "remote", remote)[1], "staging/app").failure == "refused"
    row = rendered(place, "red", {"env/staging.yaml": "colour: red\n"})[1]["staging/web"]
    difference = difference_of(row)
    assert difference is not None
    tool = ToolIdentity(*row.facts["tool"])
    assert row.digest == difference_digest(difference, tool)
    assert row.digest != difference_digest(difference, ToolIdentity(tool.name, tool.version, "0" * 64))


@pytest.mark.parametrize(
    ("label", "files"),
    [
        ("staging/web", {TEMPLATE: f"kind: ConfigMap\npassword: {CANARY}\n  broken: [\n"}),
        ("staging/web", {TEMPLATE: '{{ required .Values.token nil }}', "env/staging.yaml": f"colour: red\ntoken: {CANARY}\n"}),
        ("staging/web", {TEMPLATE: "{{ int .Values.db.password.x }}", "env/staging.yaml": f"db: {{password: {CANARY}}}\n"}),
        ("staging/app", {"base/app.yaml": f"apiVersion: v1\nkind: Secret\nstringData: {{password: {CANARY}}}\n"}),
        ("staging/app", {"clusters/staging/kustomization.yaml": f"secretGenerator: [{{name: a, literals: ['{CANARY}']}}]\n"}),
        ("staging/raw", {"raw/secret.yaml": f"kind: Secret\nstringData: {{password: {CANARY}, password: x}}\n"}),
        ("staging/raw", {"raw/secret.yaml": f"kind: Secret\nstringData: {{password: '{CANARY}\n"}),
    ],
)  # fmt: skip
def test_e6_no_tool_quotes_a_secret_of_kubernetes_when_it_fails(
    place: Place, label: str, files: dict[str, str]
) -> None:
    _, rows = rendered(place, "fails", files)
    row = failed(rows, label)
    assert len(row.message) > 15
    assert CANARY not in f"{row.message} {row.message_path} {row.facts}"
