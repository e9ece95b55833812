"""Plans that a pipeline hands in for a target that cannot be planned here."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from apps.changes import services
from apps.changes.effects.reading import difference_of
from apps.changes.jobs import JOBS
from apps.changes.models import ChangeRequest, RenderedSide, Rendering
from apps.core.clock import now
from apps.core.errors import Conflict, InvalidInput, NotAllowed, NotVisible, PortalError
from apps.reviews.queries import verdict_of
from tests.changes.test_changes_effects import CANARY, PORTAL, Place, approve, requirement
from tests.support.effects import render_all
from tests.support.people import cast
from tests.support.repositories import pushed
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(tmp_path: Path) -> Place:
    toolbox("helm", "kubectl")
    return Place(cast(), tmp_path)


NETWORK = "      net: {kind: terraform, path: infra}\n"
MODULE = 'resource "aws_instance" "a" {\n  ami = "x"\n}\n'
PLAN = {
    "format_version": "1.2",
    "terraform_version": "1.11.4",
    "planned_values": {},
    "resource_changes": [
        {
            "address": "aws_db_instance.main", "type": "aws_db_instance", "provider_name": "aws",
            "change": {"actions": ["delete", "create"], "before": {"password": CANARY, "size": 2},
                       "after": {"password": CANARY, "size": 1}, "before_sensitive": {"password": True},
                       "after_sensitive": {"password": True}, "replace_paths": [["size"]]},
        }
    ],
}  # fmt: skip


@pytest.fixture
def planned(place: Place) -> ChangeRequest:
    """A change of a root module that cannot be planned here."""
    portal = PORTAL.replace("  production:\n    targets:\n", f"  production:\n    targets:\n{NETWORK}")
    place.work.commit("network", files={".gitops/portal.yaml": portal, "infra/main.tf": MODULE})
    pushed(place.repository, place.work, "main")
    change = place.propose("smaller", {"infra/main.tf": MODULE.replace('"x"', '"y"')})
    row = render_all(change)["production/net"]
    assert (row.state, row.failure) == ("failed", "unsupported")
    assert (row.message_path, row.message_line) == ("infra/main.tf", 1)
    return change


def hand_in(place: Place, change: ChangeRequest, who: str = "carol", **more: object) -> Rendering:
    wanted = {"revision": 1, "environment": "production", "target": "net", "plan": json.dumps(PLAN).encode(), **more}
    return services.hand_in_plan(getattr(place.people, who), change=change, **wanted)


def test_the_plan_of_a_pipeline_takes_the_place_of_what_cannot_be_planned_here(
    place: Place, planned: ChangeRequest
) -> None:
    row = hand_in(place, planned)
    assert row.facts["counts"]["replace"] == 1
    assert requirement(planned, "effect") == "met"
    approve(place, planned)
    assert verdict_of(planned).allowed
    changed = json.loads(json.dumps(PLAN).replace('"size": 1', '"size": 3'))
    hand_in(place, planned, plan=json.dumps(changed).encode())
    assert [one.code for one in verdict_of(planned).standings] == ["plan_changed"]
    row.refresh_from_db()
    assert CANARY not in str(difference_of(row))
    assert CANARY not in str(row.facts)


@pytest.mark.parametrize(("who", "code"), [("alice", "contributor"), ("bob", "not_a_pipeline")])
def test_who_wants_it_approved_or_is_no_pipeline_hands_in_no_plan(
    place: Place, planned: ChangeRequest, who: str, code: str
) -> None:
    with pytest.raises(NotAllowed) as refused:
        hand_in(place, planned, who)
    assert refused.value.code == code
    assert Rendering.objects.get(target="net").state == "failed"


def test_what_the_portal_can_plan_by_itself_takes_no_other_plan(place: Place, planned: ChangeRequest) -> None:
    Rendering.objects.filter(target="net").update(state="rendered", failure="", digest="d" * 64)
    with pytest.raises(InvalidInput, match="planned by the portal itself"):
        hand_in(place, planned)
    assert Rendering.objects.get(target="net").digest == "d" * 64


@pytest.mark.parametrize("failure", ["missing_tool", "not_isolated"])
def test_where_the_server_has_no_terraform_the_plan_of_a_pipeline_is_taken(
    place: Place, planned: ChangeRequest, failure: str
) -> None:
    Rendering.objects.filter(target="net").update(failure=failure)
    assert hand_in(place, planned).facts["counts"]["replace"] == 1


@pytest.mark.parametrize("failure", ["timeout", "template", "missing_input", "defect"])
def test_what_failed_of_the_change_itself_takes_no_other_plan(
    place: Place, planned: ChangeRequest, failure: str
) -> None:
    Rendering.objects.filter(target="net").update(failure=failure)
    with pytest.raises(InvalidInput, match="planned by the portal itself"):
        hand_in(place, planned)


def test_the_page_and_the_api_say_whose_word_a_plan_is(place: Place, planned: ChangeRequest) -> None:
    hand_in(place, planned)
    client = Client()
    client.force_login(place.people.bob)
    assert (
        "Handed in by @carol as a plan of terraform" in client.get(f"/changes/{planned.number}/_plan/").content.decode()
    )
    told = client.get(f"/api/v1/changes/{planned.number}/renderings/production/net/").json()
    assert told["handed_in_by"] == "carol"


@pytest.mark.parametrize("planned_by", ["here", "pipeline"])
def test_rendering_again_is_called_dropping_a_plan_that_was_handed_in(
    place: Place, planned: ChangeRequest, planned_by: str
) -> None:
    Rendering.objects.filter(target="net").update(planned_by=planned_by)
    hand_in(place, planned)
    client = Client()
    client.force_login(place.people.bob, backend="apps.accounts.backends.PortalBackend")
    address = f"/changes/{planned.number}/_plan/"
    shown = client.get(address).content.decode()
    assert 'Drop this plan<span class="sr"> of production/net</span>' in shown
    assert "Render again" not in shown
    assert '<a class="change-title" href="?target=production/net">' in shown
    whole = client.get(f"/changes/{planned.number}/plan/").content.decode()
    assert re.search(r'<div class="res-end">\s*<form', whole), "a form stands in no span"
    wanted = {"environment": "production", "target": "net", "part": "plan"}
    answer = client.post(f"/changes/{planned.number}/renderings/again/", wanted, follow=True).content.decode()
    waits = "waiting for a plan from the pipeline" if planned_by == "pipeline" else "being rendered again"
    assert f"production/net is {waits}." in answer
    assert "Handed in by" not in client.get(address).content.decode()


def test_a_plan_is_taken_for_the_present_revision_of_a_planned_target_from_a_pipeline(
    place: Place, planned: ChangeRequest
) -> None:
    with pytest.raises(Conflict, match="this plan is for r2"):
        hand_in(place, planned, revision=2)
    with pytest.raises(InvalidInput, match="reaches no target"):
        hand_in(place, planned, target="app")
    with pytest.raises(InvalidInput, match="cannot be read: It is no plan"):
        hand_in(place, planned, plan=b"{}")
    with pytest.raises(PortalError):
        hand_in(place, planned, "dave")
    with pytest.raises(NotVisible):
        hand_in(place, planned, "mallory")
    assert Rendering.objects.get(target="net").state == "failed"


def test_a_target_that_is_rendered_here_takes_no_plan(place: Place) -> None:
    change = place.propose("red", {"env/staging.yaml": "colour: red\n"})
    render_all(change)
    with pytest.raises(InvalidInput, match="it is rendered here"):
        hand_in(place, change, environment="staging", target="web")


def test_a_name_that_is_too_long_is_said_and_holds_the_merge(place: Place) -> None:
    name = "n" * 101
    portal = PORTAL.replace(
        "      app: {kind: kustomize, path: clusters/staging}\n",
        f"      {name}: {{kind: kustomize, path: clusters/staging}}\n",
    )
    place.work.commit("long", files={".gitops/portal.yaml": portal})
    pushed(place.repository, place.work, "main")
    change = place.propose(
        "note", {"clusters/staging/kustomization.yaml": "namespace: other\nresources: [../../base]\n"}
    )
    assert render_all(change) == {}
    assert requirement(change, "effect") == "failed"
    assert "longer than 100 characters" in str(verdict_of(change).requirements)


def test_sides_that_nobody_uses_are_forgotten_after_a_month(place: Place) -> None:
    render_all(place.propose("red", {"env/staging.yaml": "colour: red\n"}))
    (job,) = (job for job in JOBS if job.name == "changes.forget_sides")
    assert list(job.due(10)) == []
    old = RenderedSide.objects.order_by("pk").first()
    assert old is not None
    RenderedSide.objects.filter(pk=old.pk).update(used_at=now() - timedelta(days=31))
    for pk in list(job.due(10)):
        job.run(pk)
    assert not RenderedSide.objects.filter(pk=old.pk).exists()
    assert RenderedSide.objects.count() == 1


def test_variables_of_the_policy_reach_the_plan_and_touch_the_target(place: Place) -> None:
    toolbox("terraform")
    target = "      net: {kind: terraform, path: infra, variables: [env/live.tfvars]}\n"
    portal = PORTAL.replace("  production:\n    targets:\n", f"  production:\n    targets:\n{target}")
    module = 'variable "size" {}\nresource "terraform_data" "a" {\n  input = var.size\n}\n'
    place.work.commit(
        "network", files={".gitops/portal.yaml": portal, "infra/main.tf": module, "env/live.tfvars": "size = 2\n"}
    )
    pushed(place.repository, place.work, "main")
    row = render_all(place.propose("larger", {"env/live.tfvars": "size = 3\n"}))["production/net"]
    difference = difference_of(row)
    assert difference is not None, row.message
    assert [(field.before, field.after) for field in difference.changes[0].fields] == [(2, 3)]
