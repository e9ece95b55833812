"""A HelmRelease is believed only when the version of its chart names the commit that it was built from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from apps.deployments.dispatchers import Refused, RunState
from apps.deployments.dispatchers.flux import FluxDispatcher, token_of
from tests.dispatchers.test_dispatchers_flux import OTHER, Flux, begun, run_at
from tests.support.dispatching import COMMIT, look, older
from tests.support.kube import kube

FLUX = FluxDispatcher()


@pytest.fixture
def there() -> Iterator[Flux]:
    with kube() as found:
        yield Flux(found)


def released(there: Flux, version: str) -> dict[str, Any]:
    """A release that is ready with the chart ``version``, whose source was seen at our commit."""
    release, chart = there.of("helmreleases", "shop"), there.of("helmcharts", "flux-shop")
    chart["status"] = {"observedSourceArtifactRevision": f"main@sha1:{COMMIT}", "artifact": {"revision": version}}
    release["status"] |= {
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "True"}],
        "lastAttemptedRevision": version,
    }
    return release


@pytest.mark.parametrize("more", ["", ".3"])
def test_a_chart_from_git_is_known_by_the_commit_it_was_built_from(there: Flux, more: str) -> None:
    run = begun(there, helmRelease="shop")
    there.fetch(COMMIT)
    release = released(there, f"1.2.0+{COMMIT[:12]}{more}")
    assert look(FLUX, run)[1].state == RunState.RUNNING
    release["status"]["lastHandledReconcileAt"] = token_of(run)
    assert look(FLUX, run)[1].outcome == "succeeded"
    there.of("helmcharts", "flux-shop")["status"]["artifact"] = {"revision": f"1.3.0+{COMMIT[:12]}"}
    assert look(FLUX, run)[1].state == RunState.RUNNING


@pytest.mark.parametrize("version", ["1.2.0", f"1.2.0+{OTHER[:12]}", f"1.2.0+{COMMIT[:11]}", "1.2.0+"])
def test_a_chart_that_was_kept_from_before_is_no_success(there: Flux, version: str) -> None:
    run = begun(there, helmRelease="shop")
    there.fetch(COMMIT)
    released(there, version)["status"]["lastHandledReconcileAt"] = token_of(run)
    assert look(FLUX, run)[1].state == RunState.RUNNING
    assert look(FLUX, older(run, 901))[1].outcome == "failed"


@pytest.mark.parametrize("strategy", [None, "ChartVersion"])
def test_a_release_that_waits_for_a_new_version_is_refused_with_advice(there: Flux, strategy: str | None) -> None:
    there.of("helmreleases", "shop")["spec"]["chart"]["spec"]["reconcileStrategy"] = strategy
    with pytest.raises(Refused, match=r"only when the version in Chart\.yaml changes"):
        FLUX.dispatch(run_at(there, helmRelease="shop"))
    assert there.cluster.changes() == []


def test_a_chart_that_is_not_from_git_is_refused_with_advice(there: Flux) -> None:
    there.of("helmreleases", "shop")["spec"]["chart"]["spec"]["sourceRef"] = {"kind": "HelmRepository", "name": "x"}
    there.put("helmrepositories", "x", {})
    with pytest.raises(Refused, match="nothing in the cluster names a commit"):
        FLUX.dispatch(run_at(there, helmRelease="shop"))
