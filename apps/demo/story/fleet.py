"""Chapters about what Flux keeps up to date and what runs at night: the page Rendered shows each of them."""

from __future__ import annotations

import re

from apps.demo.story.world import World

_CLUSTERS = ("staging", "production")


def finer_metrics(world: World) -> None:
    """One variable reaches what it is put into, in both clusters; in production the cache grows, too."""
    edits: dict[str, str | None] = {}
    for name in _CLUSTERS:
        path = f"fleet/{name}/metrics.yaml"
        edits[path] = every_15_seconds(world.read(path))
    cache = "fleet/production/cache.yaml"
    edits[cache] = world.read(cache).replace("storage: 8Gi", "storage: 16Gi")
    title = "Finer metrics, a larger cache"
    world.push("eva", "change/finer-metrics", title, edits)
    world.propose(
        "eva",
        "change/finer-metrics",
        title,
        "- metrics every 15 seconds, so that the sale can be watched\n- room for the carts of twice as many customers",
    )


def every_15_seconds(text: str) -> str:
    """The object of Flux with this variable."""
    return re.sub(r"scrape_interval: \d+s", "scrape_interval: 15s", text)


def safer_backups(world: World) -> None:
    """Plain manifests: a schedule, a job that goes, and a role for the one that comes."""
    edits: dict[str, str | None] = {f"jobs/{name}/carts.yaml": None for name in _CLUSTERS}
    backup = "jobs/production/backup.yaml"
    edits[backup] = world.read(backup).replace("30 1 * * *", "30 1,13 * * *").replace("--keep=7", "--keep=14")
    edits["jobs/production/rehearsal.yaml"] = REHEARSAL
    title = "Back orders up twice a day, rehearse the restore"
    world.push("alice", "change/safer-backups", title, edits)
    world.propose(
        "alice",
        "change/safer-backups",
        title,
        "The service forgets old carts by itself since 2.7, so the job for it goes.",
    )


def later_on_staging(world: World) -> None:
    """A standard change: what the template of portal.yaml says, and nothing else, so nobody has to approve it."""
    title = "Back up staging an hour later"
    world.replace("eva", "change/later-backup", title, "jobs/staging/backup.yaml", "30 3 * * 0", "30 4 * * 0")
    world.propose("eva", "change/later-backup", title, "The load test of the night is over by then.")


def longer_history(world: World) -> None:
    """The same resource as in the change that backs up twice a day, on other lines: both name the other."""
    title, path = "Keep the runs of a week of backups", "jobs/production/backup.yaml"
    world.replace(
        "eva", "change/runs-of-a-week", title, path, "successfulJobsHistoryLimit: 3", "successfulJobsHistoryLimit: 7"
    )
    world.propose("eva", "change/runs-of-a-week", title, "So that Monday can be compared with Monday.")


REHEARSAL = """apiVersion: batch/v1
kind: CronJob
metadata:
  name: restore-rehearsal
  namespace: shop
spec:
  schedule: "0 5 * * 1"
  jobTemplate:
    spec:
      template:
        spec:
          serviceAccountName: backup
          restartPolicy: Never
          containers:
            - name: rehearsal
              image: registry.harbour.example/shop/backup:latest
              args: ["--rehearse", "--database=orders"]
              resources:
                limits: {memory: 256Mi}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: restore-rehearsal
  namespace: shop
rules:
  - {apiGroups: [""], resources: [secrets], verbs: [get, list]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: restore-rehearsal
  namespace: shop
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: restore-rehearsal}
subjects:
  - {kind: ServiceAccount, name: backup, namespace: shop}
"""
