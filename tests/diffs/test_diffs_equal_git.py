"""Every first-parent commit of two real histories: what we show is what ``git diff`` prints, file by file, line by line."""

from __future__ import annotations

import os
import subprocess
import warnings
from pathlib import Path

import pytest

from apps.diffs import parse
from apps.diffs.characters import _NOT_SHOWN, token
from apps.diffs.files import describe
from apps.diffs.fragments import ALL_ROWS, Options, render_file
from apps.diffs.lookalikes import named
from apps.diffs.rows import split, unified
from tests.support.diff_html import FragmentReader

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PORTAL_SHARED_DATA", ROOT.parent / "shared" / "data"))
BUNDLES = ("flux2-kustomize-helm-example", "argocd-example-apps")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def git(directory, *args):
    return subprocess.run(["git", "-C", str(directory), *args], capture_output=True, check=True).stdout


@pytest.fixture(scope="module", params=BUNDLES)
def history(request, tmp_path_factory):
    bundle = DATA / "repos" / f"{request.param}.bundle"
    if not bundle.exists():
        warnings.warn(f"{bundle} is not there: the comparison with git diff DID NOT RUN", stacklevel=1)
        pytest.skip(f"{bundle} is not there (PORTAL_SHARED_DATA)")
    target = tmp_path_factory.mktemp("history") / "repo.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(target)], check=True, capture_output=True)
    commits = git(target, "log", "--first-parent", "--reverse", "--format=%H").decode().split()
    assert len(commits) >= 25
    return target, list(zip([EMPTY_TREE, *commits], commits, strict=False))


def lines_of_git(patch: bytes) -> list[str]:
    """Signed lines of a patch with one file, as git prints them."""
    body = patch[patch.find(b"\n@@ ") + 1 :] if b"\n@@ " in patch else b""
    return [line for line in body.decode("utf-8", "surrogateescape").split("\n")[:-1] if not line.startswith("@@ ")]


def lines_of_ours(hunks):
    lines = []
    mark = "\\ No newline at end of file"
    for hunk in hunks:
        for group in hunk.groups:
            lines += [" " + text for text in group.context]
            lines += ["-" + text for text in group.removed]
            lines += [mark] if hunk.old_cut and group is hunk.groups[-1] and group.removed else []
            lines += ["+" + text for text in group.added]
        if hunk.new_cut or (hunk.old_cut and not hunk.groups[-1].removed):
            lines.append(mark)
    return lines


def visible(text):
    return _NOT_SHOWN.sub(lambda match: token(match.group()), named(text))


def expected_cells(hunks, view):
    rows = [row for hunk in hunks for row in (split(hunk) if view == "split" else unified(hunk))]
    if view == "split":
        return [(str(r.old or ""), visible(r.old_text), str(r.new or ""), visible(r.new_text)) for r in rows]
    return [
        (str(r.old or ""), str(r.new or ""), visible(r.old_text if r.kind == "removed" else r.new_text)) for r in rows
    ]


def test_paths_counts_and_lines_equal_git_diff_on_every_first_parent_commit(history):
    directory, pairs = history
    for old, new in pairs:
        data = git(directory, "diff-tree", "-r", "-M", "-p", "--raw", "-z", "--full-index", old, new)
        changes, patches = parse.read(data)
        numstat = git(directory, "diff", "-M", "--numstat", "-z", old, new)
        assert counted(changes, patches) == numbers(numstat), (old, new)
        whole = git(directory, "diff", "-M", old, new)
        theirs = [b"diff --git " + part for part in (b"\n" + whole).split(b"\ndiff --git ")[1:]]
        theirs = [part if part.endswith(b"\n") else part + b"\n" for part in theirs]
        assert len(theirs) == len(changes)
        for change, patch, their in zip(changes, patches, theirs, strict=True):
            assert lines_of_ours(parse.hunks(patch)) == lines_of_git(their), (new, change.path)


def counted(changes, patches):
    facts = [describe(change, patch) for change, patch in zip(changes, patches, strict=True)]
    return [
        (change.old_path, change.new_path, None if fact.kind == "binary" else (fact.added, fact.removed))
        for change, fact in zip(changes, facts, strict=True)
    ]


def numbers(numstat: bytes):
    fields = iter(numstat.decode("utf-8", "surrogateescape").split("\0")[:-1])
    result = []
    for field in fields:
        added, removed, path = field.split("\t", 2)
        old, new = (path, path) if path else (next(fields), next(fields))
        result.append((old, new, None if added == "-" else (int(added), int(removed))))
    return result


@pytest.mark.parametrize("view", ["unified", "split"])
def test_the_page_shows_the_text_of_every_line_of_real_histories(history, view):
    directory, pairs = history
    for old, new in pairs[:: 3 if view == "split" else 4]:
        data = git(directory, "diff-tree", "-r", "-M", "-p", "--raw", "-z", "--full-index", old, new)
        for change, patch in zip(*parse.read(data), strict=True):
            html = render_file(change, patch, options=Options(view, piece=1), max_rows=ALL_ROWS).html
            assert FragmentReader(html).code(view) == expected_cells(parse.hunks(patch), view), (new, change.path)


def test_a_stream_gives_the_same_as_the_whole(history):
    directory, pairs = history
    old, new = pairs[0][0], pairs[-1][1]
    data = git(directory, "diff-tree", "-r", "-M", "-p", "--raw", "-z", "--full-index", old, new)
    changes, patches = parse.read(data)
    for size in (7, 1_000, 65_536):
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        listed, parts = parse.read_stream(chunks)
        assert listed == changes
        assert [patch for _, patch in parts] == patches
