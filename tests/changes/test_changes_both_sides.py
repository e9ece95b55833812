"""Both sides of a target are rendered at the same time, and nothing else differs from one after the other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.changes.effects.git_tree import GitTree
from apps.changes.effects.outcomes import outcome_of
from apps.changes.effects.sides import both_sides
from apps.changes.effects.targets import Sides
from apps.changes.effects.tools import fingerprint
from apps.changes.models import RenderedSide
from apps.rendering.limits import Limits
from apps.rendering.model import Failure, Kind, Rendered, RenderError, Resource, ResourceId, ToolIdentity
from apps.rendering.protocol import Target
from apps.rendering.registry import RENDERERS
from apps.rendering.sandbox.commands import Command
from apps.rendering.sandbox.isolation import run
from apps.rendering.toolbox import ELSEWHERE, Toolbox
from apps.rendering.workspace import private_workspace
from tests.support.git import GitRepo
from tests.support.tools import SHELL, toolbox
from tests.support.trees import MemoryTree

TOGETHER_SECONDS = 60
pytestmark = pytest.mark.django_db


@dataclass
class Fake:
    """Renders by ``doing``, which gets the text of the one file; counts how many runs there are at the same time."""

    doing: Callable[[str, Toolbox], None] = lambda text, box: None
    kind: Kind = Kind.MANIFESTS
    has_charts: bool = True
    runs: list[str] = field(default_factory=list)
    running: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def tool(self, box: Toolbox) -> ToolIdentity:
        return ToolIdentity("fake", "1")

    def inputs(self, tree: MemoryTree, target: Target) -> tuple[str, ...]:
        if any(tree.read(entry.path) == b"unreadable" for entry in tree.entries()):
            raise RenderError(Failure.TEMPLATE, "unreadable")
        return ("file",)

    def render(self, tree: MemoryTree, target: Target, box: Toolbox) -> Rendered:
        text = tree.read("file").decode()
        with self.lock:
            self.runs.append(text)
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            self.doing(text, box)
        finally:
            with self.lock:
                self.running -= 1
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"text": text}}
        resource = Resource(ResourceId("", "ConfigMap", "", "a"), body)
        return Rendered((resource,), self.tool(box), ("file",), has_charts=self.has_charts)


def rendered(fake: Fake, before: str | None, after: str) -> tuple[str, ...]:
    """What both sides say, after both were made or looked up."""
    trees = [MemoryTree({} if text is None else {"file": text}) for text in (before, after)]
    found = both_sides(fake, Sides(*trees), Target("a", "e", fake.kind), fingerprint())
    return tuple(each.body["data"]["text"] for side in found for each in side.rendered.resources)


def failure(fake: Fake, before: str, after: str) -> str:
    with pytest.raises(RenderError) as raised:
        rendered(fake, before, after)
    return raised.value.message


def fails(text: str, box: Toolbox) -> None:
    """The text says after how many seconds; one without a number does not fail."""
    with suppress(ValueError):
        time.sleep(float(text))
        raise RenderError(Failure.TEMPLATE, f"failed after {text}")


def test_both_sides_are_rendered_at_the_same_time_and_kept() -> None:
    together = threading.Barrier(2)
    fake = Fake(lambda text, box: together.wait(TOGETHER_SECONDS) and None)
    assert rendered(fake, "one", "two") == ("one", "two")
    assert rendered(fake, "one", "two") == ("one", "two")
    assert sorted(fake.runs) == ["one", "two"]
    assert RenderedSide.objects.count() == 2


def test_a_side_alone_runs_a_chart_twice_at_once_and_two_sides_never_run_more_than_two() -> None:
    together = threading.Barrier(2)
    alone = Fake(lambda text, box: together.wait(TOGETHER_SECONDS) and None, Kind.HELM)
    assert rendered(alone, None, "new") == ("new",)
    assert alone.runs == ["new", "new"]

    both = Fake(lambda text, box: time.sleep(0.1), Kind.HELM)
    rendered(both, "one", "two")
    assert sorted(both.runs) == ["one", "one", "two", "two"]
    assert both.most == 2


def test_a_chart_that_asks_for_the_time_is_never_rendered_twice_at_once() -> None:
    moments: list[tuple[bool, int]] = []
    fake = Fake(lambda text, box: moments.append((box.surroundings == ELSEWHERE, int(time.time()))), Kind.HELM)
    rendered(fake, None, "{{ now }}")
    assert fake.most == 1
    assert [elsewhere for elsewhere, _ in moments] == [False, True]
    assert moments[0][1] < moments[1][1]


def test_a_cluster_without_charts_is_rendered_once_and_one_with_charts_twice() -> None:
    plain, with_charts = (Fake(kind=Kind.FLUX, has_charts=has) for has in (False, True))
    rendered(plain, "{{ now }}", "plain")
    rendered(with_charts, None, "with charts")
    assert sorted(plain.runs) == ["plain", "{{ now }}"]
    assert with_charts.runs == ["with charts", "with charts"]
    assert with_charts.most == 1


def test_sides_of_equal_content_are_rendered_once() -> None:
    fake = Fake()
    assert rendered(fake, "same", "same") == ("same", "same")
    assert fake.runs == ["same"]
    assert RenderedSide.objects.count() == 1


@pytest.mark.parametrize(
    ("before", "after", "said", "kept"),
    [
        ("0.3", "0", "failed after 0.3", 0),  # that of the target branch is told, whichever fails first
        ("0", "good", "failed after 0", 0),
        ("good", "0", "failed after 0", 1),
        ("0", "unreadable", "failed after 0", 0),
        ("good", "unreadable", "unreadable", 1),
        ("unreadable", "0", "unreadable", 0),
    ],
)
def test_a_failure_is_told_as_if_one_side_were_rendered_after_the_other(
    before: str, after: str, said: str, kept: int
) -> None:
    assert failure(Fake(fails), before, after) == said
    assert RenderedSide.objects.count() == kept


def test_a_side_that_passes_its_limit_is_ended_and_harms_the_other_one_not() -> None:
    box = toolbox()

    def in_the_sandbox(text: str, _: Toolbox) -> None:
        with private_workspace(box) as workspace:
            shell = Command(SHELL, ("-c", f"echo {text}; sleep {text}"))
            assert run(shell, workspace, Limits(wall=5), box).stdout == f"{text}\n".encode()

    ended, began = f"{SHELL.name} did not finish within 5 seconds and was ended.", time.monotonic()
    assert failure(Fake(in_the_sandbox), "0", "600") == ended
    assert failure(Fake(in_the_sandbox), "500", "600") == ended
    assert time.monotonic() - began < TOGETHER_SECONDS
    assert RenderedSide.objects.count() == 1


def test_threads_that_render_use_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toolbox("kubectl")
    work = GitRepo.create(tmp_path / "work")
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    files = {"base/kustomization.yaml": "resources: [a.yaml]\n", "base/a.yaml": manifest}
    commits = [work.commit(files=files), work.commit(files={"base/a.yaml": manifest.replace("a}", "b}")})]
    sides = Sides(*(GitTree(work.git_dir, work.run("rev-parse", f"{commit}^{{tree}}")) for commit in commits))
    renderer = type(RENDERERS[Kind.KUSTOMIZE])
    asking, rendering = recorded(monkeypatch, BaseDatabaseWrapper, "cursor"), recorded(monkeypatch, renderer, "render")
    outcome = outcome_of(Target("a", "e", Kind.KUSTOMIZE, {"path": "base"}), sides, fingerprint())
    assert {each.id.name for each in outcome.difference.changes} == {"a", "b"}
    assert len(set(rendering)) == 2
    assert set(asking) == {threading.current_thread().name}
    assert not set(rendering) & set(asking)


def recorded(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> list[str]:
    """The threads that call this method from now on."""
    real, threads = getattr(owner, name), []

    def recording(*args: object) -> object:
        threads.append(threading.current_thread().name)
        return real(*args)

    monkeypatch.setattr(owner, name, recording)
    return threads
