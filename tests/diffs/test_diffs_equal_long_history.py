"""A long history, commit by commit: what the HTML shows is what ``git diff`` prints, in both views, in windows, with
more context, and without white space.

The history is generated, or that of ``PORTAL_LONG_HISTORY`` (a repository on this machine): every first-parent commit of
it, or as many evenly spread ones as ``PORTAL_LONG_HISTORY_COMMITS`` says.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

from apps.diffs import parse
from apps.diffs.characters import _NOT_SHOWN, token
from apps.diffs.context import Place, are_equal, context_rows, lines_of
from apps.diffs.files import with_ids
from apps.diffs.fragments import ALL_ROWS, Options, render_file
from apps.diffs.lookalikes import named
from apps.vcs import objects, trees
from tests.bench.workloads import edited_in_runs, hcl_block, yaml_document
from tests.support.diff_html import FragmentReader
from tests.support.git import GitRepo

COMMITS = 60
SIGNS = {"a": "+", "d": "-", "": " "}


def git(directory: Path, *args: str) -> bytes:
    return subprocess.run(["git", "-C", str(directory), *args], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, str]]]:
    named_one = os.environ.get("PORTAL_LONG_HISTORY")
    target = Path(named_one) if named_one else generated(tmp_path_factory.mktemp("long"))
    commits = git(target, "log", "--first-parent", "--reverse", "--format=%T").decode().split()
    pairs = [(old, new) for old, new in pairwise(commits) if old != new]
    most = int(os.environ.get("PORTAL_LONG_HISTORY_COMMITS", "0")) or len(pairs)
    return target, pairs[:: max(len(pairs) // most, 1)]


def generated(place: Path) -> Path:
    """Edits, moves, re-indentations, renames, odd characters, ends without a newline, over and over."""
    rng = random.Random(11)
    repo = GitRepo.create(place / "work")
    files = {f"app/{n}.{kind}": made(rng, kind, n) for n, kind in enumerate(["yaml", "tf", "yaml", "tf", "txt"] * 3)}
    for number in range(COMMITS):
        for name in rng.sample(sorted(files), 4):
            files[name] = edited_in_runs(rng, files[name], 3) or ["x"]
            odd = rng.random()
            if odd < 0.3:
                at = rng.randrange(len(files[name]))
                files[name][at:at] = [f"  {line}" for line in files[name][at : at + 6]]
            elif odd < 0.4:
                files[name][rng.randrange(len(files[name]))] = "p\u0430ypal\u202e: \t1  \r"
            elif odd < 0.5:
                files[name] = [f"  {line}" for line in files[name]]
        if number % 7 == 3:
            name = rng.choice(sorted(files))
            files[f"moved/{number}-{Path(name).name}"] = files.pop(name)
            repo.path.joinpath(name).unlink()
        ends = {name: "" if rng.random() < 0.1 else "\n" for name in files}
        repo.commit(f"{number}", files={name: "\n".join(lines) + ends[name] for name, lines in files.items()})
    bare = GitRepo.create(place / "bare.git", bare=True)
    bare.run("fetch", "-q", str(repo.path), "HEAD:refs/heads/main")
    return bare.path


def made(rng: random.Random, kind: str, number: int) -> list[str]:
    make = hcl_block if kind == "tf" else yaml_document
    return [line for n in range(6) for line in make(rng, number * 100 + n)]


def visible(text: str) -> str:
    return _NOT_SHOWN.sub(lambda match: token(match.group()), named(text))


def printed(patch: bytes) -> list[str]:
    """Signed lines of one file as ``git diff`` prints them, hidden characters named."""
    body = patch[patch.find(b"\n@@ ") + 1 :] if b"\n@@ " in patch else b""
    lines = body.decode("utf-8", "surrogateescape").split("\n")[:-1]
    return [line[0] + visible(line[1:]) for line in lines if line[0] not in "@\\"]


def shown(html: bytes, view: str) -> list[str]:
    """The same from the page; of the split view each change once more in the order of a patch."""
    reader = FragmentReader(html)
    if view == "unified":
        lines = [(kind, cells[3]) for kind, _, cells in reader.rows if kind in SIGNS and len(cells) == 4]
        return [SIGNS[kind] + text for kind, text in lines if text != "Code"]
    out: list[str] = []
    added: list[str] = []
    for kind, _, cells in reader.rows:
        if len(cells) == 6 and kind == "x":
            out += ["-" + cells[2]] if cells[0] else []
            added += ["+" + cells[5]] if cells[3] else []
            continue
        out, added = out + added, []
        if len(cells) == 6 and kind == "" and cells[2] != "Old code":
            out.append(" " + cells[5])
    return out + added


def windows(change, patch, options, size):
    start, parts = 0, []
    while start is not None:
        fragment = render_file(change, patch, options=options, start_row=start, max_rows=size)
        parts.append(fragment.html)
        start = fragment.next_row
    return parts


@pytest.mark.parametrize("view", ["unified", "split"])
@pytest.mark.parametrize("space", ["with white space", "without"])
def test_the_page_shows_what_git_diff_prints(history, view, space):
    directory, pairs = history
    ignore = space == "without"
    flags = ["-w", "--ignore-blank-lines"] if ignore else []
    seen = 0
    for number, (old, new) in enumerate(pairs):
        theirs = git(directory, "diff-tree", "-r", "-M", "-p", "--full-index", *flags, old, new)
        changes = with_ids(trees.diff_trees(directory, old, new))
        pieces = dict(zip(changes, parse.match_patch(changes, theirs), strict=True))
        ours = parse.match_patch(changes, trees.patch(directory, old, new, ignore_space=ignore, full_index=True))
        for change, patch in zip(changes, ours, strict=True):
            options = Options(view, piece=1)
            html = render_file(change, patch, options=options, max_rows=ALL_ROWS).html
            assert shown(html, view) == printed(pieces[change]), (old, new, change.path)
            if number % 5 == 0:
                code = [row for part in windows(change, patch, options, 37) for row in FragmentReader(part).code(view)]
                assert code == FragmentReader(html).code(view), (new, change.path)
            seen += 1
    assert seen > len(pairs)


@pytest.mark.parametrize("view", ["unified", "split"])
def test_all_gaps_filled_show_the_whole_new_file(history, view):
    directory, pairs = history
    filled = 0
    for old, new in pairs[::4]:
        changes = with_ids(trees.diff_trees(directory, old, new))
        patches = parse.split_patch(changes, trees.patch(directory, old, new))
        for change, patch in zip(changes, patches, strict=True):
            html = render_file(change, patch, options=Options(view, piece=1), max_rows=ALL_ROWS).html
            gaps = [tuple(map(int, one.split(","))) for one in re.findall(r'data-gap="([^"]+)"', html.decode())]
            if change.status in "AD" or not gaps or change.new_mode == "160000":
                continue
            olds = lines_of(objects.read_blob(directory, change.old_oid))[0]
            news, cut = lines_of(objects.read_blob(directory, change.new_oid))
            rows = new_lines(FragmentReader(html), view)
            for place in (Place(old_at, new_at, size if size > 0 else len(news)) for old_at, new_at, size in gaps):
                assert are_equal(olds, news, place), (new, change.path, place)
                part = context_rows(change, news, place, options=Options(view, piece=1), cut=cut)
                rows |= new_lines(FragmentReader(b"<table>" + part + b"</table>"), view)
            assert [rows[number] for number in sorted(rows)] == [visible(line) for line in news], (new, change.path)
            filled += 1
    assert filled


def new_lines(reader: FragmentReader, view: str) -> dict[int, str]:
    column = 2 if view == "split" else 1
    return {int(row[column]): row[-1] for row in reader.code(view) if row[column].isdigit()}
