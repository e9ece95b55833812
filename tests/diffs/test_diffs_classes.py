"""The same change in many files: classes, outliers, own names of a path, and nothing left out."""

from __future__ import annotations

from apps.diffs.classes import classes_of
from tests.diffs.test_diffs_find import HEAD, change


def patch(name: str, *, at: int = 1, extra: str = "") -> bytes:
    added = f"+replicas: 6\n+host: {name}.example.org\n{extra}"
    count = 2 + bool(extra)
    return HEAD + f"@@ -{at},2 +{at},{count + 1} @@\n where: {at}\n-replicas: 2\n{added}".encode()


def regions(count: int) -> list:
    return [
        (change(f"clusters/region{n}/values.yaml", old_oid=f"{n:040x}"), patch(f"region{n}", at=n + 1))
        for n in range(count)
    ]


def test_acceptance_31_equal_changes_are_grouped_and_an_extra_line_makes_an_outlier():
    files = regions(100)
    for n in (3, 50, 99):
        files[n] = (files[n][0], patch(f"region{n}", at=n + 1, extra="+debug: true\n"))
    files[50] = (files[50][0], patch("region50", at=51, extra="+debug: false\n"))
    files[99] = (files[99][0], patch("another"))
    found = classes_of(files)
    assert [len(one.files) for one in found.classes] == [97]
    assert [one.path for one in found.outliers] == [f"clusters/region{n}/values.yaml" for n in (3, 50, 99)]
    assert (found.alike, found.compared, found.has_rule) == (97, 100, True)


def test_a_word_of_another_path_is_a_difference():
    files = regions(5)
    files[2] = (files[2][0], patch("region4"))
    assert [one.path for one in classes_of(files).outliers] == ["clusters/region2/values.yaml"]


def test_where_most_files_differ_there_is_no_rule_to_be_an_outlier_of():
    files = regions(9)
    files[3:] = [(file, patch("another", extra=f"+own: {n}\n")) for n, (file, _) in enumerate(files[3:])]
    found = classes_of(files)
    assert (found.alike, len(found.outliers), found.has_rule) == (3, 6, False)
    assert not classes_of(regions(4)).has_rule


def test_a_name_counts_as_a_whole_word_only():
    files = [(change(f"d/app{n}/x.yaml"), patch(f"app{n}tail")) for n in range(4)]
    assert classes_of(files).classes == ()


def test_status_mode_and_the_end_of_the_file_count():
    files = regions(6)
    files[0] = (change("clusters/region0/values.yaml", new_mode="100755"), files[0][1])
    files[1] = (change("clusters/region1/values.yaml", status="A", old_mode="000000"), files[1][1])
    files[2] = (files[2][0], files[2][1] + b"\\ No newline at end of file\n")
    assert [len(one.files) for one in classes_of(files).classes] == [3]
    assert len(classes_of(files).outliers) == 3


def test_removed_lines_are_not_taken_for_added_ones():
    minus = HEAD + b"@@ -1,2 +1 @@\n a\n-b\n"
    plus = HEAD + b"@@ -1 +1,2 @@\n a\n+b\n"
    files = [*((change(f"m{n}"), minus) for n in range(3)), *((change(f"p{n}"), plus) for n in range(4))]
    found = classes_of(files)
    assert [(len(one.files), one.added, one.removed) for one in found.classes] == [(4, 1, 0), (3, 0, 1)]


def test_equal_binary_contents_are_alike_and_others_are_not():
    text = b"diff --git a/x b/x\nBinary files a/x and b/x differ\n"
    same = [(change(f"a{n}.png"), text) for n in range(3)]
    other = (change("b.png", new_oid="c" * 40), text)
    found = classes_of([*same, other])
    assert [len(one.files) for one in found.classes] == [3]
    assert found.outliers == (other[0],)


def test_what_cannot_be_read_is_an_outlier_and_never_a_class():
    broken = HEAD + b"@@ -1,9 +1,9 @@\n a\n"
    files = [(change(f"x{n}"), broken) for n in range(5)]
    found = classes_of(files)
    assert found.classes == ()
    assert len(found.outliers) == found.compared == 5
