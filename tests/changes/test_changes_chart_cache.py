"""Charts of the cache folder are content too: what is added or packed anew is rendered anew."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest

from apps.changes import services
from apps.changes.effects import tools
from tests.support.effects import render_all
from tests.support.people import cast
from tests.support.repositories import branch_with, connected, pushed
from tests.support.tools import toolbox

pytestmark = pytest.mark.django_db
FILES = {
    ".gitops/portal.yaml": "apiVersion: portal/v1\nenvironments: {staging: {targets: {cluster: {kind: flux, path: clusters}}}}\n",
    "clusters/apps.yaml": (
        "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n"
        "spec: {path: ./apps, sourceRef: {kind: GitRepository, name: flux-system}}\n"
    ),
    "apps/redis.yaml": (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: redis, namespace: shop}\n"
        "spec:\n  chart: {spec: {chart: redis, version: 1.0.0, sourceRef: {kind: HelmRepository, name: bitnami}}}\n"
        "  values: {colour: blue}\n"
    ),
}


def packed_chart(word: str) -> bytes:
    files = {
        "redis/Chart.yaml": "apiVersion: v2\nname: redis\nversion: 1.0.0\n",
        "redis/templates/config.yaml": (
            f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {word}}}\ndata: {{colour: {{{{ .Values.colour }}}}}}\n"
        ),
    }
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return held.getvalue()


def test_a_chart_that_comes_into_the_cache_or_changes_there_is_rendered_anew(tmp_path: Path, settings: Any) -> None:
    toolbox("helm", "kubectl")
    cache = tmp_path / "cache"
    cache.mkdir()
    settings.PORTAL_CHART_CACHE = str(cache)
    tools.toolbox.cache_clear()
    try:
        people = cast()
        repository, work = connected(
            tmp_path, people.carol, files=FILES, members={"alice": "author", "bob": "reviewer"}
        )
        branch_with(work, "red", {"apps/redis.yaml": FILES["apps/redis.yaml"].replace("blue", "red")}, at="origin/main")
        pushed(repository, work, "red:refs/heads/red", force=True)
        change = services.create_change(people.alice, repository=repository, title="red", source_branch="red")
        row = render_all(change)["staging/cluster"]
        assert any(failure for _, failure in row.facts["parts"])
        for word in ("first", "second"):
            (cache / "redis-1.0.0.tgz").write_bytes(packed_chart(word))
            services.render_again(people.alice, change=change, environment="staging", target="cluster")
            row = render_all(change)["staging/cluster"]
            assert not any(failure for _, failure in row.facts["parts"]), row.facts["parts"]
            assert [name for _, _, _, name, _ in row.facts["resources"]].count(word) == 1, row.facts["resources"]
    finally:
        tools.toolbox.cache_clear()
