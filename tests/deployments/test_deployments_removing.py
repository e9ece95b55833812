"""Whatever a command leaves behind in its folders, they can be removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from apps.deployments.dispatchers import removing
from apps.deployments.dispatchers.removing import remove

NOBODY = 65534


def deep(place: Path, levels: int, name: str) -> None:
    handle = os.open(place, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=handle)
        below = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)


@pytest.mark.parametrize(("levels", "name"), [(1_100, "a"), (60, "n" * 200)])
def test_folders_that_are_deeper_than_a_stack_or_a_path_are_removed(tmp_path: Path, levels: int, name: str) -> None:
    place = tmp_path / "place"
    place.mkdir()
    deep(place, levels, name)
    remove(place)
    assert not place.exists()


def test_no_link_is_followed(tmp_path: Path) -> None:
    outside, place = tmp_path / "outside", tmp_path / "place"
    for folder in (outside, place / "inner"):
        folder.mkdir(parents=True)
    (outside / "kept").touch(mode=0o644)
    outside.chmod(0o755)
    (place / "inner" / "folder").symlink_to(outside)
    (place / "file").symlink_to(outside / "kept")
    (place / "nowhere").symlink_to("nothing")
    (tmp_path / "link").symlink_to(outside)
    remove(place)
    remove(tmp_path / "link")
    remove(tmp_path / "nothing")
    assert not place.exists()
    assert (outside / "kept").exists()
    assert outside.stat().st_mode & 0o777 == 0o755


def test_what_cannot_be_removed_is_left_without_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "place"
    (place / "a/b").mkdir(parents=True)
    (place / "c").touch()

    def refused(*_given: object, **_options: object) -> None:
        raise PermissionError

    monkeypatch.setattr(removing.os, "rmdir", refused)
    remove(place)
    assert (place / "a").is_dir()
    assert not (place / "c").exists()


def test_folders_that_nobody_may_enter_are_removed_at_once_by_who_owns_them() -> None:
    """Root may enter everything, so this is another user."""
    if os.getuid() != 0:
        pytest.skip("NOT RUN: only root can become somebody else")
    above = Path(tempfile.mkdtemp(dir="/tmp"))  # pytest's own folders are closed to others
    try:
        os.chown(above, NOBODY, NOBODY)
        code = Path(removing.__file__).read_text(encoding="utf-8") + (
            f"\nos.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
            f"\nplace = Path({str(above)!r}) / 'place'\n"
            "os.makedirs(place / 'a/b/c/d')\n"
            "(place / 'a/b/c/d/file').touch()\n"
            "for one in ('a/b/c/d', 'a/b/c', 'a/b', 'a', '.'):\n    (place / one).chmod(0)\n"
            "remove(place)\n"
        )
        subprocess.run([sys.executable, "-I", "-S", "-"], input=code.encode(), check=True, cwd="/")
        assert list(above.iterdir()) == []
    finally:
        shutil.rmtree(above)
