"""The pages of the effect: what is destroyed first, equal targets as one, failures named, marks, filters, raw, nothing injected."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.accounts.services import create_token
from apps.changes import services as changes
from apps.changes.models import Rendering
from tests.changes.test_changes_effects import CLAIM, DEPLOYMENT
from tests.support.effects import render_all
from tests.support.repositories import branch_with, pushed
from tests.support.tools import checkers, toolbox
from tests.web.conftest import World

AS = Callable[[str], Client]
TARGETS = "".join(f"      c{n}: {{kind: kustomize, path: clusters/c{n}}}\n" for n in range(4))
PORTAL = f"apiVersion: portal/v1\nenvironments:\n  staging:\n    targets:\n{TARGETS}"


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


@pytest.fixture
def propose(world: World) -> Callable[..., str]:
    """Change the base of four clusters; the address of the change. The policy names them on main."""
    toolbox("kubectl")
    base = {
        ".gitops/portal.yaml": PORTAL,
        "base/kustomization.yaml": "resources: [app.yaml, claim.yaml]\n",
        "base/app.yaml": DEPLOYMENT,
        "base/claim.yaml": CLAIM,
        **{f"clusters/c{n}/kustomization.yaml": "resources: [../../base]\n" for n in range(4)},
    }
    world.work.run("checkout", "-q", "main")
    world.work.commit("clusters", files=base)
    pushed(world.repository, world.work, "main")

    def make(files: dict[str, str]) -> str:
        branch_with(world.work, "effect", files, author="Alice <alice@example.org>")
        pushed(world.repository, world.work)
        made = changes.create_change(
            world.people.alice,
            repository=world.repository,
            title="Effect",
            source_branch="effect",
            target_branch="main",
        )
        world.numbers["effect"] = made.number
        render_all(made)
        return world.url("effect")

    return make


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


SIX = {"base/app.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: 6")}


def test_acceptance_31_equal_targets_are_one_row_and_an_extra_field_makes_an_outlier(
    propose: Callable[..., str], as_: AS
) -> None:
    odd = "resources: [../../base]\ncommonAnnotations: {odd: 'yes'}\n"
    html = words(page(as_("bob"), propose({**SIX, "clusters/c2/kustomization.yaml": odd}) + "rendered/"))
    assert "Same in 3 of 4 targets" in html
    assert html.count("spec.replicas") >= 2
    assert re.search(r"Unlike class A .*Only here.*Deployment app .*odd", html)
    assert "Update 5" in html, "four deployments, and the claim of the outlier"


def test_acceptance_30_what_is_destroyed_is_listed_first_and_counted_as_seen(
    propose: Callable[..., str], as_: AS
) -> None:
    bob, url = as_("bob"), propose({**SIX, "base/kustomization.yaml": "resources: [app.yaml]\n"})
    html = page(bob, f"{url}rendered/")
    assert html.index("PersistentVolumeClaim") < html.index("spec.replicas")
    assert "Destroys and replaces first" in html
    assert "seen 0/1" in html
    key = re.search(r'name="resource" value="([0-9a-f]{40})"', html)
    assert key is not None
    answer = bob.post(f"{url}renderings/seen/", {"resource": key[1], "seen": "1", "part": "rendered"})
    assert (answer.status_code, answer["Location"]) == (303, f"{url}rendered/#x-{key[1]}")
    assert "seen 1/1" in page(bob, f"{url}rendered/")
    assert "seen 0/1" in page(as_("carol"), f"{url}rendered/"), "a mark is personal"
    bob.post(f"{url}renderings/seen/", {"resource": key[1], "seen": "0"})
    assert "seen 0/1" in page(bob, f"{url}rendered/")
    assert bob.post(f"{url}renderings/seen/", {"resource": "0" * 40}).status_code == 404


def test_a_failure_is_named_and_is_never_no_change(propose: Callable[..., str], as_: AS) -> None:
    html = words(
        page(as_("bob"), propose({"clusters/c1/kustomization.yaml": "resources: [nothing.yaml]\n"}) + "rendered/")
    )
    assert "Could not be evaluated." in html
    assert "nothing.yaml" in html
    assert "Nothing changes" not in html


def test_more_than_a_few_parts_that_could_not_be_evaluated_are_folded(propose: Callable[..., str], as_: AS) -> None:
    url = propose(SIX)
    row = Rendering.objects.get(target="c0")
    row.facts["parts"] = [[f"HelmRelease shop/app-{number}", "Its source is elsewhere."] for number in range(9)]
    row.save(update_fields=["facts"])
    html = page(as_("bob"), url + "rendered/")
    assert html.count("<b>Could not be evaluated.</b>") == 5
    assert "<summary>4 more could not be evaluated</summary>" in html
    assert "HelmRelease shop/app-8: Its source is elsewhere." in html


def test_where_a_failure_is_stands_once_before_what_it_says(propose: Callable[..., str], as_: AS) -> None:
    url = propose({"clusters/c1/kustomization.yaml": "resources: []\nhelmCharts: [{name: a}]\n"})
    said = "clusters/c1/kustomization.yaml:2 charts inside of a kustomization are not rendered"
    assert f"Could not be evaluated. {said}" in words(page(as_("bob"), url + "rendered/"))


def test_cancel_and_render_again_have_buttons_for_those_who_write(propose: Callable[..., str], as_: AS) -> None:
    bob, url = as_("bob"), propose(SIX)
    assert "Render again" in page(bob, f"{url}rendered/")
    assert "Render again" not in page(as_("dave"), f"{url}rendered/")
    named = {"environment": "staging", "target": "c0"}
    answer = bob.post(f"{url}renderings/again/", named)
    assert (answer.status_code, answer["Location"]) == (303, f"{url}rendered/")
    html = page(bob, f"{url}rendered/")
    assert "1 left" in html
    assert "Cancel" in html
    assert bob.post(f"{url}renderings/cancel/", named).status_code == 303
    assert bob.post(f"{url}renderings/cancel/", named).status_code == 409
    assert bob.post(f"{url}renderings/again/", {"environment": "staging"}).status_code == 422
    assert Rendering.objects.get(target="c0").state == "cancelled"


def test_filters_and_raw_are_addresses(propose: Callable[..., str], as_: AS) -> None:
    bob, url = as_("bob"), propose({**SIX, "base/kustomization.yaml": "resources: [app.yaml]\n"})
    only = page(bob, f"{url}rendered/?action=delete")
    assert "PersistentVolumeClaim" in only
    assert "spec.replicas" not in only
    assert "spec.replicas" in page(bob, f"{url}rendered/?kind=Deployment&target=staging/c1&name=APP")
    assert "No resource matches this filter" in page(bob, f"{url}rendered/?name=nothing")
    raw = page(bob, f"{url}rendered/?raw=1&kind=Deployment")
    assert re.search(r"removed.*replicas: 3", words(raw))
    assert re.search(r"added.*replicas: 6", words(raw))
    assert page(bob, f"{url}rendered/?start=99999999999&raw=x&kind=nothing")


def test_what_has_no_effect_is_counted_and_can_be_shown_with_its_rule(propose: Callable[..., str], as_: AS) -> None:
    html = words(page(as_("bob"), propose({"base/claim.yaml": CLAIM.replace("1Gi", "1024Mi")}) + "rendered/"))
    assert "4 resources differ in nothing that has an effect" in html
    assert "The same amount, written in another way" in html
    assert re.search(r"spec.resources.requests.storage.* 1Gi .* 1024Mi", html)


def test_one_resource_can_be_shown_whole(propose: Callable[..., str], as_: AS) -> None:
    bob, url = as_("bob"), propose(SIX)
    link = re.search(rf'href="({url}rendered/\?whole=[0-9a-f]+)"', page(bob, f"{url}rendered/"))
    assert link is not None
    html = words(page(bob, link[1]))
    assert "matchLabels:" in html
    assert re.search(r"removed.*replicas: 3", html)
    assert page(bob, f"{url}rendered/?whole=nothing")


def test_a_resource_can_be_talked_about_and_the_thread_stands_on_the_page(propose: Callable[..., str], as_: AS) -> None:
    bob, url = as_("bob"), propose(SIX)
    html = page(bob, f"{url}rendered/")
    place = re.search(r'<option value="(staging/c0 · Deployment//app)">', html)
    assert place is not None
    key = re.search(r'name="idempotency_key" value="([^"]+)"', html.split('id="effect-threads"')[1])
    assert key is not None
    said = {"scope": "resource", "locator": place[1], "body": "Why six?", "kind": "blocking", "idempotency_key": key[1]}
    answer = bob.post(f"{url}threads/", {**said, "back": f"{url}rendered/"})
    assert (answer.status_code, answer["Location"]) == (303, f"{url}rendered/#effect-threads")
    talk = words(page(bob, f"{url}rendered/").split('id="effect-threads"')[1])
    assert re.search(r"Open Blocking staging/c0 · Deployment//app", talk)
    assert "Comment on a resource" not in page(as_("dave"), f"{url}rendered/")


def test_hostile_values_are_text(propose: Callable[..., str], as_: AS) -> None:
    text = DEPLOYMENT.replace('image: "app:1"', 'image: "<script>alert(1)</script>\\u202e"')
    url = propose({"base/app.yaml": text})
    for query in ("", "?raw=1"):
        html = page(as_("bob"), f"{url}rendered/{query}")
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)" in html
        assert "\u202e" not in html


def test_the_tab_is_there_only_where_there_is_something(world: World, propose: Callable[..., str], as_: AS) -> None:
    bob = as_("bob")
    assert (
        "rendered/"
        not in page(bob, world.url("open", "diff/")).split('aria-label="Parts of this change"')[1].split("</nav>")[0]
    )
    url = propose(SIX)
    tabs = page(bob, f"{url}diff/").split('aria-label="Parts of this change"')[1].split("</nav>")[0]
    assert f"{url}rendered/" in tabs
    assert f"{url}plan/" not in tabs
    overview = words(page(bob, url))
    assert "4 targets" in overview


def test_the_review_form_names_what_is_approved(propose: Callable[..., str], as_: AS) -> None:
    html = words(page(as_("bob"), propose(SIX) + "diff/"))
    assert re.search(r"rendered: staging/c0 [0-9a-f]{12}, staging/c1 [0-9a-f]{12}", html)


def test_findings_of_checks_stand_on_their_target_and_what_was_not_checked_says_so(
    propose: Callable[..., str], as_: AS, world: World
) -> None:
    checkers()
    hostile = '    "<b>x": 1\n'
    broken = {
        "base/app.yaml": DEPLOYMENT.replace("replicas: 3", "replicas: <script>\n" + hostile.replace("    ", "  "))
    }
    bob, url = (
        as_("bob"),
        propose({**broken, "base/claim.yaml": CLAIM + "---\napiVersion: a.b/v1\nkind: Odd\nmetadata: {name: o}\n"}),
    )
    html = page(bob, f"{url}rendered/")
    text = words(html)
    assert "Checks: 2 errors (2 new)" in text
    assert "New error Deployment app spec.replicas: must be integer, but is string" in text
    assert "by kubernetes-validate 1.37.0, Kubernetes 1.37" in text
    assert "1 kind is not known to the schemas, and not checkedOdd (a.b/v1)" in text
    assert "<b>x" not in html
    token = create_token(world.people.bob, user=world.people.bob, name="test")[1]
    answer = Client().get(f"/api/v1{url}renderings/staging/c0/", headers={"Authorization": f"Bearer {token}"})
    checks = answer.json()["checks"]
    assert (checks["holds_merge"], checks["not_checked"], checks["unknown"]) == (False, None, ["Odd (a.b/v1)"])
    assert {(one["field"], one["is_new"]) for one in checks["findings"]} == {("spec", True), ("spec.replicas", True)}
    row = Rendering.objects.get(revision__change__number=int(url.split("/")[2]), target="c1")
    row.facts["checks"] |= {"not_checked": "kubernetes-validate is not installed on this server", "findings": []}
    row.save(update_fields=["facts"])
    text = words(page(bob, f"{url}rendered/"))
    assert "Not checked: kubernetes-validate is not installed on this server" in text
    assert "Checked, no findings" not in text
