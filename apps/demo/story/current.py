"""Chapters that are still open: a change in every state, each waiting for somebody."""

from __future__ import annotations

import re

from apps.changes import services as changes
from apps.demo.engine import settle
from apps.demo.story.world import World
from apps.deployments import services as deployments
from apps.deployments.models import Environment
from apps.reviews import services as reviews


def backlog(world: World) -> None:
    """Two requests without code: one waits for triage, one has an expert who writes it."""
    changes.create_change(
        world.person("carol"),
        repository=world.repository,
        title="Keep access logs for a year",
        description="The auditors ask for twelve months; today `RetentionInDays` is 30.",
    )
    request = changes.create_change(
        world.person("bob"),
        repository=world.repository,
        title="Second replica for the orders database",
        description="Reports slow the shop down. A read replica would take them over.",
    )
    reviews.assign(world.person("bob"), change=request, user=world.person("raj"), reason="knows the orders database")
    settle()


def draft(world: World) -> None:
    world.push(
        "alice",
        "change/autoscaling",
        "Try autoscaling for the shop",
        {
            "charts/web/templates/autoscaler.yaml": AUTOSCALER,
            "charts/web/values.yaml": world.read("charts/web/values.yaml").replace("enabled: false", "enabled: true"),
        },
    )
    world.propose(
        "alice", "change/autoscaling", "Autoscaling for the shop", "Not ready: load test is still running.", draft=True
    )


def waiting_for_experts(world: World) -> None:
    """Network and platform are touched: two kinds of experts are asked."""
    policy = world.read("platform/base/network-policy.yaml")
    module = world.read("infra/modules/network/main.tf")
    world.push(
        "alice",
        "change/payments-traffic",
        "Let the payment service call the shop\n\nCo-authored-by: Eva Lindqvist <eva@example.org>",
        {
            "platform/base/network-policy.yaml": policy.rstrip() + PAYMENTS,
            "infra/modules/network/main.tf": module.replace('zones = ["a", "b", "c"]', 'zones = ["a", "b", "c", "d"]'),
            "docs/runbooks/payments.md": RUNBOOK,
        },
    )
    world.propose(
        "alice",
        "change/payments-traffic",
        "Let the payment service call the shop",
        "The payment provider calls back from its own namespace.\n\n- opens one port from one namespace\n"
        "- adds a fourth subnet for it\n- adds a runbook",
    )


def changes_requested(world: World) -> None:
    database = world.read("infra/production/database.tf")
    world.push(
        "eva",
        "change/smaller-database",
        "Halve the storage of the orders database",
        {"infra/production/database.tf": database.replace("storage_gb     = 400", "storage_gb     = 200")},
    )
    change = world.propose(
        "eva", "change/smaller-database", "Halve the storage of the orders database", "It is used to 35 %."
    )
    reviews.open_thread(
        world.person("raj"),
        change=change,
        body="Shrinking replaces the instance. How do the orders of that hour survive?",
        kind="blocking",
        path="infra/production/database.tf",
        line=5,
    )
    world.review("raj", change, "request_changes", "Storage cannot shrink in place; see the thread.")


def ready_to_merge(world: World) -> None:
    world.replace(
        "alice",
        "change/log-retention",
        "Keep flow logs for 90 days",
        "cfn/vpc.yaml",
        "RetentionInDays: 30",
        "RetentionInDays: 90",
    )
    change = world.propose("alice", "change/log-retention", "Keep flow logs for 90 days", "Asked for by security.")
    world.review("lee", change, body="Costs about 4 € a month. Fine.")
    world.review("kim", change)


def conflicting(world: World) -> None:
    """Two branches change the same line; the second one conflicts once the first is merged."""
    path = "env/staging/web.yaml"
    world.replace("eva", "change/staging-three", "Three pods on staging", path, "replicas: 1", "replicas: 3")
    second = world.propose("eva", "change/staging-three", "Three pods on staging", "For the load test.")
    world.replace("alice", "change/staging-two", "Two pods on staging", path, "replicas: 1", "replicas: 2")
    first = world.propose("alice", "change/staging-two", "Two pods on staging", "So that a restart is not an outage.")
    world.review("bob", first)
    world.merge("alice", first)
    world.again(second)


def waiting_for_release(world: World) -> None:
    """Merged and green on staging; production waits for the release manager."""
    world.replace("eva", "change/web-2.8.0", "Ship web 2.8.0", "charts/web/values.yaml", 'tag: "2.7.2"', 'tag: "2.8.0"')
    change = world.propose("eva", "change/web-2.8.0", "Ship web 2.8.0", "New checkout. Feature flag is off by default.")
    world.review("bob", change, body="Checked the flag.")
    world.merge("eva", change)


def full_desks(world: World) -> None:
    """Small things that wait: one for bob, one that he put aside until tomorrow, one that eva handed to carol."""
    notes = (("night-calls", "Say whom to call at night"), ("old-alerts", "Drop three alerts that nobody reads"),
             ("sale-window", "Plan the window of the winter sale"))  # fmt: skip
    made = []
    for name, title in notes:
        world.push(
            "eva", f"change/{name}", title, {f"docs/notes/{name}.md": f"# {title}\n\nSee the minutes of Monday.\n"}
        )
        made.append(world.propose("eva", f"change/{name}", title, "From the minutes of Monday."))
    for change in made[:2]:
        asked = change.assignments.filter(user=world.person("bob"), ended_at=None)
        if not asked.exists():
            reviews.assign(world.person("eva"), change=change, user=world.person("bob"), reason="was at the meeting")
    settle()
    reviews.snooze(world.person("bob"), change=made[1], until="tomorrow", zone="Europe/Berlin")
    reviews.hand_over(
        world.person("eva"),
        change=made[2],
        user=world.person("carol"),
        note="Which evening suits the release calendar?",
    )
    settle()


def edited_by_hand(world: World) -> None:
    """Past the portal, somebody gave the shop on staging more pods: the next look finds it."""
    values = world.cluster("staging") / "env/staging/web.yaml"
    values.write_text(re.sub(r"replicas: \d+", "replicas: 5", values.read_text()))
    staging = Environment.objects.get(repository=world.repository, name="staging")
    deployments.ask_drift_check(world.person("carol"), environment=staging)
    settle()


def withdrawn(world: World) -> None:
    world.replace("eva", "change/no-limits", "Remove the quota", "platform/base/limits.yaml", '"20"', '"200"')
    change = world.propose("eva", "change/no-limits", "Remove the pod quota", "We run into it every month.")
    changes.withdraw(world.person("eva"), change=change, reason="Raising the quota step by step instead.")
    settle()


AUTOSCALER = """{{- if .Values.autoscaling.enabled }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ .Release.Name }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ .Release.Name }}}
  minReplicas: {{ .Values.replicas }}
  maxReplicas: {{ .Values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .Values.autoscaling.targetCPU }}}
{{- end }}
"""

PAYMENTS = """
        - namespaceSelector:
            matchLabels:
              kubernetes.io/metadata.name: payments
      ports:
        - {protocol: TCP, port: 8080}
"""

RUNBOOK = """# The payment service does not reach the shop

Owner: @lee. Last reviewed: 2026-11-20.

1. Look at the network policy `only-from-ingress`: is the namespace `payments` in it?
2. Ask the payment team for the address of a failing call.
3. Roll the last change of `platform/base` back if it began with it.
"""
