"""Thousands of rounds in which processes meet at a gate: whatever order comes, nothing unapproved is merged or started.

Each kind of race runs on the database of this pass (`make test` has one on PostgreSQL and one on SQLite). The seed is printed;
``RACE_SEED`` repeats it. Mutants: with a guard taken out of the racing processes, the same oracle sees what then goes wrong.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import Q, UniqueConstraint

from apps.audit.models import AuditEntry
from apps.changes.models import ChangeRequest, Revision
from apps.deployments.models import MergeIntent
from apps.deployments.services import merge_change
from apps.policies.config import parse_portal_yaml
from apps.repositories.models import RepositoryRole
from tests.support.delivery import pipeline
from tests.support.race_oracle import Known
from tests.support.racing import EXPERTS, Act, Arena, Racers, last_seq

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
BOTH = pytest.mark.parametrize("engine", ENGINES)
WIDTH, LOOK, WIDE = 0.012, 0.12, 0.15
"""Seconds within which the acts of a round begin; longer where one of them looks at the remote first."""
EDGE, NEARER, AROUND = 0.3, 1.15, (0.8, 1.2)
"""Where acts take long, the moment that decides is searched for (seconds at first, factor a round), and the rounds are around it."""
ODD = ("broke", "no_revision")
"""An act may be refused with any code but these: nothing breaks, and nobody hears that a change has no code."""
FROZEN = "windows:\n  - {name: all, kind: freeze, holds: [merge, deploy], from: 2020-01-01T00:00+00:00, to: 2099-01-01T00:00+00:00}\n"


def policy(need: int) -> str:
    """Experts approve merges, and starts in production; production comes at once."""
    rules = "  - {name: release, stage: deploy, when: {environments: [production]}, needs: {approvals: 1, from: [team/experts]}}\n"
    text = pipeline(rules=rules).replace(
        "approvals: 1, from: [role/reviewer]", f"approvals: {need}, from: [team/experts]"
    )
    return text.replace("    after: [staging]\n", "")


@dataclass
class Round:
    """Who does what at once, what is known when it begins, and what else must be true after it."""

    acts: list[Act]
    known: Known
    change: ChangeRequest
    after: Callable[[], list[str]] = list
    within: tuple[float, ...] = (WIDTH,) * 4  # seconds in which each of the acts begins
    at_edge: bool = False  # the first act begins as late as decides whether the others come through


Says = Callable[[str], None]
Kind = Callable[[Arena, random.Random], Round]


def known(arena: Arena, change: ChangeRequest, need: int = 2) -> Known:
    """The world as the round begins, from rows."""
    assert change.revision
    names = dict(RepositoryRole.objects.values_list("user__username", "role"))
    found = Known(need, change.revision.subject, change.revision.head_oid, change.revision.target_oid)
    found.roles, found.tips = names, dict(arena.tips)
    found.experts, found.contributors = set(EXPERTS), {"alice"}
    found.approved = dict.fromkeys(change.reviews.values_list("reviewer__username", flat=True), (found.subject, "main"))
    return found


def last_slot(arena: Arena, _: random.Random) -> Round:
    """R1: many approve at once where one approval is missing, and two press merge."""
    change = arena.proposed("bob")
    acts: list[Act] = [("approve", {"who": who, "change": change.pk, "revision": 1}) for who in ("kim", "dave")]
    acts += [("merge", {"who": who, "change": change.pk}) for who in ("alice", "carol")]
    return Round(acts, known(arena, change), change)


def many_mergers(arena: Arena, _: random.Random) -> Round:
    """R2: one change, merge pressed by all at once."""
    change = arena.proposed("bob", "kim")
    acts: list[Act] = [("merge", {"who": who, "change": change.pk}) for who in ("alice", "carol", "alice", "carol")]
    return Round(acts, known(arena, change), change)


def push_approve_merge(arena: Arena, chance: random.Random) -> Round:
    """R3: a push of the author, or of one who approved, against an approval and a merge."""
    change = arena.proposed("bob")
    arena.pushed(chance.choice(["by-alice", "by-bob"]))
    acts: list[Act] = [("look", {}), ("approve", {"who": "kim", "change": change.pk, "revision": 1})]
    acts.append(("merge", {"who": "alice", "change": change.pk}))
    return Round(acts, known(arena, change), change, within=(WIDTH, WIDE, WIDE))


def taken_away(arena: Arena, chance: random.Random) -> Round:
    """R4: what a merge needs is taken away while it is decided."""
    change = arena.proposed("bob", "kim")
    takes: list[Act] = [
        ("take_back", {"who": "bob", "change": change.pk}), ("demote", {"who": "bob"}), ("leave", {"who": "kim"}),
        ("disable", {"who": "kim"}), ("demote", {"who": "alice"}),
        ("disable", {"who": "alice"}),
    ]  # fmt: skip
    acts = [chance.choice(takes), ("merge", {"who": "alice", "change": change.pk})]
    return Round(acts, known(arena, change), change)


def policy_moves(arena: Arena, _: random.Random) -> Round:
    """R4: a freeze is pushed to the target while a merge is decided."""
    change = arena.proposed("bob", "kim")
    arena.pushed("freeze")
    found = known(arena, change)
    found.forbidden = {arena.moves["freeze"][1]}
    return Round(
        [("look", {}), ("merge", {"who": "alice", "change": change.pk})], found, change, within=(WIDTH, 2 * WIDE)
    )


def taken_away_from_start(arena: Arena, chance: random.Random) -> Round:
    """R4: what a queued deployment needs is taken away while two workers start it."""
    row = arena.waiting("bob")
    takes: list[Act] = [
        ("take_back", {"who": "bob", "change": row.change_id}), ("demote", {"who": "bob"}), ("leave", {"who": "bob"}),
        ("disable", {"who": "bob"}),
    ]  # fmt: skip
    return Round(
        [chance.choice(takes), *[("start", {"deployment": row.pk})] * 2],
        known(arena, row.change, 1),
        row.change,
        within=(0, LOOK / 3, LOOK / 3),
        at_edge=True,
    )


def freeze_before_start(arena: Arena, _: random.Random) -> Round:
    """R4: a freeze is pushed while a queued deployment is started."""
    row = arena.waiting("bob")
    arena.pushed("freeze")
    found = known(arena, row.change, 1)
    found.forbidden = {arena.moves["freeze"][1]}
    acts: list[Act] = [("look", {}), ("start", {"deployment": row.pk})]
    return Round(acts, found, row.change, within=(0, LOOK / 2), at_edge=True)


def two_into_one_target(arena: Arena, _: random.Random) -> Round:
    """R5: two changes that may both be merged, and their merges carried out at once, one of them twice."""
    changes = [arena.proposed("bob", "kim", template=template) for template in (arena.one, arena.two)]
    start = known(arena, changes[0])
    intents = [merge_change(arena.delivery.people.alice, change=change) for change in changes]
    arena.moved = True

    def after() -> list[str]:
        rows = MergeIntent.objects.filter(pk__in=[intent.pk for intent in intents])
        states = sorted(rows.values_list("state", flat=True))
        landed = rows.filter(state="landed").values_list("merge_commit", flat=True).first() or "nothing"
        tip, parent = arena.remote.rev_parse("main"), arena.remote.rev_parse("main^1")
        good = states == ["landed", "returned"] and tip == landed and parent == arena.tips["main"]
        return [] if good else [f"{states}, the target is at {tip} after {parent}, landed was {landed}"]

    acts: list[Act] = [("carry_out", {"intent": intents[index].pk}) for index in (0, 1, 0)]
    return Round(acts, start, changes[0], after)


def reopened_or_redirected(arena: Arena, chance: random.Random) -> Round:
    """R7: a change is given up and reopened, or goes elsewhere, while it is approved and merged."""
    change = arena.proposed("bob")
    odd: Act = ("give_up_and_reopen", {"change": change.pk})
    if chance.random() < 0.5:
        odd = ("redirect", {"change": change.pk, "target": "other"})
    acts: list[Act] = [odd, ("approve", {"who": "kim", "change": change.pk, "revision": 1})]
    acts.append(("merge", {"who": "alice", "change": change.pk}))
    return Round(acts, known(arena, change), change)


KINDS: dict[Kind, int] = {  # and how many of a hundred rounds are such
    last_slot: 13,
    many_mergers: 14,
    push_approve_merge: 7,
    taken_away: 35,
    policy_moves: 5,
    taken_away_from_start: 14,
    freeze_before_start: 4,
    two_into_one_target: 2,
    reopened_or_redirected: 6,
}


def arena_in(tmp_path: Path) -> Arena:
    arena = Arena.built(tmp_path, policy(2))
    for who in ("alice", "bob"):
        arena.prepare_move(f"by-{who}", "one", {"one.txt": f"by {who}\n"}, f"{who} <{who}@example.org>")
    arena.prepare_move("freeze", "main", {".gitops/portal.yaml": policy(2) + FROZEN})
    return arena


@dataclass
class Score:
    """What came of the rounds of one kind."""

    rounds: int = 0
    through: int = 0
    seconds: float = 0.0
    edge: float = EDGE
    ends: Counter[str] = field(default_factory=Counter)

    def told(self, kind: Kind) -> str:
        rate = self.rounds / max(self.seconds, 0.001)
        ends = ", ".join(f"{code} {count}" for code, count in self.ends.most_common())
        return f"{kind.__name__} on {connection.vendor}: {self.rounds} rounds ({rate:.1f}/s), {self.through} went through: {ends}"

    def moment(self, this: Round, index: int, chance: random.Random) -> float:
        """Seconds after which this act of the round begins."""
        if this.at_edge and index == 0:
            return self.edge * chance.uniform(*AROUND)
        return chance.random() * this.within[index]

    def count(self, through: int) -> None:
        """What came through shows that the first act was late; what did not, that it was early."""
        self.rounds += 1
        self.through += through
        self.edge = min(max(self.edge / NEARER if through else self.edge * NEARER, LOOK / 10), 20 * EDGE)


def run(says: Says, tmp_path: Path, kinds: dict[Kind, int], rounds: int, without: str = "") -> list[str]:
    """Run so many rounds of these kinds; what the oracle found wrong, and acts that ended as none may end."""
    seed = int(os.environ.get("RACE_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    chance = random.Random(seed)
    arena = arena_in(tmp_path)
    wrong: list[str] = []
    scores = {kind: Score() for kind in kinds}
    with Racers(tmp_path, 4, without) as running:
        for number in range(rounds):
            kind = chance.choices(list(kinds), list(kinds.values()))[0]
            began = time.monotonic()
            wrong += [
                f"seed {seed}, round {number}, {kind.__name__}: {text}"
                for text in one(arena, kind, chance, running, scores[kind])
            ]
            scores[kind].seconds += time.monotonic() - began
            broke = any(code.startswith(ODD) for code in scores[kind].ends)
            if (wrong and without) or broke or len(wrong) > 20:
                break
    says("\n".join(map(Score.told, scores.values(), scores)) + f"\nRACE_SEED={seed} repeats the choices")
    odd = {code for score in scores.values() for code in score.ends if code.startswith(ODD)}
    return wrong + sorted(odd)


def one(arena: Arena, kind: Kind, chance: random.Random, running: Racers, score: Score) -> list[str]:
    arena.reset()
    seq = last_seq()
    this = kind(arena, chance)
    order = chance.sample(range(len(this.acts)), len(this.acts))
    acts = [this.acts[index] for index in order]
    score.ends.update(running.race(acts, [score.moment(this, index, chance) for index in order]))
    found = judged(this.known, this.change, seq)
    score.count(found.merges + found.starts)
    return found.wrong + this.after()


def _entries(change: ChangeRequest, seq: int) -> Iterable[AuditEntry]:
    about = Q(change_number=change.number) | Q(change_number=None)
    return AuditEntry.objects.filter(about, seq__gt=seq).order_by("seq")


def judged(start: Known, change: ChangeRequest, seq: int) -> Known:
    for revision in Revision.objects.filter(change=change).select_related("pusher"):
        start.subjects[revision.number] = (revision.subject, revision.target_branch)
        people = change.contributions.filter(revision_number=revision.number).select_related("user")
        start.pushers[revision.number] = {row.user.username for row in people if row.user}
    found = start.read(_entries(change, seq))
    intents = MergeIntent.objects.filter(change=change).count()
    if max(found.merges, found.starts, intents) > 1 or intents != found.merges:
        found.wrong.append(f"{intents} intents, {found.merges} entries of merges, {found.starts} of starts")
    return found


@pytest.fixture(autouse=True)
def _right_engine(request: pytest.FixtureRequest) -> None:
    engine = request.node.callspec.params["engine"] if hasattr(request.node, "callspec") else connection.vendor
    if connection.vendor != engine:
        pytest.skip(f"this run is on {connection.vendor}")


def test_the_freeze_that_is_pushed_is_one() -> None:
    parsed = parse_portal_yaml((policy(2) + FROZEN).encode())
    assert parsed.config
    assert parsed.config.windows


@BOTH
@pytest.mark.parametrize("half", [1, 2])
def test_whoever_comes_first_nothing_unapproved_goes_through(
    says: Says, tmp_path: Path, engine: str, half: int
) -> None:
    assert run(says, tmp_path, KINDS, int(os.environ.get("RACE_ROUNDS", "520"))) == []


@BOTH
@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_in_a_hundred_thousand_rounds_nothing_unapproved_goes_through(
    says: Says, tmp_path: Path, engine: str, kind: Kind
) -> None:
    assert run(says, tmp_path, {kind: 1}, 100_000) == []


MUTANTS = [
    pytest.param("without_judging_at_use", taken_away, "sqlite"),
    pytest.param("without_compare_and_swap", many_mergers, "sqlite"),
    pytest.param("without_judging_at_use", taken_away, "postgresql", marks=pytest.mark.postgres),
    pytest.param("without_compare_and_swap", many_mergers, "postgresql", marks=pytest.mark.postgres),
    pytest.param("without_the_lock_of_the_log", taken_away, "postgresql", marks=pytest.mark.postgres),
    pytest.param("without_the_lock_of_the_log", taken_away_from_start, "postgresql", marks=pytest.mark.postgres),
]


@pytest.fixture
def one_intent_only_by_code(guard: str) -> Iterator[None]:
    """The last of three guards against a second intent is the database's own; it is taken out with the other two."""
    if guard != "without_compare_and_swap":
        yield
        return
    constraint = next(found for found in MergeIntent._meta.constraints if isinstance(found, UniqueConstraint))
    name = connection.ops.quote_name(constraint.name)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")
    yield
    MergeIntent.objects.all().delete()
    with connection.schema_editor() as editor:
        editor.add_constraint(MergeIntent, constraint)


@pytest.mark.usefixtures("one_intent_only_by_code")
@pytest.mark.parametrize(("guard", "kind", "engine"), MUTANTS)
def test_without_this_guard_the_oracle_sees_what_goes_wrong(
    says: Says, tmp_path: Path, guard: str, kind: Kind, engine: str
) -> None:
    wrong = run(says, tmp_path, {kind: 1}, 400, guard)
    assert wrong, f"400 rounds {guard} and nobody noticed"
    assert not [text for text in wrong if text.startswith("broke")], wrong
