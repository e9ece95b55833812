"""What is learnt about who knows which place: from Git in pieces, and from what landed here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.accounts.addresses import add_verified_address
from apps.core.clock import now
from apps.repositories.services import synchronise
from apps.reviews import jobs, learning
from apps.reviews.expertise import HALF_LIFE, MOST, NOTHING, chain, compared, folder_of, touched, weight_of, worth
from apps.reviews.knowing import knowledge_of
from apps.reviews.models import Expertise, FolderHistory, HistoryReading
from tests.support.delivery import Delivery, pipeline, run_jobs
from tests.support.repositories import pushed

BOB, KIM = "Bob <bob@example.org>", "Kim <kim@example.org>"


@given(st.text(max_size=900))
def test_any_path_has_a_folder_that_can_be_stored(path: str) -> None:
    folder = folder_of(path)
    assert len(folder) <= 400
    assert chain(folder)[-1] == ""


def test_an_act_counts_for_its_folder_and_all_above_once_per_path() -> None:
    assert touched(["a/b/x.yaml", "a/b/y.yaml", "z.yaml"]) == {"a/b": 2, "a": 2, "": 3}


def test_an_act_is_worth_half_after_its_half_life_and_lies_about_the_future_do_not_pay() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    weight = weight_of(moment, latest=moment)
    assert worth(weight, moment) == pytest.approx(1.0)
    assert worth(weight, moment + HALF_LIFE) == pytest.approx(0.5)
    assert weight_of(moment + timedelta(days=9999), latest=moment) == weight


def test_knowledge_is_compared_in_wide_steps() -> None:
    assert compared({"ann": 8.0, "ben": 5.0, "cid": 0.0}) == {"ann": MOST, "ben": MOST, "cid": NOTHING}
    assert set(compared({"ann": 0.0}).values()) == {NOTHING}


@pytest.fixture
def delivery(tmp_path: Path, db: None) -> Delivery:
    return Delivery.start(tmp_path, pipeline(), {"net/lb.yaml": "port: 80\n"})


def commit(delivery: Delivery, message: str, files: dict[str, str], author: str) -> None:
    delivery.work.checkout("main")
    delivery.work.commit(message, files=files, author=author)
    pushed(delivery.repository, delivery.work, "main:refs/heads/main")


def learn(delivery: Delivery) -> int:
    """Read until nothing is left; how many pieces that took."""
    pieces = 1
    while learning.read_history(delivery.repository):
        pieces += 1
    return pieces


def sums(delivery: Delivery) -> dict[tuple[str, str], tuple[float, int, int]]:
    rows = Expertise.objects.filter(repository=delivery.repository, source="committed")
    return {(row.who, row.folder): (pytest.approx(row.weight), row.acts, row.files) for row in rows}


def test_learning_in_pieces_and_step_by_step_equals_learning_from_scratch(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "PIECE", 2)
    for number in range(5):
        commit(delivery, f"c{number}", {f"net/{number}.yaml": "a: 1\n"}, BOB if number % 2 else KIM)
    assert learn(delivery) == 4, "six commits in pieces of two, and one look that finds nothing more"
    commit(delivery, "later\n\nCo-authored-by: Kim <KIM@example.org>", {"app/x.yaml": "a: 1\n"}, BOB)
    learn(delivery)
    in_steps = sums(delivery)
    Expertise.objects.all().delete()
    HistoryReading.objects.all().delete()
    monkeypatch.setattr(learning, "PIECE", 1_000)
    assert learn(delivery) == 1
    assert sums(delivery) == in_steps
    assert in_steps["mail:kim@example.org", "app"][1] == 1, "a co-author counts, whatever the case of the address"


def test_learning_twice_counts_nothing_twice(delivery: Delivery) -> None:
    learn(delivery)
    before = sums(delivery)
    learn(delivery)
    jobs.learn_history(delivery.repository.pk)
    assert sums(delivery) == before
    assert list(jobs.histories_due(10)) == []


def test_a_second_worker_on_the_same_piece_adds_nothing(delivery: Delivery) -> None:
    seen, _ = HistoryReading.objects.get_or_create(repository=delivery.repository)
    stale = HistoryReading.objects.get(pk=seen.pk)
    learn(delivery)
    before = sums(delivery)
    start = HistoryReading(repository=delivery.repository, reading_oid=delivery.work.rev_parse("main"))
    again = {("mail:bob@example.org", "net", "committed"): learning.Sum(1.0, 1, 1)}
    learning._keep(delivery.repository, stale, start, again, count=1, ended=True)
    assert sums(delivery) == before


def test_a_rewritten_branch_is_learnt_anew(delivery: Delivery) -> None:
    commit(delivery, "gone soon", {"net/gone.yaml": "a: 1\n"}, BOB)
    learn(delivery)
    assert ("mail:bob@example.org", "net") in sums(delivery)
    delivery.work.run("reset", "-q", "--hard", "HEAD~1")
    delivery.work.commit("instead", files={"net/new.yaml": "a: 1\n"}, author=KIM)
    pushed(delivery.repository, delivery.work, "main:refs/heads/main", force=True)
    assert list(jobs.histories_due(10)) == [delivery.repository.pk]
    learn(delivery)
    assert ("mail:bob@example.org", "net") not in sums(delivery)
    assert ("mail:kim@example.org", "net") in sums(delivery)


def test_a_huge_commit_says_nothing_about_what_its_author_knows(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning, "BULK_PATHS", 3)
    commit(delivery, "import", {f"vendor/{number}.yaml": "a: 1\n" for number in range(5)}, BOB)
    learn(delivery)
    assert "mail:bob@example.org" not in {who for who, _ in sums(delivery)}


def test_hostile_names_and_paths_are_learnt_as_text_and_break_nothing(delivery: Delivery) -> None:
    evil = "<script>alert(1)</script> \u202e"
    names = {"net/line\nbreak.yaml": "a", "net/\x01odd.yaml": "b", 'net/"quoted".yaml': "c", "weiß/ü.yaml": "d"}
    delivery.work.checkout("main")
    delivery.work.write(b"raw-\xff/x.yaml", "e")
    delivery.work.commit("odd", files=names, author=f"{evil.replace('<', '').replace('>', '')} <Bob@Example.ORG>")
    pushed(delivery.repository, delivery.work, "main:refs/heads/main")
    learn(delivery)
    found = {folder: row for (who, folder), row in sums(delivery).items() if who == "mail:bob@example.org"}
    assert found["net"][2] == 3
    assert {"weiß", "raw-\\xff", ""} <= set(found)


def test_an_address_counts_for_whoever_has_it_verified_also_when_that_comes_later(delivery: Delivery) -> None:
    commit(delivery, "from home", {"net/lb.yaml": "port: 81\n"}, "B. <bob@home.example>")
    learn(delivery)
    change = delivery.proposed("one", {"net/lb.yaml": "port: 82\n"})
    bob = delivery.people.bob
    assert knowledge_of(change, {bob.pk}, now())[bob.pk].files == 0
    assert add_verified_address(bob, "bob@home.example")
    known = knowledge_of(change, {bob.pk, delivery.people.kim.pk}, now())
    assert (known[bob.pk].files, known[bob.pk].knows, known[delivery.people.kim.pk].knows) == (1, MOST, NOTHING)


def test_what_landed_here_counts_for_contributors_and_reviewers_once(delivery: Delivery) -> None:
    delivery.merged("one", {"net/lb.yaml": "port: 81\n"})
    for _ in range(2):
        run_jobs("reviews.learn_from_landed")
    bob, alice = delivery.people.bob, delivery.people.alice
    rows = Expertise.objects.filter(folder="net").exclude(source="committed")
    assert {(row.who, row.source, row.acts) for row in rows} == {
        (f"user:{bob.pk}", "reviewed", 1),
        (f"user:{alice.pk}", "landed", 1),
    }
    assert len(FolderHistory.objects.get(folder="net").recent) == 1
    synchronise(delivery.repository.pk)
    change = delivery.proposed("two", {"net/lb.yaml": "port: 82\n"})
    known = knowledge_of(change, {bob.pk}, now())[bob.pk]
    assert (known.reviewed, known.landed) == (1, 1)
