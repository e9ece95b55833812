"""Keys of the installation: from the environment, or made once and kept in the data directory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gitops_portal import env

SHORTEST_AUDIT_KEY = 32


def load_secret_key(data_dir: Path, *, scaled_out: bool) -> str:
    """``PORTAL_SECRET_KEY`` (or its ``_FILE``); embedded installations make their own.

    Several processes on several hosts must share one key, so a scaled-out start without
    one is refused instead of each process signing sessions that the others reject.
    """
    given = env.text("PORTAL_SECRET_KEY")
    if given:
        return given
    kept = data_dir / "secret.key"
    if scaled_out:
        # A new one would open nothing of what was encrypted with the old one.
        here = f" The one that was made here is in {kept}." if kept.exists() else ""
        raise env.BadEnvironment(
            f"PORTAL_SECRET_KEY (or PORTAL_SECRET_KEY_FILE) must be set when the portal is scaled out.{here}"
        )
    return _kept(kept)


def load_audit_key(data_dir: Path) -> str:
    """``PORTAL_AUDIT_KEY`` (or its ``_FILE``): what the published audit log is signed with, apart from all other keys."""
    given = env.text("PORTAL_AUDIT_KEY")
    if given and len(given) < SHORTEST_AUDIT_KEY:
        raise env.BadEnvironment(
            f"PORTAL_AUDIT_KEY is too short to be secret: {SHORTEST_AUDIT_KEY} characters or more."
        )
    return given or _kept(data_dir / "audit.key")


def _kept(path: Path) -> str:
    """The key in that file, which is made if need be; of two first starts one wins, and the other never reads half of it."""
    if not path.exists():
        _make_once(path)
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise env.BadEnvironment(f"{path} cannot be read: {error}") from error
    if not key:
        # An empty key would be no refusal further on, but another key.
        raise env.BadEnvironment(
            f"{path} is empty. Restore it from a backup; without one, remove it, and a new key is made."
        )
    return key


def _make_once(path: Path) -> None:
    draft = path.with_name(f"secret.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(handle)  # or the link could outlive a power cut and the key not
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
