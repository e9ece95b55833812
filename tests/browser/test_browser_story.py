"""The whole story, three times: with the mouse, by keyboard alone, with JavaScript off."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.support.browsing import ByKeyboard, Person, WithoutJavaScript
from tests.support.git import GitRepo
from tests.support.server import PortalServer

PORTAL_YAML = """\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      via: local
      steps:
        - {name: apply, run: 'cat app/values.yaml; for n in $(seq 40); do echo "pod $n of 40 is ready"; sleep 0.15; done', timeout: 1m}
        - {name: verify, run: 'echo checked', timeout: 1m}
  production:
    after: [staging]
    protected: true
    deploy: {via: local, steps: [{name: apply, run: 'cat app/values.yaml', timeout: 1m}]}
rules:
  - {name: a reviewer, needs: {approvals: 1, from: [role/reviewer]}}
"""
FILES = {"app/values.yaml": "replicas: 3\n", ".gitops/portal.yaml": PORTAL_YAML}
RUNS_OR_RAN = re.compile("^\\s*(Watch staging|Deployments and roll-back)\\s*$")
WAYS = [Person, ByKeyboard, WithoutJavaScript]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_change_is_opened_approved_merged_watched_and_rolled_back(
    way: type[Person],
    arrives: Callable[..., Person],
    repository: Callable[..., GitRepo],
    portal: PortalServer,
) -> None:
    name = f"shop-{way.__name__.lower()}"
    title = f"Five replicas for {name}"
    work = repository(name, FILES, five_replicas={"app/values.yaml": "replicas: 5\n"})
    alice, bob = arrives("alice", way), arrives("bob", way)
    alice.follow("New change")
    alice.choose("Repository", name)
    alice.press("Continue")
    alice.choose("Branch (optional)", "five-replicas")
    alice.write("Title", title)
    alice.write("Description (optional)", "Three were at 85 % CPU.")
    alice.press("Create the change")
    alice.see(title)
    alice.see("Waiting for 1")
    label = "CHG-" + alice.page.url.rstrip("/").rpartition("/")[2]
    _ask(alice, "bob", portal, title)

    bob.follow(re.compile("^Queue"), within="nav")
    bob.open_row(title)
    bob.follow("Review")
    bob.see("replicas: 5", within="#diff")
    bob.pick("Approve this content")
    bob.see("Your approval will count for")
    bob.press("Submit review of r1")
    bob.see("Approved r1")

    alice.watch(".page-actions form", "Merge and deploy")
    alice.press("Merge and deploy")
    alice.watch(".page-actions", RUNS_OR_RAN)
    alice.follow(RUNS_OR_RAN)
    if "/changes/" in alice.page.url:  # on a slow machine it ended before she came to the button
        alice.follow("Deploys", within="nav")
        alice.open_row(_newest_deployment(portal, name, "staging"))
    alice.watch(".logs", "pod 40 of 40 is ready")
    alice.watch("header.thing-head", "Succeeded")
    alice.watch(".step-nav", re.compile(r"verify.*Succeeded", re.DOTALL))

    carol = arrives("carol", way)
    _open_board(carol, name)
    carol.watch("#board", re.compile(f"{title}.*{title}", re.DOTALL))
    carol.follow("Deploys", within="nav")
    carol.open_row(_newest_deployment(portal, name, "production"))
    carol.follow("Roll back…")
    carol.see("1 approval")
    carol.write("Type production to go on", "production")
    carol.press(f"Roll back {label}")
    carol.see(title, within="h1")
    _ask(carol, "kim", portal, title)

    kim = arrives("kim", way)
    kim.open_row(f"{title}")
    kim.follow("Review")
    kim.see("replicas: 3", within="#diff")
    kim.pick("Approve this content")
    kim.press("Submit review of r1")
    kim.watch(".thing-meta", "Deployed")
    _open_board(kim, name)
    kim.watch("#board", re.compile(f"{name}.*Roll", re.DOTALL))
    assert (work.run("fetch", "-q", "origin"), work.run("show", "origin/main:app/values.yaml"))[1] == "replicas: 3"


def _ask(person: Person, reviewer: str, portal: PortalServer, title: str) -> None:
    """Until it is in the reviewer's queue: who is in a list by keyboard sees nothing that comes to it."""
    person.complaints.expect("409")  # the portal may have chosen the same person meanwhile, and says so
    person.follow("Ask a person")
    person.write("Person", reviewer)
    person.press("Ask")
    portal.api(reviewer).until("/queue/", lambda queue: title in str(queue))


def _open_board(person: Person, repository: str) -> None:
    """Of this repository alone: others of the same portal may fill the first page."""
    person.follow(re.compile("^Environments"), within="nav")
    person.choose("Repository", repository)
    person.press("Filter")


def _newest_deployment(portal: PortalServer, repository: str, environment: str) -> str:
    rows = portal.api("carol").get(f"/deployments/?environment={environment}")["results"]
    return next(f"d-{row['number']}" for row in rows if repository in str(row))
