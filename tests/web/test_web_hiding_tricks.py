"""Tricks that hide a change from who reviews it, tried on the real page: the reviewer sees it, or cannot approve.

Numbers are those of the threat list (attack cases 6 to 16) and of the attack cases C1 to C11.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.test import Client

from apps.changes import services as changes
from tests.support.git import GitRepo
from tests.support.repositories import pushed
from tests.web.conftest import FILES, World, settle

AS = Callable[[str], Client]
ALICE = "Alice <alice@example.org>"
PEOPLE = {
    "GIT_AUTHOR_NAME": "Alice", "GIT_AUTHOR_EMAIL": "alice@example.org",
    "GIT_COMMITTER_NAME": "Alice", "GIT_COMMITTER_EMAIL": "alice@example.org",
}  # fmt: skip


class Stage:
    """A branch of alice's in the world's repository, and the page on which bob reviews it."""

    def __init__(self, world: World, bob: Client) -> None:
        self.world, self.bob, self.work = world, bob, world.work
        self.work.run("checkout", "-q", "--no-track", "-b", "trick", "main")

    def commit(self, files: dict[str, str | bytes]) -> str:
        return self.work.commit("trick", files=files, author=ALICE)

    def url(self, tail: str = "diff/") -> str:
        return self.world.url("trick", tail)

    def propose(self) -> str:
        """Push, ask for review, and give bob's page as it stands."""
        self.work.push("HEAD:refs/heads/trick", force=True)
        pushed(self.world.repository, self.work)
        made = changes.create_change(
            self.world.people.alice, repository=self.world.repository, title="Trick", source_branch="trick",
            target_branch="main",
        )  # fmt: skip
        self.world.numbers["trick"] = made.number
        settle()
        return self.page()

    def page(self, query: str = "") -> str:
        return self.bob.get(self.url() + query).content.decode()

    def text(self, query: str = "") -> str:
        return words(self.page(query))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", "", html))


def rows(html: str) -> list[str]:
    """The texts of added and removed rows, signs as words."""
    found = re.findall(r'<tr class="[ad]".*?(?=<tr|</tbody)', html, re.DOTALL)
    return [re.sub("<[^>]*>", "", row.split("<td>")[-1]) for row in found]


@pytest.fixture
def stage(world: World, as_: AS) -> Stage:
    return Stage(world, as_("bob"))


def crossed(work: GitRepo) -> None:
    """main and trick have each merged the other's first commit: two merge bases."""
    first = work.commit("ours", files={"ours.txt": "1\n", "auth.yaml": "auth: on\n"}, author=ALICE)
    work.run("checkout", "-q", "main")
    main = work.commit("theirs", files={"theirs.txt": "1\n", "auth.yaml": "auth: on\n"})
    work.run("merge", "-q", "--no-edit", "-m", "take ours", first, env=PEOPLE)
    work.push("HEAD:refs/heads/main", force=True)
    work.run("checkout", "-q", "trick")
    work.run("merge", "-q", "--no-edit", "-m", "take theirs", main, env=PEOPLE)


def test_case_6_a_criss_cross_history_shows_what_the_merge_does(stage: Stage) -> None:
    crossed(stage.work)
    stage.commit({"auth.yaml": "auth: off\n"})
    html = stage.propose()
    revision = stage.world.change("trick").revision
    assert revision is not None
    assert len(revision.merge_bases) > 1
    assert "removed auth: on" in rows(html)
    assert "added auth: off" in rows(html)


def test_case_7_what_only_the_merge_commit_has_is_shown(stage: Stage) -> None:
    stage.commit({"feature.txt": "1\n"})
    stage.work.run("checkout", "-q", "main")
    stage.work.commit("main moves", files={"other.txt": "1\n"})
    stage.work.push("HEAD:refs/heads/main", force=True)
    stage.work.run("checkout", "-q", "trick")
    stage.work.run("merge", "-q", "--no-commit", "main", env=PEOPLE)
    stage.commit({"evil.txt": "only in the merge\n"})
    html = stage.propose()
    assert "added only in the merge" in rows(html)
    assert "other.txt" not in words(html.split('id="diff-columns"')[1])


@pytest.mark.parametrize("rule", ["-diff", "binary", "linguist-generated", "diff=nothing", "-text -diff"])
def test_case_8_and_c7_attributes_of_the_content_hide_and_close_nothing(stage: Stage, rule: str) -> None:
    stage.commit(
        {".gitattributes": f"*.yaml {rule}\n* {rule}\n", "app/evil.yaml": "# DO NOT EDIT, generated\nevil: 1\n"}
    )
    html = stage.propose()
    assert "added evil: 1" in rows(html)
    assert ".gitattributes" in words(html)
    assert "Not displayed" not in words(html)


