"""The effect of a revision: planned, rendered with the real tools, redacted, bound to approvals, asked for anew."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from apps.changes import services
from apps.changes.effects.reading import difference_of, effects_of
from apps.changes.models import ChangeRequest, RenderedSide, Rendering
from apps.core.errors import Conflict, InvalidInput, NotVisible, PortalError
from apps.rendering.model import Action
from apps.reviews import services as reviews
from apps.reviews.queries import verdict_of
from tests.support.effects import render_all
from tests.support.people import Cast, cast
from tests.support.repositories import connected, pushed
from tests.support.tools import toolbox

CANARY = "canary-7f3e9a5b1d"
PORTAL = """
apiVersion: portal/v1
environments:
  staging:
    targets:
      app: {kind: kustomize, path: clusters/staging}
      web: {kind: helm, chart: charts/web, values: [env/staging.yaml], release: web, namespace: shop}
  production:
    targets:
      app: {kind: kustomize, path: clusters/production}
      raw: {kind: manifests, path: raw}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
  - {name: a DBA, when: {resources: {kinds: [PersistentVolumeClaim], actions: [delete]}}, needs: {approvals: 1, from: [user/kim]}}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 3
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec: {containers: [{name: app, image: "app:1"}]}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: cache}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""
OVERLAY = "clusters/staging/kustomization.yaml"
FILES = {
    ".gitops/portal.yaml": PORTAL,
    "base/kustomization.yaml": "resources: [app.yaml, claim.yaml]\n",
    "base/app.yaml": DEPLOYMENT,
    "base/claim.yaml": CLAIM,
    "clusters/staging/kustomization.yaml": "namespace: staging\nresources: [../../base]\n",
    "clusters/production/kustomization.yaml": "namespace: production\nresources: [../../base]\n",
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/templates/config.yaml": (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {colour: {{ .Values.colour | quote }}}\n"
    ),
    "env/staging.yaml": "colour: blue\n",
    "raw/secret.yaml": f"apiVersion: v1\nkind: Secret\nmetadata: {{name: db}}\nstringData: {{password: {CANARY}-1}}\n",
    "docs/readme.md": "hello\n",
}

pytestmark = pytest.mark.django_db


class Place:
    def __init__(self, people: Cast, tmp_path: Path) -> None:
        self.people = people
        members = {"alice": "author", "bob": "reviewer", "kim": "reviewer", "dave": "auditor"}
        self.repository, self.work = connected(tmp_path, people.carol, files=FILES, members=members)

    def propose(self, name: str, files: Mapping[str, str | bytes], *, remove: tuple[str, ...] = ()) -> ChangeRequest:
        self.work.run("checkout", "-q", "main")
        self.work.run("checkout", "-q", "-b", name)
        for path in remove:
            self.work.run("rm", "-q", path)
        self.work.commit(name, files=files, author="Alice <alice@example.org>")
        self.work.push(f"HEAD:refs/heads/{name}")
        pushed(self.repository, self.work)
        return services.create_change(
            self.people.alice, repository=self.repository, title=name, source_branch=name, target_branch="main"
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    toolbox("helm", "kubectl")
    return Place(cast(), tmp_path)


def requirement(change: ChangeRequest, code: str) -> str:
    change.refresh_from_db()
    return next((row.state for row in verdict_of(change).requirements if row.code == code), "")


def approve(place: Place, change: ChangeRequest, who: str = "bob") -> None:
    change.refresh_from_db()
    assert change.revision is not None
    reviews.submit_review(getattr(place.people, who), change=change, revision=change.revision.number, verdict="approve")


def test_a_shared_base_reaches_every_target_that_uses_it_and_no_other(place: Place) -> None:
    change = place.propose("five", {"base/app.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 5")})
    rows = render_all(change)
    assert list(rows) == ["staging/app", "production/app"]
    assert {row.state for row in rows.values()} == {"rendered"}
    difference = difference_of(rows["production/app"])
    assert difference is not None
    (found,) = difference.changes
    assert (str(found.id), found.action) == ("Deployment production/app", Action.UPDATE)
    assert [(field.before, field.after) for field in found.fields] == [(3, 5)]
    assert rows["production/app"].facts["counts"] == {"delete": 0, "replace": 0, "update": 1, "create": 0}
    assert rows["production/app"].facts["tool"][0] == "kubectl"


