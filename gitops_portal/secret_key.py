"""The signing key: from the environment, or made once and kept in the data directory."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from gitops_portal import env


def load_secret_key(data_dir: Path, *, scaled_out: bool) -> str:
    """``PORTAL_SECRET_KEY`` (or its ``_FILE``); embedded installations make their own.

    Several processes on several hosts must share one key, so a scaled-out start without
    one is refused instead of each process signing sessions that the others reject.
    """
    given = env.text("PORTAL_SECRET_KEY")
    if given:
        return given
    if scaled_out:
        raise env.BadEnvironment(
            "PORTAL_SECRET_KEY (or PORTAL_SECRET_KEY_FILE) must be set when the portal is scaled out."
        )
    path = data_dir / "secret.key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    with os.fdopen(handle, "w", encoding="ascii") as file:
        key = secrets.token_urlsafe(48)
        file.write(key)
    return key
