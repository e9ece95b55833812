"""Starting the portal by hand: a wrong setting is a sentence, an interrupted first start begins again, a reset asks."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server import ROOT, free_port

pytestmark = pytest.mark.slow


def script(name: str, data: Path, /, **more: str) -> tuple[int, str]:
    """Exit status and everything that it said."""
    environment = {"PATH": os.environ["PATH"], "PORTAL_DATA_DIR": str(data), "PORT": str(free_port()), **more}
    done = subprocess.run(
        [sys.executable, f"scripts/{name}.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must be a URL that begins with postgresql://"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL must be a URL"),
        (
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"},
            "the database that DATABASE_URL names does not let us in",
        ),
        ({"REDIS_URL": "http://127.0.0.1/"}, "REDIS_URL must be a URL that begins with redis://"),
        (
            {"REDIS_URL": "redis://127.0.0.1:1/0", "PORTAL_ENGINE": "embedded"},
            "the Redis that REDIS_URL names does not answer",
        ),
        ({"PORTAL_DATA_DIR": "/proc/nowhere"}, "PORTAL_DATA_DIR: /proc/nowhere cannot be"),
        ({"PORTAL_METRICS": "true"}, "PORTAL_METRICS needs PORTAL_METRICS_TOKEN"),
        ({"PORT": "many"}, "PORT must be a number"),
    ],
)
def test_a_setting_that_cannot_work_stops_the_start_with_a_sentence(
    setting: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    status, said = script("serve", tmp_path / "data", **setting)
    assert status == 1
    assert sentence in said
    assert "Traceback" not in said


def test_a_reset_leaves_a_directory_alone_in_which_no_demo_was_told(tmp_path: Path) -> None:
    place = tmp_path / "documents"
    place.mkdir()
    (place / "thesis.tex").write_text("years of work")
    status, said = script("demo_reset", place, FORCE="1")
    assert (status, "holds no demo organisation" in said) == (1, True)
    assert [entry.name for entry in place.iterdir()] == ["thesis.tex"]


def test_a_reset_that_nobody_confirms_deletes_nothing(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "secret.key").write_text("key")
    (tmp_path / "portal.sqlite3").write_text("data")
    status, said = script("demo_reset", tmp_path)
    assert (status, "Nothing was deleted" in said) == (1, True)
    assert (tmp_path / "portal.sqlite3").read_text() == "data"


def test_a_reset_and_a_new_start_spare_data_that_a_portal_is_serving(tmp_path: Path) -> None:
    place = tmp_path / "data"
    (place / "demo").mkdir(parents=True)
    for name in ("secret.key", "portal.sqlite3", "demo.telling"):
        (place / name).write_text("data")
    with (place / "serve.lock").open("w") as served:
        fcntl.flock(served, fcntl.LOCK_SH)
        status, said = script("demo_reset", place, FORCE="1")
        assert (status, "a portal is running on" in said) == (1, True)
        status, _ = script("serve", place)  # the database is no database, so it cannot start in any case
        assert status != 0
    assert (place / "portal.sqlite3").read_text() == "data"


def test_a_first_start_that_was_cut_off_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "data"
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    monkeypatch.setenv("PORTAL_DATA_DIR", str(place))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    import serve  # type: ignore[import-not-found]  # a script, found by the path above

    place.mkdir()
    for name in ("secret.key", "portal.sqlite3", "notes.txt"):
        (place / name).write_text(name)
    (place / "mirrors" / "1.git").mkdir(parents=True)
    serve.tell_anew_what_was_cut_off()
    assert (place / "portal.sqlite3").exists(), "nothing says that the story was cut off"
    (place / "demo.telling").touch()
    for name in ("DATABASE_URL", "DATABASE_URL_FILE"):
        with monkeypatch.context() as given:
            given.setenv(name, "postgres://db/portal")
            serve.tell_anew_what_was_cut_off()
        assert (place / "mirrors").exists(), "what the rows of another database name stays"
    serve.tell_anew_what_was_cut_off()
    assert sorted(entry.name for entry in place.iterdir()) == ["notes.txt", "secret.key", "serve.lock"]