def test_values_of_a_chart_reach_its_target(place: Place) -> None:
    change = place.propose("red", {"env/staging.yaml": "colour: red\n"})
    rows = render_all(change)
    assert list(rows) == ["staging/web"]
    difference = difference_of(rows["staging/web"])
    assert difference is not None
    assert [(field.before, field.after) for field in difference.changes[0].fields] == [("blue", "red")]


def test_a_change_that_touches_no_input_has_no_target_and_no_requirement(place: Place) -> None:
    change = place.propose("words", {"docs/readme.md": "hello there\n"})
    assert render_all(change) == {}
    assert effects_of(change.revision).is_planned
    assert requirement(change, "effect") == ""


def test_until_it_is_known_which_targets_there_are_the_gate_waits_and_nobody_approves(place: Place) -> None:
    change = place.propose("words", {"docs/readme.md": "hello there\n"})
    assert requirement(change, "effect") == "waiting"
    with pytest.raises(Conflict, match="still being rendered"):
        approve(place, change)
    render_all(change)
    approve(place, change)
    assert verdict_of(change).allowed


def test_an_approval_is_bound_to_the_effect_and_lost_with_it_although_the_source_is_the_same(place: Place) -> None:
    change = place.propose("note", {OVERLAY: FILES[OVERLAY] + "commonAnnotations: {note: hello}\n"})
    render_all(change)
    approve(place, change)
    assert verdict_of(change).allowed
    place.work.run("checkout", "-q", "main")
    place.work.commit("the base moves", files={"base/app.yaml": DEPLOYMENT.replace("app:1", "app:2")})
    pushed(place.repository, place.work, "main")
    services.follow_branches(change.pk)
    change.refresh_from_db()
    assert change.revision is not None
    assert change.revision.number == 2
    first, second = change.revisions.all()
    assert first.subject == second.subject
    render_all(change)
    verdict = verdict_of(change)
    assert not verdict.allowed
    assert [row.code for row in verdict.standings] == ["rendered_changed"]
    approve(place, change)
    assert verdict_of(change).allowed


def test_a_push_to_the_target_that_changes_no_input_keeps_the_approval(place: Place) -> None:
    change = place.propose("five", {"base/app.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 5")})
    render_all(change)
    approve(place, change)
    sides = RenderedSide.objects.count()
    place.work.run("checkout", "-q", "main")
    place.work.commit("words", files={"docs/readme.md": "other words\n"})
    pushed(place.repository, place.work, "main")
    services.follow_branches(change.pk)
    rows = render_all(change)
    assert change.revision is not None
    assert change.revision.number == 2
    assert verdict_of(change).allowed
    assert RenderedSide.objects.count() == sides, "equal inputs are not rendered again"
    assert all(row.facts["kept"] for row in rows.values())


def test_a_rule_about_resources_asks_for_who_knows(place: Place) -> None:
    change = place.propose(
        "no-cache", {"base/kustomization.yaml": "resources: [app.yaml]\n"}, remove=("base/claim.yaml",)
    )
    render_all(change)
    approve(place, change)
    verdict = verdict_of(change)
    assert not verdict.allowed
    assert next(row for row in verdict.requirements if row.name == "a DBA").state == "waiting"
    approve(place, change, "kim")
    assert verdict_of(change).allowed


def test_a_broken_template_is_a_state_with_file_and_line_and_holds_the_merge(place: Place) -> None:
    change = place.propose("broken", {"charts/web/templates/config.yaml": "a: b\nc: {{ .Values.colour | nosuch }}\n"})
    row = render_all(change)["staging/web"]
    assert (row.state, row.failure) == ("failed", "template")
    assert "nosuch" in row.message
    assert (row.message_path, row.message_line) == ("charts/web/templates/config.yaml", 2)
    assert requirement(change, "effect") == "failed"
    approve(place, change)
    verdict = verdict_of(change)
    assert not verdict.allowed
    assert "could not be evaluated" in verdict.summary


