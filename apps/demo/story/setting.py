"""The setting of the story: people, teams, the Git repository, its connection and its clusters."""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings

from apps.accounts import services as accounts
from apps.accounts.models import User
from apps.demo.cast import CAST, PASSWORD, TEAMS
from apps.demo.engine import settle
from apps.demo.story.world import World
from apps.deployments import services as deployments
from apps.deployments.models import Environment
from apps.repositories import services as repositories
from apps.repositories.models import Repository
from apps.vcs import drafting
from apps.vcs.history import Signature

CONTENT = Path(__file__).resolve().parent.parent / "content"
REPOSITORY = "harbour"
POLICY = ".gitops/portal.yaml"
ZONE, FRIDAY = "Europe/Berlin", 4


def set_the_scene() -> World:
    """Everything that exists before the first change is asked for."""
    _people()
    _whereabouts()
    git_dir = Path(settings.PORTAL_DEMO_DIR) / f"{REPOSITORY}.git"
    _write_repository(git_dir)
    members = {character.username: character.role for character in CAST if character.role}
    repository = repositories.connect_repository(
        User.objects.get(username="carol"), name=REPOSITORY, url=str(git_dir), members=members
    )
    settle()
    world = World(git_dir, repository)
    _clusters(world)
    _connection(repository)
    return world


def _people() -> None:
    for character in CAST:
        accounts.create_user(
            None,
            username=character.username,
            display_name=character.name,
            email=character.email,
            password=PASSWORD,
            can_connect_repositories=character.connects,
            is_administrator=character.administrator,
        )
    erin = User.objects.get(username="erin")
    for name, title in TEAMS.items():
        members = User.objects.filter(username__in=[person.username for person in CAST if name in person.teams])
        accounts.create_team(erin, name=name, title=title, members=members)


def _whereabouts() -> None:
    """Tom is away, and the network expert sits in another time zone."""
    tom, lee = User.objects.get(username="tom"), User.objects.get(username="lee")
    today = datetime.now(UTC).date()
    last_day = today + timedelta(days=4)
    accounts.declare_absence(tom, user=tom, first_day=today, last_day=last_day, deputy=lee, note="Hiking")
    accounts.set_time_zone(lee, time_zone="Asia/Tokyo")


def _write_repository(git_dir: Path) -> None:
    """The first commit: what runs today, before the portal came."""
    files = {str(path.relative_to(CONTENT)): path.read_bytes() for path in sorted(CONTENT.rglob("*")) if path.is_file()}
    files[POLICY] += windows(datetime.now(UTC)).encode()
    executables = frozenset(name for name in files if name.startswith("scripts/") and not name.endswith(".sh"))
    drafting.create_bare(git_dir)
    drafting.add_commit(
        git_dir,
        branch="main",
        parent="",
        files=files,
        message="Describe what runs today",
        author=Signature("Eva Lindqvist", "eva@example.org", datetime.now(UTC) - timedelta(days=30)),
        executables=executables,
    )


def windows(now: datetime) -> str:
    """Part of portal.yaml: production is frozen over the coming sale, and open each week from yesterday's weekday on for five days.

    Both stand around the moment at which the story is told, so that nothing in it is held.
    """
    local = now.astimezone(ZoneInfo(ZONE))
    friday = (local + timedelta(days=(FRIDAY - local.weekday() - 2) % 7 + 2)).replace(hour=18, minute=0)
    monday = (friday + timedelta(days=3)).replace(hour=8)
    opens = (local - timedelta(days=1)).isoweekday() % 7
    return (
        "windows:\n"
        f"  - {{name: the sale, kind: freeze, environments: [production], from: {_moment(friday)}, to: {_moment(monday)},\n"
        "     override: [team/release]}\n"
        f'  - {{name: five days a week, kind: allow, environments: [production], cron: "0 0 * * {opens}", duration: 5d,\n'
        f"     timezone: {ZONE}, override: [team/release]}}\n"
    )


def _moment(local: datetime) -> str:
    return local.isoformat(timespec="minutes")


def _clusters(world: World) -> None:
    """The demo's clusters are directories; where they are is a variable of each environment, as is the token."""
    erin = User.objects.get(username="erin")
    for environment in Environment.objects.filter(repository=world.repository):
        place = world.cluster(environment.name)
        place.mkdir(parents=True, exist_ok=True)
        for name, value in (("CLUSTER_DIR", str(place)), ("DEPLOY_TOKEN", f"hl-{secrets.token_hex(12)}")):
            deployments.set_secret(erin, environment=environment, name=name, value=value)


def _connection(repository: Repository) -> None:
    """A connection to look at; nothing in the demo is deployed through it, so it reaches nobody."""
    erin = User.objects.get(username="erin")
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    row = deployments.create_connection(
        erin,
        name="deploy-hooks",
        kind="webhook",
        url="https://deployer.example.org",
        values={"secret": f"whsec_{key}"},
    )
    deployments.allow_connection(erin, connection=row, repository=repository, environments=["staging"])
