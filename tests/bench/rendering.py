"""Effects: rendering against the tool alone, a kept side against rendering it, comparing and grouping many resources.

The tool alone is the same program with the same arguments in a folder on disk, started by this process without isolation.
"""

from __future__ import annotations

import copy
import json
import resource
import subprocess
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apps.rendering.comparing import classify, compare, difference_digest
from apps.rendering.comparing.codec import decode_rendered, encode_rendered
from apps.rendering.model import Difference, Kind, RenderError, Resource, ResourceId
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from apps.rendering.toolbox import Toolbox
from tests.bench import real_cluster
from tests.bench.measuring import ROOT, Plan, Result, rounds
from tests.support.trees import MemoryTree

CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/values.yaml": "count: 60\n",
    "chart/templates/all.yaml": (
        "{{- range $i := until (int .Values.count) }}\n---\napiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: web-{{ $i }}}\ndata: {number: {{ $i | quote }}}\n{{- end }}\n"
    ),
}


def run(plan: Plan) -> Result:
    result = Result("effects")
    box = Toolbox(folders=(ROOT / ".tools",), allow_unisolated=True)
    count = 20 if plan.quick else 200
    overlay = {
        "base/kustomization.yaml": f"resources: [{', '.join(f'app-{number}.yaml' for number in range(count))}]\n",
        **{f"base/app-{number}.yaml": _text(number) for number in range(count)},
        "live/kustomization.yaml": "namespace: live\nresources: [../base]\n",
    }
    kustomize = ("kubectl", ("kustomize", "--load-restrictor=LoadRestrictionsRootOnly", "live"))
    helm = ("helm", ("template", "web", "chart"))
    for kind, options, files, alone, note in (
        (Kind.KUSTOMIZE, {"path": "live"}, overlay, kustomize, f"{count} deployments"),
        (Kind.HELM, {"chart": "chart", "release": "web"}, CHART, helm, "60 resources"),
    ):
        try:
            _against_tool(result, plan, box, kind, options, files, alone, note)
        except RenderError as error:
            result.add(f"{alone[0]}: NOT RUN", 0.0, note=error.message)
    try:
        real_cluster.measure(result, plan, box)
    except RenderError as error:
        result.add("a real Flux repository: NOT RUN", 0.0, note=error.message)
    _comparing(result, plan)
    _grouping(result, plan)
    return result


def _against_tool(
    result: Result, plan: Plan, box: Toolbox, kind: Kind, options: dict[str, Any], files: Mapping[str, str],
    alone: tuple[str, tuple[str, ...]], note: str,
) -> None:  # fmt: skip
    """One side: the tool alone, ours with isolation and reading, and the same side as it is kept."""
    target, tree, renderer = Target("it", "live", kind, options), MemoryTree(files), RENDERERS[kind]
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        command = [str(box.find(alone[0])), *alone[1]]
        rendered = renderer.render(tree, target, box)
        kept = zlib.compress(json.dumps(encode_rendered(rendered)).encode())
        found = rounds(
            plan.rounds,
            {
                "alone": lambda _: subprocess.run(command, cwd=folder, check=True, capture_output=True),
                "ours": lambda _: renderer.render(tree, target, box),
                "kept": lambda _: decode_rendered(json.loads(zlib.decompress(kept))),
            },
        )
    name = alone[0]
    result.add(f"{name} alone", found["alone"], note=note)
    result.add(f"{name}: shut in, read, as resources", found["ours"], ratio=found["ours"] / found["alone"], aim=1.1)
    result.add(f"{name}: the same side, kept", found["kept"], ratio=found["kept"] / found["ours"], aim=0.02)


def _comparing(result: Result, plan: Plan) -> None:
    """1 % of the resources change; then all of them."""
    count = 200 if plan.quick else 10_000
    before = [_resource(number) for number in range(count)]
    few = [_resource(number, replicas=5 if number % 100 == 0 else 3) for number in range(count)]
    every = [_resource(number, replicas=5) for number in range(count)]
    tool = RENDERERS[Kind.MANIFESTS].tool(Toolbox())
    found = rounds(
        plan.rounds,
        {
            "dumped": lambda _: json.dumps([dict(one.body) for one in before]),
            "few": lambda _: compare(before, few),
            "every": lambda _: compare(before, every),
            "digest": lambda _: difference_digest(compare(before, few), tool),
        },
    )
    result.add(f"{count:,} resources written as JSON", found["dumped"])
    result.add("compared, 1 % changed", found["few"], ratio=found["few"] / found["dumped"])
    result.add("compared, all changed", found["every"], ratio=found["every"] / found["dumped"])
    result.add("compared with the digest, 1 % changed", found["digest"], ratio=found["digest"] / found["dumped"])
    result.add("memory of this process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, unit="MiB")


def _grouping(result: Result, plan: Plan) -> None:
    """Growth over 1, 10, 100 and 500 targets, three of them outliers; each with 20 changed resources."""
    numbers = (1, 10) if plan.quick else (1, 10, 100, 500)
    same = compare([_resource(n) for n in range(20)], [_resource(n, replicas=5) for n in range(20)])
    odd = compare([_resource(n) for n in range(20)], [_resource(n, replicas=6) for n in range(20)])
    first = 0.0
    for number in numbers:
        targets: dict[str, Difference] = {
            f"cluster-{at}": copy.deepcopy(odd if at in {3, 5, 7} else same) for at in range(number)
        }
        found = rounds(plan.rounds, {"grouped": lambda _, targets=targets: classify(targets)})["grouped"]
        first = first or found
        result.add(f"{number} targets in classes", found, ratio=found / number / first, aim=1.5 if number > 1 else None)


def _text(number: int) -> str:
    return json.dumps(dict(_resource(number).body))


def _resource(number: int, replicas: int = 3) -> Resource:
    name = f"app-{number}"
    container = {
        "name": "app", "image": f"registry.example.org/app:{number}", "ports": [{"containerPort": 8080}],
        "env": [{"name": f"KEY_{at}", "value": str(at)} for at in range(8)],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }  # fmt: skip
    body = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                 "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}},
    }  # fmt: skip
    return Resource(ResourceId("apps", "Deployment", "", name), body)
