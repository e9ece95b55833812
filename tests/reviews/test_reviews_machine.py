"""Any order of pushes, force-pushes, moves of the target, approvals, losses of rights, of other owners, of backups that are
restored: never is more allowed than an oracle allows, and nothing is merged or deployed twice.

Real Git, real rows. The runs of ``make test`` are the same each time; ``make soak`` draws others (RELIABILITY §5.1).
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from apps.changes import services as changes
from apps.changes.models import ChangeRequest
from apps.core.errors import PortalError
from apps.deployments import services as deployments
from apps.repositories.services import set_member, synchronise
from apps.reviews import services as reviews
from apps.reviews.models import Review
from apps.reviews.queries import verdict_of
from tests.support.approval_oracle import OWNERS as PLACES
from tests.support.approval_oracle import Oracle
from tests.support.delivery import Delivery, run_jobs, run_until_idle

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
FILES, LINES = ("a.yaml", "b.yaml"), 12
REVIEWERS = ("bob", "kim", "carol")
OWNERS = st.sampled_from(["", "* @kim @carol\n", "/a.yaml @bob\n", "* @carol\n/a.yaml @kim\n", "/b.yaml @bob @kim\n"])
MOMENTS = ("before it was decided", "before it was pushed", "before it was deployed", "after it was deployed")
FREEZE = (
    "windows: [{name: all, kind: freeze, holds: [merge, deploy], from: 2020-01-01T00:00Z, to: 2099-01-01T00:00Z}]\n"
)
EDITS = st.tuples(st.sampled_from(FILES), st.integers(0, LINES - 1), st.integers(2, 4))
PEOPLE = st.sampled_from(REVIEWERS)
seen: Counter[str] = Counter()


def policy(needed: int, dispatched: Path, *, frozen: bool = False) -> str:
    """Deploying writes the commit into the file ``dispatched``, which no backup knows."""
    step = f"{{name: apply, run: echo $PORTAL_COMMIT >> {dispatched}}}"
    return (
        f"apiVersion: portal/v1\nenvironments: {{default: {{deploy: {{via: local, steps: [{step}]}}}}}}\nrules:\n"
        f"  - {{name: experts, needs: {{approvals: {needed}, from: [role/reviewer, role/deployer]}}}}\n"
        f"  - {{name: owners, needs: {{approvals: 1, from: [code-owners]}}}}\n{FREEZE if frozen else ''}"
    )


class Machine(RuleBasedStateMachine):
    """One change of alice, from ``topic`` into ``main`` or ``release``."""

    folders: ClassVar[Callable[[], str]] = staticmethod(tempfile.mkdtemp)

    @initialize()
    def begin(self) -> None:
        self.mark = transaction.savepoint()
        plain = "".join(f"k{line}: 1\n" for line in range(LINES))
        folder = Path(self.folders())
        self.dispatched = folder / "dispatched"
        files = {**dict.fromkeys(FILES, plain), "CODEOWNERS": ""}
        self.delivery = Delivery.start(folder, policy(1, self.dispatched), files)
        self.work, self.people = self.delivery.work, self.delivery.people
        set_member(self.people.carol, repository=self.delivery.repository, member="erin", role="maintainer")
        self.work.run("push", "-q", "origin", "main:refs/heads/release")
        self.change: ChangeRequest | None = None
        self.texts = itertools.count()
        self.oracle = Oracle(self.work, "topic")
        self.backup: tuple[Any, Oracle] | None = None
        self._write("topic", "main", ("a.yaml", 3, 2), "alice")
        self._look()
        self.change = changes.create_change(
            self.people.alice, repository=self.delivery.repository, title="One", source_branch="topic"
        )

    def teardown(self) -> None:
        if hasattr(self, "mark"):
            transaction.savepoint_rollback(self.mark)

    # --- what happens in Git ----------------------------------------------------------------

    @rule(edit=EDITS, author=st.sampled_from(["alice", "bob"]))
    def push(self, edit: tuple[str, int, int], author: str) -> None:
        if self.oracle.has_source:
            self._write("topic", "origin/topic", edit, author)
            self.oracle.contributors.add(author)
            self._look()

    @rule(edit=EDITS)
    def force_push(self, edit: tuple[str, int, int]) -> None:
        self._write("topic", "origin/main", edit, "alice")
        self.oracle.has_source = True
        self._look()

    @rule(chance=st.integers(0, 3))
    def delete_source(self, chance: int) -> None:
        if self.oracle.has_source and chance == 0:
            self.work.run("push", "-q", "origin", ":topic")
            self.oracle.has_source = False
            self._look()

    @rule(edit=EDITS)
    def move_target(self, edit: tuple[str, int, int]) -> None:
        self._write(self.oracle.target, f"origin/{self.oracle.target}", edit, "eva")
        self._look()

    @rule()
    def merge_target_into_source(self) -> None:
        self._merge(f"origin/{self.oracle.target}")

    @rule(edit=EDITS)
    def merge_somebody_elses_branch(self, edit: tuple[str, int, int]) -> None:
        self._write("other", "origin/main", edit, "kim")
        if self._merge("origin/other"):
            self.oracle.contributors.add("kim")

    @rule(needed=st.integers(1, 2), frozen=st.sampled_from([False, False, True]))
    def change_policy(self, needed: int, *, frozen: bool) -> None:
        text = policy(needed, self.dispatched, frozen=frozen)
        self._commit(self.oracle.target, {".gitops/portal.yaml": text}, "eva")

    @rule(owners=OWNERS)
    def change_owners(self, owners: str) -> None:
        self._commit(self.oracle.target, {"CODEOWNERS": owners}, "eva")

    @rule(owners=OWNERS, place=st.sampled_from(PLACES))
    def change_owners_inside_the_change(self, owners: str, place: str) -> None:
        """Who owns what says the target branch: the change that names other owners is not judged by them."""
        if self.oracle.has_source:
            self._commit("topic", {place: owners}, "alice")

    @rule(owner=PEOPLE, other=PEOPLE)
    def the_change_names_who_approves_it_as_owner(self, owner: str, other: str) -> None:
        """In the file that would count before that of the target branch, if what the change says counted."""
        self.force_push(("a.yaml", 5, 2))
        self.change_owners(f"* @{owner}\n")
        self.change_owners_inside_the_change(f"* @{other}\n", PLACES[0])
        self.approve(other)

    # --- what people do in the portal -------------------------------------------------------

    @rule(who=PEOPLE)
    def approve(self, who: str) -> None:
        change = self._fresh()
        try:
            reviews.submit_review(
                getattr(self.people, who), change=change, revision=change.revision.number, verdict="approve"
            )
        except PortalError as refused:
            seen[f"approval refused: {refused.code}"] += 1
            return
        assert who in self.oracle.reviewers - self.oracle.contributors
        self.oracle.approve(who)
        seen["approved"] += 1

    @rule()
    def everybody_approves(self) -> None:
        for who in REVIEWERS:
            self.approve(who)

    @rule()
    def everybody_approves_and_the_target_moves(self) -> None:
        """What a rebase or a merge beside it does to approvals is what carrying over is about."""
        self.everybody_approves()
        self.move_target(("b.yaml", 9, 3))

    @rule(who=PEOPLE)
    def withdraw_approval(self, who: str) -> None:
        rows = Review.objects.filter(change=self.change, reviewer__username=who, withdrawn_at=None, verdict="approve")
        row = rows.order_by("pk").last()
        mine = [one for one in self.oracle.approvals if one.who == who and not one.withdrawn]
        if row is None or not mine:
            return
        try:
            reviews.withdraw_review(getattr(self.people, who), change=self._fresh(), review=row.pk)
        except PortalError:
            return
        for one in mine:  # only the last verdict of a person ever counts
            one.withdrawn = True

    @rule(who=PEOPLE, may=st.booleans())
    def give_or_take_a_role(self, who: str, *, may: bool) -> None:
        role = ("deployer" if who == "carol" else "reviewer") if may else "viewer"
        set_member(self.people.erin, repository=self.delivery.repository, member=who, role=role)
        (self.oracle.reviewers.add if may and who != "carol" else self.oracle.reviewers.discard)(who)
        if may and who == "carol":
            self.oracle.reviewers.add(who)

    @rule()
    def retarget(self) -> None:
        other = "release" if self.oracle.target == "main" else "main"
        try:
            changes.retarget(self.people.alice, change=self._fresh(), target_branch=other)
        except PortalError:
            return
        self.oracle.target = other

    @rule()
    def withdraw_and_reopen(self) -> None:
        change = self._fresh()
        if self.oracle.has_source and change.status == "in_review":
            changes.withdraw(self.people.alice, change=change)
            try:
                changes.reopen(self.people.alice, change=change)
                changes.mark_ready(self.people.alice, change=change)
            except PortalError:
                self.oracle.status = "withdrawn"
            self.oracle.life += 1

    @rule()
    def look_twice(self) -> None:
        """A notice is delivered again, and every job runs once more."""
        self._look()
        self._look()

    @rule()
    def merge(self) -> None:
        expected = self.oracle.allows()
        try:
            with transaction.atomic():
                deployments.merge_change(self.people.alice, change=self._fresh())
                assert expected, "merged, and the oracle does not allow it"
                seen["could be merged"] += 1
                raise _Undo
        except (PortalError, _Undo):
            pass

    @rule()
    def back_up(self) -> None:
        self.backup = (transaction.savepoint(), self.oracle.copy())

    @rule()
    def restore_the_backup(self) -> None:
        """The database is an older one; Git, the mirror and what this process remembers went on."""
        if self.backup is not None:
            self._restore(*self.backup)
            seen["restored"] += 1

    @rule()
    def everybody_approves_and_the_backup_is_restored(self) -> None:
        """What was approved after the backup was approved by nobody."""
        self.back_up()
        self.everybody_approves()
        self.restore_the_backup()

    @rule(moment=st.sampled_from(MOMENTS))
    def merge_deploy_and_restore(self, moment: str) -> None:
        """Merged and deployed; then the database is that of ``moment``, and later that from before, and goes on from there."""
        self.everybody_approves()
        if not self.oracle.allows():
            self.force_push(("a.yaml", 1, 4))
            self.everybody_approves()
        before, known = transaction.savepoint(), self.oracle.copy()
        copies = {MOMENTS[0]: before}
        expected = self.oracle.allows()
        try:
            deployments.merge_change(self.people.alice, change=self._fresh())
        except PortalError:
            return
        assert expected, "merged, and the oracle does not allow it"
        copies[MOMENTS[1]] = transaction.savepoint()
        run_jobs("deployments.carry_out_merges")
        copies[MOMENTS[2]] = transaction.savepoint()
        run_until_idle()
        copies[MOMENTS[3]] = transaction.savepoint()
        for copy in dict.fromkeys((copies[moment], before)):
            self._restore(copy, known)
            with suppress(PortalError):
                deployments.merge_change(self.people.alice, change=self._fresh())
            run_until_idle()
            self.work.run("fetch", "-q", "--prune", "origin")
            assert not self.oracle.repeated(self.dispatched), "merged or deployed twice"
        self._restore(before, known)
        seen[f"merged, then restored to {moment}"] += 1

    @invariant()
    def nothing_more_is_allowed_than_the_oracle_allows(self) -> None:
        if getattr(self, "change", None) is None:
            return
        allowed, expected = verdict_of(self._fresh()).allowed, self.oracle.allows()
        assert not allowed or expected, "allowed, and the oracle does not allow it"
        seen["allowed by both" if allowed else "needless" if expected else "held by both"] += 1

    # --- tools ------------------------------------------------------------------------------

    def _fresh(self) -> Any:
        assert self.change is not None
        return ChangeRequest.objects.select_related("repository", "revision").get(pk=self.change.pk)

    def _write(self, branch: str, at: str, edit: tuple[str, int, int], author: str) -> None:
        name, line, value = edit
        self.work.run("fetch", "-q", "--prune", "origin")
        self.work.run("checkout", "-q", "-B", "scratch", at)
        lines = (self.work.path / name).read_text().splitlines()
        lines[line] = f"k{line}: {value}"
        who = f"{author.title()} <{author}@example.org>"
        self.work.commit(
            f"Edit {next(self.texts)}" if self.change else "Edit", files={name: "\n".join(lines) + "\n"}, author=who
        )
        self.work.push(f"HEAD:refs/heads/{branch}", force=True)

    def _commit(self, branch: str, files: dict[str, str], author: str) -> None:
        self.work.run("fetch", "-q", "--prune", "origin")
        self.work.run("checkout", "-q", "-B", "scratch", f"origin/{branch}")
        if all(
            (self.work.path / name).exists() and (self.work.path / name).read_text() == files[name] for name in files
        ):
            return
        self.work.commit(f"Rules {next(self.texts)}", files=files, author=f"{author.title()} <{author}@example.org>")
        self.work.push(f"HEAD:refs/heads/{branch}")
        self._look()

    def _restore(self, copy: Any, known: Oracle) -> None:
        transaction.savepoint_rollback(copy)
        self._look()
        self.oracle.restore(known)

    def _merge(self, other: str) -> bool:
        if not self.oracle.has_source:
            return False
        self.work.run("fetch", "-q", "--prune", "origin")
        self.work.run("checkout", "-q", "-B", "scratch", "origin/topic")
        try:
            self.work.merge(other, author="Alice <alice@example.org>")
        except AssertionError:  # a conflict
            self.work.run("merge", "--abort")
            return False
        self.work.push("HEAD:refs/heads/topic")
        self._look()
        return True

    def _look(self) -> None:
        self.work.run("fetch", "-q", "--prune", "origin")
        assert synchronise(self.delivery.repository.pk)
        run_jobs("changes.take_ref_updates", "changes.follow_branches")


class _Undo(Exception):
    """The merge was possible; the change stays what it is."""


def play(
    tmp_path: Path,
    says: Callable[[str], None],
    *,
    runs: int,
    steps: int,
    derandomize: bool,
    phases: tuple[Phase, ...] = (Phase.generate, Phase.shrink),
) -> None:
    numbers = itertools.count()
    Machine.folders = staticmethod(lambda: str(tmp_path / str(next(numbers))))
    seen.clear()
    chosen = settings(
        max_examples=runs, stateful_step_count=steps, deadline=None, derandomize=derandomize, database=None,
        suppress_health_check=list(HealthCheck), print_blob=True, phases=phases,
    )  # fmt: skip
    run_state_machine_as_test(Machine, settings=chosen)  # type: ignore[no-untyped-call]
    held = seen["allowed by both"] + seen["needless"]
    says(f"{dict(seen)}; needless re-approvals: {seen['needless']} of {held} moments in which the oracle allows")
    assert seen["allowed by both"]
    assert seen["held by both"]
    assert seen["restored"]
    assert any(seen[f"merged, then restored to {moment}"] for moment in MOMENTS)


def test_no_order_of_acts_allows_more_than_the_oracle(tmp_path: Path, says: Callable[[str], None]) -> None:
    play(tmp_path, says, runs=7, steps=16, derandomize=True)


@pytest.mark.soak
def test_an_approval_that_carries_over_whatever_happened_is_seen(
    tmp_path: Path, says: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.reviews.facts._is_carried", lambda row, revision: row.verdict == "approve")
    with pytest.raises(AssertionError, match="oracle does not allow"):
        play(tmp_path, says, runs=10, steps=16, derandomize=True, phases=(Phase.generate,))


@pytest.mark.soak
def test_no_order_of_acts_allows_more_in_many_runs(tmp_path: Path, says: Callable[[str], None]) -> None:
    play(tmp_path, says, runs=2_000, steps=40, derandomize=False)