def test_a_secret_is_seen_to_change_and_stands_nowhere(place: Place) -> None:
    text = FILES["raw/secret.yaml"].replace("-1", "-2")
    row = render_all(place.propose("rotate", {"raw/secret.yaml": text}))["production/raw"]
    difference = difference_of(row)
    assert difference is not None
    (field,) = difference.changes[0].fields
    assert field.before != field.after
    for value in (str(difference), str(row.facts), *(str(bytes(side.document)) for side in RenderedSide.objects.all())):
        assert CANARY not in value


def test_a_config_that_only_gets_the_hash_of_its_new_content_is_one_update(place: Place) -> None:
    generated = FILES[OVERLAY] + "configMapGenerator: [{name: settings, literals: [mode=on]}]\n"
    place.work.commit("settings", files={OVERLAY: generated})
    pushed(place.repository, place.work, "main")
    row = render_all(place.propose("mode", {OVERLAY: generated.replace("=on", "=off")}))["staging/app"]
    difference = difference_of(row)
    assert difference is not None
    assert [(change.id.kind, change.action) for change in difference.changes] == [("ConfigMap", Action.UPDATE)]


def test_a_conflict_has_no_effect_and_is_said_as_a_conflict(place: Place) -> None:
    change = place.propose("mine", {"env/staging.yaml": "colour: red\n"})
    place.work.run("checkout", "-q", "main")
    place.work.commit("theirs", files={"env/staging.yaml": "colour: green\n"})
    pushed(place.repository, place.work, "main")
    services.follow_branches(change.pk)
    assert render_all(change) == {}
    assert requirement(change, "conflicts") == "waiting"


def test_cancelling_and_rendering_again_are_for_who_writes_and_are_recorded(place: Place) -> None:
    change = place.propose("red", {"env/staging.yaml": "colour: red\n"})
    services.plan_renderings(change.revision_id)
    named = {"environment": "staging", "target": "web"}
    change.refresh_from_db()
    with pytest.raises(Conflict, match="already"):
        services.render_again(place.people.alice, change=change, **named)
    with pytest.raises(PortalError):
        services.cancel_rendering(place.people.dave, change=change, **named)
    with pytest.raises(NotVisible):
        services.cancel_rendering(place.people.mallory, change=change, **named)
    row = services.cancel_rendering(place.people.alice, change=change, **named)
    services.render(row.pk)
    row.refresh_from_db()
    assert row.state == "cancelled", "what was given up is not rendered"
    assert requirement(change, "effect") == "failed"
    change.refresh_from_db()
    services.render_again(place.people.bob, change=change, **named)
    assert render_all(change)["staging/web"].state == "rendered"
    with pytest.raises(Conflict, match="not being rendered"):
        services.cancel_rendering(place.people.alice, change=change, **named)
    with pytest.raises(InvalidInput, match="reaches no target"):
        services.render_again(place.people.alice, change=change, environment="staging", target="app")


