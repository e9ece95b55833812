"""What a repository calls secret itself is hidden in every kind of target, by the policy of its target branch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.changes import services
from apps.changes.effects.reading import difference_of
from apps.changes.effects.sides import unpacked
from apps.changes.models import ChangeRequest, RenderedSide, Rendering
from apps.policies.models import PolicyVersion
from apps.rendering.redaction import MARK
from tests.changes.test_changes_effects import FILES, PORTAL, Place
from tests.changes.test_changes_plans import MODULE, PLAN
from tests.support.effects import render_all
from tests.support.people import cast
from tests.support.repositories import pushed
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db

CANARY = "acme-7f3e9a5b1d"
SECRETS = 'secrets: [{name: internal tokens, keys: ["*_apikey"], values: ["acme-*"]}]\n'
TARGETS = """
      net: {kind: terraform, path: infra}
      own: {kind: terraform, path: own}
      stack: {kind: cloudformation, template: stack.yaml}
      cluster: {kind: flux, path: flux}
"""
WITH = PORTAL.replace("  production:\n    targets:\n", f"  production:\n    targets:{TARGETS}") + SECRETS
CONFIG = (
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{note: 'see {value}', mail_apikey: {other}}}\n"
)
STACK = "Resources:\n  Note:\n    Type: AWS::SSM::Parameter\n    Properties: {{Type: String, Value: {value}, Tags: {{mail_apikey: {other}}}}}\n"
OWN = 'resource "terraform_data" "a" {{\n  input = {{ note = "{value}", mail_apikey = "{other}" }}\n}}\n'


def files(value: str, other: str) -> dict[str, str]:
    """One canary as a word, another under a name, in a target of every kind."""
    return {
        "base/app.yaml": FILES["base/app.yaml"] + "---\n" + CONFIG.format(name="kustomized", value=value, other=other),
        "charts/web/templates/config.yaml": CONFIG.format(name="chart", value=value, other=other),
        "raw/secret.yaml": CONFIG.format(name="raw", value=value, other=other),
        "flux/all.yaml": CONFIG.format(name="flux", value=value, other=other),
        "stack.yaml": STACK.format(value=value, other=other),
        "own/main.tf": OWN.format(value=value, other=other),
        "infra/main.tf": MODULE + f"# {value}\n",
    }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    toolbox("helm", "kubectl", "terraform")
    made = Place(cast(), tmp_path)
    made.work.commit("secrets", files={".gitops/portal.yaml": WITH, **files("old", "old")})
    pushed(made.repository, made.work, "main")
    return made


def stored() -> str:
    """Every document of renderings and sides, and what stands beside them."""
    rows = list(Rendering.objects.all())
    packed = [row.document for row in rows if row.document] + [row.document for row in RenderedSide.objects.all()]
    beside = [f"{row.facts} {row.message} {row.message_path}" for row in rows]
    return "\n".join([*(json.dumps(unpacked(one), ensure_ascii=False) for one in packed), *beside])


def follow(place: Place, change: ChangeRequest) -> dict[str, Rendering]:
    pushed(place.repository, place.work, "main")
    services.follow_branches(change.pk)
    return render_all(change)


def test_every_kind_of_target_hides_it_and_still_shows_that_it_changes_and_where_it_is_the_same(place: Place) -> None:
    change = place.propose("tokens", files(CANARY, "secret-of-mail"))
    rows = render_all(change)
    known = {label for label, row in rows.items() if row.state == "rendered"}
    assert known == {
        "staging/app", "staging/web", "production/app", "production/raw", "production/own", "production/stack",
        "production/cluster",
    }  # fmt: skip
    assert CANARY not in stored()
    assert "secret-of-mail" not in stored()
    words = {
        field.after.removeprefix("see ")
        for label in known
        for one in difference_of(rows[label]).changes  # type: ignore[union-attr]
        for field in one.fields
        if MARK in str(field.after) and isinstance(field.after, str)
    }
    assert len(words) == 2, "one fingerprint for each of both, in all the systems"


def test_a_plan_that_is_handed_in_loses_it_too(place: Place) -> None:
    change = place.propose("smaller", {"infra/main.tf": MODULE.replace('"x"', '"y"')})
    render_all(change)
    text = json.dumps(PLAN).replace('"size": 1', f'"size": 1, "note": "see {CANARY}", "mail_apikey": "of-mail"')
    place_args = {"revision": 1, "environment": "production", "target": "net", "plan": text.encode()}
    row = services.hand_in_plan(place.people.carol, change=change, **place_args)
    assert row.state == "rendered"
    assert CANARY not in stored()
    assert "of-mail" not in stored()
    assert "see" in stored()


def test_the_message_of_a_template_that_fails_quotes_neither_words_nor_values_of_the_inputs(place: Place) -> None:
    template = '{{ fail (printf "bad token %s of %s" .Values.mail_apikey .Values.note) }}'
    values = f"mail_apikey: secret-of-mail\nnote: {CANARY}\ncolour: red\n"
    change = place.propose("fails", {"charts/web/templates/a.yaml": template, "env/staging.yaml": values})
    row = render_all(change)["staging/web"]
    assert (row.state, row.failure) == ("failed", "template")
    assert f"bad token {MARK}" in row.message
    assert "secret-of-mail" not in row.message
    assert CANARY not in row.message


def test_what_a_change_says_of_itself_does_not_count_only_the_target_branch_does(place: Place) -> None:
    change = place.propose("words", {**files("beta-1", "old"), ".gitops/portal.yaml": WITH.replace("acme-*", "beta-*")})
    rows = render_all(change)
    assert "beta-1" in str(difference_of(rows["production/raw"]))


def test_a_pattern_that_changes_renders_again_although_no_input_changed(place: Place) -> None:
    change = place.propose("words", files("beta-1", "old"))
    first = render_all(change)["production/raw"]
    assert "beta-1" in str(difference_of(first))
    place.work.run("checkout", "-q", "main")
    place.work.commit("policy", files={".gitops/portal.yaml": WITH.replace("acme-*", "beta-*")})
    row = follow(place, change)["production/raw"]
    assert row.pk != first.pk
    assert not row.facts["kept"]
    assert row.digest != first.digest
    assert "beta-1" not in str(difference_of(row))
    assert "beta-1" not in json.dumps(unpacked(row.document))


def test_while_nobody_can_tell_what_is_secret_nothing_is_rendered(tmp_path: Path) -> None:
    broken = Place(cast(), tmp_path)
    broken.work.commit("broken", files={".gitops/portal.yaml": "apiVersion: portal/v1\nsecrets: [\n"})
    pushed(broken.repository, broken.work, "main")
    PolicyVersion.objects.all().delete()  # there never was a valid one
    change = broken.propose("more", {"raw/other.yaml": CONFIG.format(name="x", value=CANARY, other="y")})
    rows = render_all(change)
    assert {row.failure for row in rows.values()} == {"refused"}
    assert CANARY not in stored()