def test_case_9_a_merge_driver_of_the_content_resolves_no_conflict(stage: Stage) -> None:
    stage.work.run("checkout", "-q", "main")
    stage.work.commit("attributes", files={".gitattributes": "* merge=union\n", "list.txt": "one\n"})
    stage.work.push("HEAD:refs/heads/main", force=True)
    stage.work.run("checkout", "-q", "-B", "trick", "main")
    stage.commit({"list.txt": "mine\n"})
    stage.work.run("checkout", "-q", "main")
    stage.work.commit("main moves", files={"list.txt": "theirs\n"})
    stage.work.push("HEAD:refs/heads/main", force=True)
    stage.work.run("checkout", "-q", "trick")
    assert "conflicts with main" in words(stage.propose())


def test_case_10_and_c4_a_hidden_submodule_is_shown_with_both_commits(stage: Stage) -> None:
    first, second = "1" * 40, "2" * 40
    stage.commit({".gitmodules": '[submodule "lib"]\n\tpath = lib\n\turl = https://example.org/x\n\tignore = all\n'})
    stage.work.run("update-index", "--add", "--cacheinfo", f"160000,{first},lib")
    stage.work.run("commit", "-q", "-m", "lib", env=PEOPLE)
    stage.work.run("branch", "-f", "main", "HEAD")
    stage.work.push("main:refs/heads/main", force=True)
    stage.work.run("update-index", "--cacheinfo", f"160000,{second},lib")
    stage.work.run("commit", "-q", "-m", "bump", env=PEOPLE)
    assert f"submodule {first[:12]} → {second[:12]}" in words(stage.propose())


def test_case_11_and_c9_replaced_objects_show_what_is_really_there(stage: Stage) -> None:
    evil = stage.commit({"app/x.yaml": "evil: true\n"})
    stage.work.run("checkout", "-q", "-B", "nice", "main")
    nice = stage.work.commit("nice", files={"app/x.yaml": "good: true\n"})
    stage.work.run("checkout", "-q", "trick")
    stage.work.run("replace", evil, nice)
    stage.work.run("push", "-q", "origin", "refs/replace/*:refs/replace/*")
    html = stage.propose()
    assert "added evil: true" in rows(html)
    assert "good" not in words(html.split('id="diff-columns"')[1])


def test_case_12_and_c4_a_symbolic_link_names_its_target_and_a_changed_kind_is_said(stage: Stage) -> None:
    for name in ("link", "README.md"):
        stage.work.path.joinpath(name).unlink(missing_ok=True)
        stage.work.path.joinpath(name).symlink_to("/etc/passwd")
    stage.commit({})
    text = words(stage.propose())
    assert "symlink → /etc/passwd, new" in text
    assert "644 became symlink" in text


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("a: x\u202ey", "[U+202E]"), ("a: x\u2066y", "[U+2066]"), ("a\u200b: 1", "[U+200B]"),
        ("a: \U000e0041", "[U+E0041]"), ("host: p\u0430ypal.com", "p[\u0430 U+0430]ypal.com"),
        ("image: reg\u0131stry/web", "reg[\u0131 U+0131]stry"), ("ke\uff59: 1", "ke[\uff59 U+FF59]"),
        ("m\u03bfde: 1", "m[\u03bf U+03BF]de"),
    ],
)  # fmt: skip
def test_case_14_and_c8_hidden_and_confusable_characters_are_shown_counted_and_named(
    stage: Stage, line: str, shown: str
) -> None:
    stage.commit({"app/x.yaml": f"{line}\n"})
    text = words(stage.propose())
    assert shown in text
    assert "hidden character is shown" in text or "look" in text
    assert line not in text