def test_the_result_of_an_attempt_that_was_given_up_is_forgotten(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    change = place.propose("red", {"env/staging.yaml": "colour: red\n"})
    services.plan_renderings(change.revision_id)
    row = Rendering.objects.get()
    from apps.changes.services import rendering

    real = rendering.outcome_of

    def given_up(*arguments: object) -> object:
        change.refresh_from_db()
        services.cancel_rendering(place.people.alice, change=change, environment="staging", target="web")
        return real(*arguments)

    monkeypatch.setattr(rendering, "outcome_of", given_up)
    services.render(row.pk)
    row.refresh_from_db()
    assert (row.state, row.digest, row.document) == ("cancelled", "", None)


def test_a_defect_of_ours_is_a_state_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    change = place.propose("red", {"env/staging.yaml": "colour: red\n"})
    services.plan_renderings(change.revision_id)
    from apps.changes.services import rendering

    def broken(*_arguments: object) -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(rendering, "outcome_of", broken)
    services.render(Rendering.objects.get().pk)
    row = Rendering.objects.get()
    assert (row.state, row.failure) == ("failed", "defect")
    assert requirement(change, "effect") == "failed"


def test_what_a_rule_asks_to_have_seen_includes_rendered_destroys(place: Place) -> None:
    portal = PORTAL.replace(
        "approvals: 1, from: [role/reviewer]}", "approvals: 1, from: [role/reviewer], seen: [destroys]}"
    )
    place.work.commit("seen", files={".gitops/portal.yaml": portal})
    pushed(place.repository, place.work, "main")
    change = place.propose("no-cache", {"base/kustomization.yaml": "resources: [app.yaml]\n"})
    rows = render_all(change)
    with pytest.raises(InvalidInput, match="PersistentVolumeClaim"):
        approve(place, change, "kim")
    from apps.reviews.resources import change_key

    for row in rows.values():
        difference = difference_of(row)
        assert difference is not None
        for one in difference.changes:
            reviews.mark_resource_seen(place.people.kim, change=change, resource=change_key(one))
    with pytest.raises(NotVisible):
        reviews.mark_resource_seen(place.people.kim, change=change, resource="0" * 40)
    approve(place, change, "kim")
    assert verdict_of(change).allowed


def test_lists_show_the_gravest_risk(place: Place) -> None:
    from apps.reviews.jobs import refresh
    from apps.reviews.models import VerdictSnapshot

    change = place.propose("no-cache", {"base/kustomization.yaml": "resources: [app.yaml]\n"})
    render_all(change)
    refresh(change.pk)
    assert VerdictSnapshot.objects.get(change=change).risk == "high"
    harmless = place.propose("red", {"env/staging.yaml": "colour: red\n"})
    render_all(harmless)
    refresh(harmless.pk)
    assert VerdictSnapshot.objects.get(change=harmless).risk == ""


RANDOM = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata: {key: {{ randAlphaNum 12 | quote }}, colour: {{ .Values.colour }}}\n"


def test_values_that_differ_from_run_to_run_are_named_and_hold_the_merge(place: Place) -> None:
    row = render_all(place.propose("random", {"charts/web/templates/config.yaml": RANDOM}))["staging/web"]
    assert row.state == "rendered"
    assert row.facts["unstable"] == ["ConfigMap shop/web data.key"]
    change = row.revision.change
    assert requirement(change, "effect") == "failed"
    assert "ConfigMap shop/web data.key" in str(verdict_of(change).requirements)


def test_a_policy_may_allow_values_that_differ_and_the_rest_is_compared(place: Place) -> None:
    portal = PORTAL.replace("namespace: shop}", 'namespace: shop, unstable: ["ConfigMap */web data.key"]}')
    place.work.commit("allow", files={".gitops/portal.yaml": portal, "charts/web/templates/config.yaml": RANDOM})
    pushed(place.repository, place.work, "main")
    change = place.propose("red", {"env/staging.yaml": "colour: red\n"})
    row = render_all(change)["staging/web"]
    assert (row.facts["unstable"], row.facts["waived"]) == ([], ["ConfigMap shop/web data.key"])
    difference = difference_of(row)
    assert difference is not None
    assert [(field.before, field.after) for field in difference.changes[0].fields] == [("blue", "red")]
    assert requirement(change, "effect") == "met"


def test_where_no_target_is_named_what_is_found_is_shown_and_holds_nothing(place: Place) -> None:
    place.work.commit("none", files={".gitops/portal.yaml": "apiVersion: portal/v1\n"})
    pushed(place.repository, place.work, "main")
    change = place.propose("five", {"base/app.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 5")})
    rows = render_all(change)
    assert {row.state for row in rows.values()} == {"rendered"}
    assert sorted(rows) == ["production/clusters", "staging/clusters"]
    assert effects_of(change.revision).proposed
    approve(place, change)
    assert verdict_of(change).allowed
    assert requirement(change, "effect") == ""


def test_equal_source_with_another_effect_is_known_between_two_revisions(place: Place) -> None:
    from apps.presentation.revision_bar import news_for

    change = place.propose("note", {OVERLAY: FILES[OVERLAY] + "commonAnnotations: {note: hello}\n"})
    render_all(change)
    approve(place, change)
    place.work.run("checkout", "-q", "main")
    place.work.commit("the base moves", files={"base/app.yaml": DEPLOYMENT.replace("app:1", "app:2")})
    pushed(place.repository, place.work, "main")
    services.follow_branches(change.pk)
    change.refresh_from_db()
    news = news_for(place.people.bob, change)
    assert news is not None
    assert news.comparison.effects == (), "it is not known yet"
    render_all(change)
    news = news_for(place.people.bob, change)
    assert news is not None
    assert news.comparison.equal
    assert (news.comparison.effects, news.comparison.inputs) == (("staging/app",), ())
