"""An auditor checks a copy of the published log without the portal: what holds, and what of a forger's work is found."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from apps.audit.checkpoints import Checkpoint, Signer
from apps.audit.published import REF, signer
from apps.audit.recovery import start_over, take_back
from apps.audit.tlog import ENTRIES, Tree, entries_in, leaf_hash, tile_path
from tests.support.git import GitRepo
from tests.support.publishing import acts, forget, turn

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("place")]
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "verify_published_log.py"
ORIGIN = "127.0.0.1:8000/audit"


def checked(place: Path, *kept: Path, key: str = "") -> tuple[int, str]:
    """The answer to an auditor who has a mirror of the repository, and no portal on the path."""
    copy = place.parent / "copy.git"
    shutil.rmtree(copy, ignore_errors=True)
    subprocess.run(["git", "clone", "-q", "--mirror", str(place), str(copy)], check=True)
    command = [sys.executable, "-I", str(SCRIPT), str(copy), "--key", key or signer().verifier]
    command += [word for path in kept for word in ("--checkpoint", str(path))]
    done = subprocess.run(command, cwd=place.parent, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def keep(place: Path, name: str = "kept") -> Path:
    path = place.parent / name
    path.write_bytes(GitRepo(place).run_bytes("show", f"{REF}:checkpoint"))
    return path


def published(place: Path) -> list[bytes]:
    """Every entry of the newest commit."""
    repository = GitRepo(place)
    paths = repository.run("ls-tree", "-r", "--name-only", REF, "tile/entries").splitlines()
    return [raw for path in sorted(paths) for raw in entries_in(repository.run_bytes("show", f"{REF}:{path}"))]


def forge(place: Path, raws: Sequence[bytes], by: Signer, *, origin: str = ORIGIN, size: int = 0) -> None:
    """One more commit, as somebody makes it who can write to the repository: of these entries, signed by that key."""
    tree = Tree()
    for raw in raws:
        tree.append(raw)
    note = by.sign(Checkpoint(origin, size or tree.size, tree.root()))
    work = place.parent / "forger"
    shutil.rmtree(work, ignore_errors=True)
    forger = GitRepo.clone(place, work)
    forger.run("fetch", "-q", "origin", REF)
    forger.run("checkout", "-q", "FETCH_HEAD")
    for path, content in {**tree.files(), "checkpoint": note.encode()}.items():
        forger.write(path, content)
    forger.commit("forged")
    forger.run("push", "-q", "origin", f"HEAD:{REF}")


def test_a_log_of_many_checkpoints_and_kept_ones_holds(place):
    kept = []
    for count in (1, 3, 255, 300):
        acts(count)
        turn()
        kept.append(keep(place, f"kept-{count}"))
    status, said = checked(place, *kept)
    assert status == 0, said
    assert "559 entries, 8 checkpoints, each the beginning of the next." in said
    assert "signed by portal-audit" in said


def test_what_was_taken_back_and_begun_anew_is_told(place):
    acts(5)
    turn()
    first = keep(place)
    forget(3)
    assert take_back() == 2
    turn()
    start_over("the disk was lost")
    acts(2)
    turn()
    status, said = checked(place, first)
    assert status == 0, said
    assert "2 forgotten entries were taken back" in said
    assert "A new published log was begun: the disk was lost" in said


def test_another_key_is_not_taken(place):
    acts(3)
    turn()
    status, said = checked(place, key=Signer("portal-audit", b"x" * 32).verifier)
    assert status == 1
    assert "not signed by a given key" in said
    assert checked(place, key="portal-audit+00000000+AAAA")[0] == 1


def test_a_log_that_was_signed_by_somebody_else_is_found(place):
    acts(3)
    turn()
    forge(place, [*published(place), b'{"seq": 4}'], Signer("portal-audit", b"x" * 32))
    status, said = checked(place)
    assert (status, "not signed by a given key" in said) == (1, True)


def test_an_entry_that_was_changed_by_who_has_the_key_is_found_by_the_earlier_checkpoints(place):
    acts(3)
    turn()
    changed = [raw.replace(b"act 2", b"act X") for raw in published(place)]
    after = (
        b'{"seq": 4, "prev_hash": "%s", "action": "change.requested", "summary": ""}'
        % leaf_hash(changed[-1]).hex().encode()
    )
    forge(place, [*changed, after], signer())
    status, said = checked(place)
    assert status == 1
    assert "The first 3 entries are not those of the checkpoint of " in said


def test_an_entry_that_was_left_out_is_found(place):
    acts(4)
    turn()
    first, _, *others = published(place)
    forge(place, [first, *others, *others], signer())
    status, said = checked(place)
    assert (status, "Entry 2 says that it is number 3" in said) == (1, True)


def test_a_checkpoint_that_says_no_more_than_the_one_before_is_found(place):
    acts(3)
    turn()
    forge(place, published(place)[:2], signer())
    status, said = checked(place)
    assert (status, "did not grow between two of its checkpoints" in said) == (1, True)


def test_a_log_that_was_rewritten_whole_is_found_by_the_checkpoint_that_an_auditor_kept(place):
    acts(3)
    turn()
    kept = keep(place)
    changed = [raw.replace(b"act 2", b"act X") for raw in published(place)]
    work = place.parent / "new"
    subprocess.run(["git", "init", "-q", "--bare", str(work)], check=True)
    forger = GitRepo.clone(work, place.parent / "first")
    forger.write("README", b"")
    forger.commit("nothing")
    GitRepo(place).run("fetch", "-q", "--force", str(forger.path), f"HEAD:{REF}")
    forge(place, changed, signer())
    copy = GitRepo(place)
    newest = copy.run("commit-tree", f"{REF}^{{tree}}", "-m", "alone", env=_who()).strip()
    copy.run("update-ref", REF, newest)
    assert checked(place)[0] == 0, "without a copy nobody can know"
    status, said = checked(place, kept)
    assert status == 1
    assert "The first 3 entries are not those of the checkpoint of a kept one" in said


def test_a_log_that_was_cut_off_is_found_by_the_checkpoint_that_an_auditor_kept(place):
    acts(3)
    turn()
    first = GitRepo(place).rev_parse(REF)
    acts(2)
    turn()
    kept = keep(place)
    GitRepo(place).run("update-ref", REF, first)
    status, said = checked(place, kept)
    assert status == 1
    assert "A kept checkpoint is of 5 entries, and the log has 3: it was cut off." in said


def test_a_repository_without_a_log_and_a_note_that_is_none_are_told(place, tmp_path):
    acts(1)
    turn()
    nonsense = tmp_path / "nonsense"
    nonsense.write_text("no note")
    assert "cannot be read" in checked(place, nonsense)[1]
    GitRepo(place).run("update-ref", "-d", REF)
    status, said = checked(place)
    assert (status, "clone it with --mirror" in said) == (1, True)


@pytest.fixture
def alone() -> Any:
    """The program as a module."""
    spec = importlib.util.spec_from_file_location("standalone", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_openssl_says_the_same_as_the_library(alone):
    if not shutil.which("openssl"):
        pytest.skip("NOT RUN: there is no openssl")
    by = Signer("portal-audit", b"k" * 32)
    note = alone.note_of(by.sign(Checkpoint("here", 3, b"r" * 32)).encode(), "x")
    signature = alone.decoded(note.signatures[0].rpartition(" ")[2])[4:]
    public = alone.key_of(by.verifier)[2]
    for text, good in ((note.text, True), (note.text + "x", False)):
        assert alone.is_signed(text, signature, public) is good
        assert alone.is_signed_by_openssl(text, signature, public) is good


@pytest.mark.parametrize("index", [0, 7, 999, 1_000, 1_234_067])
def test_bundles_are_where_the_portal_puts_them(alone, index):
    assert alone.bundle_path(index) == tile_path(ENTRIES, index)


def _who() -> dict[str, str]:
    return {f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
