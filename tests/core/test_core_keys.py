"""Keys that the installation makes and keeps: whole or refused, never silently another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_portal.env import BadEnvironment
from gitops_portal.secret_key import load_audit_key, load_secret_key


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORTAL_AUDIT_KEY", "PORTAL_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def test_a_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = load_audit_key(tmp_path)
    assert len(key) > 60
    assert load_audit_key(tmp_path) == key != load_secret_key(tmp_path, scaled_out=False)
    assert (tmp_path / "audit.key").stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("secret.?*[!y]")), "no draft is left"


@pytest.mark.parametrize("content", [b"", b" \n"])
def test_an_empty_key_is_refused(tmp_path: Path, content: bytes) -> None:
    """The log would be signed with a key that follows from that of the credentials."""
    (tmp_path / "audit.key").write_bytes(content)
    with pytest.raises(BadEnvironment, match=r"audit\.key is empty"):
        load_audit_key(tmp_path)


def test_a_key_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "audit.key").mkdir()
    with pytest.raises(BadEnvironment, match=r"audit\.key cannot be read"):
        load_audit_key(tmp_path)
    (tmp_path / "secret.key").write_bytes(b"\xff\xfe")
    with pytest.raises(BadEnvironment, match=r"secret\.key cannot be read"):
        load_secret_key(tmp_path, scaled_out=False)


def test_a_short_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_AUDIT_KEY", "short")
    with pytest.raises(BadEnvironment, match="too short to be secret"):
        load_audit_key(tmp_path)
