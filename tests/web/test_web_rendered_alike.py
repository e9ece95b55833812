"""What happens alike on several targets is one row, which hides nothing that only some of them have."""

from __future__ import annotations

import re
from collections.abc import Callable

from django.test import Client

from apps.audit.models import AuditEntry
from apps.changes import services as changes
from apps.changes.effects.reading import difference_of
from apps.reviews.models import SeenMark
from apps.reviews.resources import change_key
from tests.support.effects import render_all
from tests.support.repositories import branch_with, pushed
from tests.web.conftest import World

AS = Callable[[str], Client]
NAMES = ("c0", "c1", "c2")
PORTAL = "apiVersion: portal/v1\nenvironments:\n  staging:\n    targets:\n" + "".join(
    f"      {name}: {{kind: manifests, path: {name}}}\n" for name in NAMES
)
RANGES = {"c0": "10.0.0.0/8", "c1": "0.0.0.0/0", "c2": "10.0.0.0/8"}
ONLY = "The load balancer accepts every address (loadBalancerSourceRanges). (only in staging/c1)"


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


def files(kind: str, odd: str = "") -> dict[str, str]:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  type: %s\n  loadBalancerSourceRanges: [%s]\n%s"
    )
    return {f"{name}/app.yaml": service % (kind, RANGES[name], odd if name == "c2" else "") for name in NAMES}


def proposed(world: World) -> str:
    """Three services become load balancers: one lets everybody in, and one says a default beside."""
    world.work.run("checkout", "-q", "main")
    world.work.commit("services", files={".gitops/portal.yaml": PORTAL, **files("ClusterIP")})
    pushed(world.repository, world.work, "main")
    branch_with(
        world.work, "open", files("LoadBalancer", "  sessionAffinity: None\n"), author="Alice <alice@example.org>"
    )
    pushed(world.repository, world.work)
    change = changes.create_change(
        world.people.alice,
        repository=world.repository,
        title="Open",
        source_branch="open",
        target_branch="main",
    )
    world.numbers["alike"] = change.number
    assert all(row.state == "rendered" for row in render_all(change).values())
    return world.url("alike")


def test_a_risk_and_a_quiet_difference_of_one_target_only_are_told(world: World, as_: AS) -> None:
    html = words(as_("bob").get(f"{proposed(world)}rendered/").content.decode())
    assert "Same in 3 of 3 targets" in html
    assert html.count("spec.type") == 1
    assert ONLY in html
    assert "A load balancer makes the service reachable from outside the cluster." in html
    assert re.search(r"1 difference has no effect.*spec.sessionAffinity \(only in staging/c2\)", html)


def test_what_stays_is_said_to_be_that_of_one_target_where_it_is(world: World, as_: AS) -> None:
    bob, url = as_("bob"), proposed(world)
    raw = words(bob.get(f"{url}rendered/?raw=1").content.decode())
    assert "As it is in staging/c0." in raw
    assert "10.0.0.0/8" in raw
    alone = words(bob.get(f"{url}rendered/?raw=1&target=staging/c1").content.decode())
    assert "As it is in" not in alone
    assert "0.0.0.0/0" in alone
    assert ONLY.partition(" (only")[0] in alone


def test_the_mark_of_a_row_is_for_every_target_that_it_lists(world: World, as_: AS) -> None:
    """A rule that asks for what was seen asks for each of them, and no other row has their keys."""
    bob, url = as_("bob"), proposed(world)
    html = bob.get(f"{url}rendered/").content.decode()
    form = html.split('action="' + f"{url}renderings/seen/")[1].split("</form>")[0]
    keys = re.findall(r'name="resource" value="([0-9a-f]{40})"', form)
    wanted = set()
    for row in world.change("alike").revision.renderings.all():  # type: ignore[union-attr]
        difference = difference_of(row)
        assert difference is not None
        wanted |= {change_key(one) for one in difference.changes}
    assert set(keys) == wanted
    assert len(wanted) == 3
    bob.post(f"{url}renderings/seen/", {"resource": keys, "seen": "1"})
    assert set(SeenMark.objects.filter(user=world.people.bob).values_list("digest", flat=True)) == wanted
    entry = AuditEntry.objects.filter(action="resource.seen").latest("seq")
    assert entry.data["also"] == keys[1:]
    assert 'aria-pressed="true"' in bob.get(f"{url}rendered/").content.decode().split('class="res"')[1]
    assert bob.post(f"{url}renderings/seen/", {"resource": [keys[0], "0" * 40], "seen": "0"}).status_code == 404
    bob.post(f"{url}renderings/seen/", {"resource": keys, "seen": "0"})
    assert not SeenMark.objects.filter(user=world.people.bob).exists()
