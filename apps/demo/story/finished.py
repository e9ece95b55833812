"""Chapters that have ended: deployed, failed and rolled back changes with their real logs."""

from __future__ import annotations

from apps.demo.engine import settle
from apps.demo.story.world import World
from apps.deployments import services as deployments
from apps.reviews import services as reviews


def first_deployment(world: World) -> None:
    """The first change through the portal: staging, then production."""
    world.replace(
        "alice",
        "change/web-2.7.2",
        "Ship web 2.7.2\n\nFixes the cart that forgot its items after a restart.",
        "charts/web/values.yaml",
        'tag: "2.7.1"',
        'tag: "2.7.2"',
    )
    change = world.propose(
        "alice",
        "change/web-2.7.2",
        "Ship web 2.7.2",
        "Fixes the cart that forgot its items after a restart.\n\nTested on staging by hand. See `docs/runbooks`.",
    )
    world.review("bob", change, body="Read the release notes, looks good.")
    world.merge("alice", change)
    world.release("carol", change)


def more_replicas(world: World) -> None:
    """A change to production only, with a question that was answered."""
    world.replace(
        "eva",
        "change/more-replicas",
        "Run four pods in production",
        "env/production/web.yaml",
        "replicas: 3",
        "replicas: 4",
    )
    change = world.propose(
        "eva", "change/more-replicas", "Run four pods in production", "Last Monday three pods were at 85 % CPU at noon."
    )
    thread = reviews.open_thread(
        world.person("kim"),
        change=change,
        body="Does the quota allow a fourth pod?",
        kind="question",
        path="env/production/web.yaml",
        line=1,
    )
    reviews.reply(world.person("eva"), thread=thread, body="Yes: 4 × 250m is below the 2 CPUs of the namespace.")
    reviews.resolve_thread(world.person("kim"), thread=thread)
    world.review("kim", change)
    world.merge("eva", change)
    world.deploy("eva", change, "staging")
    world.release("carol", change)


def quota_exceeded(world: World) -> None:
    """Production refuses twelve pods: a failed deployment that waits for a decision."""
    world.replace(
        "alice",
        "change/twelve-pods",
        "Prepare for the sale: twelve pods",
        "env/production/web.yaml",
        "replicas: 4",
        "replicas: 12",
    )
    change = world.propose(
        "alice", "change/twelve-pods", "Prepare for the sale: twelve pods", "The sale starts on Friday at 18:00."
    )
    world.review("bob", change)
    world.merge("alice", change)
    world.deploy("alice", change, "staging")
    world.release("carol", change)


def undone(world: World) -> None:
    """Rolled back on staging: the inverse change went through the same gate."""
    world.replace(
        "eva",
        "change/slow-probe",
        "Probe only once a minute",
        "charts/web/values.yaml",
        "periodSeconds: 10",
        "periodSeconds: 60",
    )
    change = world.propose("eva", "change/slow-probe", "Probe only once a minute", "Less noise in the access log.")
    world.review("kim", change)
    world.merge("eva", change)
    deployments.roll_back(world.person("carol"), deployment=world.deployment(change, "staging"))
    settle()