def test_case_14_and_c8_a_look_alike_name_of_a_file_is_shown_in_the_list_and_the_heading(stage: Stage) -> None:
    stage.commit({"\u0430pp/values.yaml": "a: 1\n", "app/x\u202e.yaml": "a: 1\n"})
    html = stage.propose()
    listed, headings = html.split('id="diff-files"')[1].split("</nav>")[0], re.findall("<h3.*?</h3>", html)
    assert "[\u0430 U+0430]pp 1" in words(listed), "a folder of the tree, with the number of its files"
    assert any("[\u0430 U+0430]pp/values.yaml" in words(one) for one in headings)
    assert any("x[U+202E].yaml" in words(one) for one in headings)


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a: 1\n", "a: 1\r\n", "[CR]"), ("a: 1\n", "a:\u00a01\n", "[U+00A0]"), ("a: 1\n", "a: 1  \n", "added a: 1"),
        ("a:\n  b: 1\n", "a:\n b: 1\n", "added  b: 1"), ("a: 1\n", "a: 1", "No newline at end of file"),
    ],
)  # fmt: skip
def test_case_15_a_change_of_white_space_alone_is_a_change_that_is_shown(
    stage: Stage, before: str, after: str, shown: str
) -> None:
    stage.work.run("checkout", "-q", "main")
    stage.work.commit("before", files={"space.yaml": before})
    stage.work.push("HEAD:refs/heads/main", force=True)
    stage.work.run("checkout", "-q", "-B", "trick", "main")
    stage.commit({"space.yaml": after})
    html = stage.propose()
    assert any(shown in row for row in rows(html)) or shown in words(html)
    assert 'id="review-form"' in html
    hidden = stage.page("?w=1")
    assert "you cannot approve in this view" in words(hidden)
    assert 'id="review-form"' not in hidden


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("big.yaml", "".join(f"k{n}: 1\n" for n in range(3_000)) + "evil: 1\n", "3,001 changed lines"),
        ("app.min.js", "x" * 900_000 + ";evil()\n", "bytes of difference"),
        ("vendor/a.go", "a\n" * 300 + "evil\n", "Vendored: 301 changed lines"),
        ("go.sum", "a\n" * 300 + "evil\n", "Lock file: 301 changed lines"),
    ],
)
def test_case_16_and_c7_what_is_closed_is_named_in_the_review_form_and_can_be_read_to_its_end(
    stage: Stage, name: str, content: str, reason: str
) -> None:
    stage.commit({name: content})
    html = stage.propose()
    form = html.split('id="review-form"')[1].split("</form>")[0]
    counted = re.search(r'href="([^"]+/_diff/undisplayed/[^"]*)"', form)
    if counted is not None:  # large: named by what is counted after the page
        form = stage.bob.get(counted[1].replace("&amp;", "&")).content.decode()
        assert "Not displayed by itself" in words(form)
    form = words(form)
    assert name in form
    assert reason in form
    section = re.search(r'<section class="df" id="f-([0-9a-f]+)" data-file="[0-9a-f]+" data-state="closed"', html)
    assert section is not None
    start, seen = 0, ""
    piece = "&long=19" if name.endswith(".js") else ""
    while start is not None and "evil" not in seen:
        seen = stage.page(f"?file={section[1]}&start={start}{piece}")
        more = re.search(r'data-next="(\d+)"', seen)
        start = int(more[1]) if more else None
    assert "evil" in words(seen)


def test_c1_a_rename_shows_both_names(stage: Stage) -> None:
    stage.work.run("mv", "app/values.yaml", "elsewhere.yaml")
    stage.commit({})
    assert "renamed app/values.yaml → elsewhere.yaml" in words(stage.propose())


def test_c4_odd_names_modes_and_pointers_are_shown(stage: Stage) -> None:
    names = ["new\nline.yaml", "tab\there.yaml", 'quo"te.yaml', "cafe\u0301.yaml"]
    stage.commit(
        {**dict.fromkeys(names, "a: 1\n"), "lfs.bin": "version https://git-lfs.github.com/spec/v1\noid sha256:00\n"}
    )
    stage.work.run("update-index", "--chmod=+x", "README.md")
    stage.work.run("commit", "-q", "-m", "mode", env=PEOPLE)
    text = words(stage.propose())
    for shown in (
        "new[U+000A]line.yaml",
        "tab[U+0009]here.yaml",
        "quo&quot;te.yaml",
        "the name has combining characters",
    ):
        assert shown in text or shown.replace("&quot;", '"') in text, shown
    assert "mode 644 → 755" in text
    assert "added version https://git-lfs.github.com/spec/v1" in text


def test_c6_content_that_comes_after_an_empty_change_is_another_revision(stage: Stage) -> None:
    stage.work.commit("nothing", author=ALICE)
    assert "No textual difference" in words(stage.propose())
    stage.commit({"app/x.yaml": "evil: 1\n"})
    stage.work.push("HEAD:refs/heads/trick", force=True)
    pushed(stage.world.repository, stage.work)
    settle()
    html = stage.page()
    assert "added evil: 1" in rows(html)
    assert 'name="revision" value="2"' in html


def test_c10_a_key_that_stands_twice_is_named_and_documents_and_anchors_are_shown_as_text(stage: Stage) -> None:
    stage.commit({
        "app/x.yaml": "kind: Role\nspec:\n  replicas: 1\n  image: a\n  replicas: 9\n---\nbase: &b {x: 1}\nuse: {<<: *b}\n",
        "app/values.yaml": FILES["app/values.yaml"] + "key3: 9\n",
    })  # fmt: skip
    html = stage.propose()
    assert "added use: {&lt;&lt;: *b}" in rows(html)
    asked = re.search(r'hx-get="(/changes/\d+/_diff/moves/[^"]+)"', html)
    assert asked is not None
    found = words(stage.bob.get(asked[1].replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode())
    assert "2 keys stand twice in one mapping" in found
    assert "app/x.yaml: Key “replicas” stands twice in one mapping (lines 3 and 5)" in found
    assert "app/values.yaml: Key “key3” stands twice in one mapping (lines 4 and 41)" in found
