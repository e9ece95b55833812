"""The demo's Git host keeps its target branches to what the portal merges, as docs/connecting.md shows for a real one."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings

from apps.accounts import services as accounts
from apps.accounts.errors import TokenRefused
from apps.accounts.models import User
from apps.accounts.services.tokens import MAX_DAYS
from apps.core.clock import now
from apps.demo.story.setting import REPOSITORY
from apps.repositories import services as repositories
from apps.repositories.models import Repository

ACCOUNT = "git-host"
HOOK = "scripts/git-hooks/pre-receive"
INCLUDE = "[include]\n\tpath = guard.config\n"


def guard() -> bool:
    """Install the hook, and tell it where this portal listens now; ``False`` where there is no demo. Can be repeated."""
    git_dir = Path(settings.PORTAL_DEMO_DIR) / f"{REPOSITORY}.git"
    repository = Repository.objects.filter(name=REPOSITORY, url=str(git_dir)).first()
    if repository is None or not git_dir.is_dir():
        return False
    token = _token_file(repository)
    hook = git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    shutil.copyfile(Path(settings.BASE_DIR) / HOOK, hook)
    hook.chmod(0o755)
    values = {"url": settings.PORTAL_URL, "repository": REPOSITORY, "tokenFile": str(token)}
    lines = [f"\t{name} = {_quoted(value)}\n" for name, value in values.items()]
    (git_dir / "guard.config").write_text("[portal]\n" + "".join(lines))
    config = git_dir / "config"
    if INCLUDE not in config.read_text():
        config.write_text(config.read_text() + INCLUDE)
    return True


def _token_file(repository: Repository) -> Path:
    """One line with the token of the Git host's own account; made anew when the one there does not work any more."""
    place = Path(settings.PORTAL_DATA_DIR) / "demo-receive-token"
    try:
        accounts.authenticate_token(place.read_text().strip(), now=now())
    except (OSError, TokenRefused):
        place.touch(mode=0o600)
        place.write_text(_new_token(repository) + "\n")
    return place


def _new_token(repository: Repository) -> str:
    account = User.objects.filter(username=ACCOUNT).first()
    if account is None:
        account = accounts.create_user(None, username=ACCOUNT, display_name="Git host of the demo", kind="service")
    repositories.set_member(User.objects.get(username="carol"), repository=repository, member=ACCOUNT, role="viewer")
    _, secret = accounts.create_token(account, user=account, name="pre-receive hook", scopes=["propose"], days=MAX_DAYS)
    return secret


def _quoted(value: str) -> str:
    """A value of git-config(1)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
