"""A real Flux repository, both sides of its newest commit that changes a cluster: rendered, compared, and kept.

The tool alone is ``kubectl kustomize`` on exactly the folders that the portal gives to it for both sides, prepared as Flux
prepares them, one after the other, without isolation, reading, substitution or comparison; the portal renders both sides at
the same time. Charts from other servers are not fetched in either.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from apps.rendering.comparing import compare
from apps.rendering.comparing.codec import decode_rendered, encode_rendered
from apps.rendering.model import Kind, Rendered
from apps.rendering.parallel import in_parallel
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from apps.rendering.renderers import kustomize
from apps.rendering.toolbox import Toolbox
from tests.bench.measuring import ROOT, Plan, Result, rounds
from tests.support.trees import CommitTree

BUNDLE = (
    Path(os.environ.get("PORTAL_SHARED_DATA", ROOT.parent / "shared" / "data"))
    / "repos"
    / "flux2-kustomize-helm-example.bundle"
)
TARGET = Target("cluster", "production", Kind.FLUX, {"path": "clusters/production"})
FLAGS = ("--load-restrictor=LoadRestrictionsNone", "--enable-alpha-plugins=false", "--enable-helm=false")


def measure(result: Result, plan: Plan, box: Toolbox) -> None:
    if not BUNDLE.exists():
        result.add("a real Flux repository: NOT RUN", 0.0, note="PORTAL_SHARED_DATA has no bundle of it")
        return
    with tempfile.TemporaryDirectory() as place:
        repository = Path(place, "a.git")
        _git("clone", "-q", "--bare", str(BUNDLE), str(repository))
        newest = _git("-C", str(repository), "log", "-1", "--format=%H %P", "--", "apps", "infrastructure").split()
        trees = [CommitTree(repository, commit) for commit in (newest[1], newest[0])]
        with _copied(Path(place, "inputs")) as runs:
            sides = [RENDERERS[Kind.FLUX].render(tree, TARGET, box) for tree in trees]
        program = str(box.find("kubectl"))
        lines = [([program, "kustomize", *FLAGS, f"./{root}"], folder) for folder, root in runs]
        kept = [zlib.compress(json.dumps(encode_rendered(side)).encode()) for side in sides]
        calls: dict[str, Callable[[int], object]] = {
            "alone": lambda _: [
                subprocess.run(line, cwd=folder, check=True, capture_output=True) for line, folder in lines
            ],
            "unseen": lambda _: _compared(_render(trees, box)),
        }
        found = rounds(
            plan.rounds,
            {
                **calls,
                "kept": lambda _: _compared([decode_rendered(json.loads(zlib.decompress(side))) for side in kept]),
            },
        )
        work = {
            name: statistics.median(_processor_time(call) for _ in range(plan.rounds)) for name, call in calls.items()
        }
    note = f"{len(lines)} runs, {len(sides[1].resources)} resources"
    result.add("a real Flux cluster, both sides: kubectl alone", found["alone"], note=note)
    result.add("rendered and compared, unseen", found["unseen"], ratio=found["unseen"] / found["alone"], aim=1.1)
    result.add("processor time of that", work["unseen"], ratio=work["unseen"] / work["alone"], note="kubectl alone: 1")
    result.add("compared, both sides kept", found["kept"], ratio=found["kept"] / found["unseen"], aim=0.02)
    for who, name in ((resource.RUSAGE_SELF, "this process"), (resource.RUSAGE_CHILDREN, "the largest tool")):
        result.add(f"peak memory of {name}", resource.getrusage(who).ru_maxrss / 1024, unit="MiB")


def _render(trees: list[CommitTree], box: Toolbox) -> list[Rendered]:
    """Both at the same time, as the portal does it."""
    runs = in_parallel([partial(RENDERERS[Kind.FLUX].render, tree, TARGET, box) for tree in trees])
    return [run.result() for run in runs]


def _processor_time(call: Callable[[int], object]) -> float:
    """Milliseconds that this process and its tools work: what rendering both sides at the same time cannot hide."""
    before = _worked()
    call(0)
    return (_worked() - before) * 1_000


def _worked() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _compared(sides: list[Rendered]) -> object:
    return compare(sides[0].resources, sides[1].resources)


@contextmanager
def _copied(place: Path) -> Iterator[list[tuple[Path, str]]]:
    """While it lasts, the input of every run of Kustomize is copied: the folder, and the root in it."""
    found: list[tuple[Path, str]] = []
    real = kustomize.run_kustomize

    def copying(root: str, workspace: Any, *rest: Any, **named: Any) -> Any:
        folder = place / str(len(found))
        shutil.copytree(workspace.input, folder, symlinks=True)
        found.append((folder, root))
        return real(root, workspace, *rest, **named)

    kustomize.run_kustomize = copying
    try:
        yield found
    finally:
        kustomize.run_kustomize = real


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout
