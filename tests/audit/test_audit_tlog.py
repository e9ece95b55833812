"""The published log's formats against the published examples of others, and against the plain definition."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.audit.checkpoints import BadNote, Checkpoint, Signer, open_note
from apps.audit.tlog import BadTiles, Tree, entries_in, leaf_hash, tile_path, unfinished_tiles

LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [  # those of the reference implementation of RFC 6962 for the first one, two … of the leaves above
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def plain_root(entries: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word by word."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\x01" + plain_root(entries[:k]) + plain_root(entries[k:])).digest()


def grown(entries: list[bytes]) -> Tree:
    tree = Tree()
    for entry in entries:
        tree.append(entry)
    return tree


def test_roots_are_those_of_the_reference_implementation():
    tree = Tree()
    assert tree.root() == hashlib.sha256().digest()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.append(bytes.fromhex(leaf))
        assert tree.root().hex() == root


@pytest.mark.parametrize("size", [1, 255, 256, 257, 511, 512, 600, 65_535, 65_536, 65_537, 66_000])
def test_tiles_of_every_shape_give_the_plain_root_and_can_be_gone_on_from(size):
    entries = [b"%d" % number for number in range(size)]
    tree = grown(entries)
    assert tree.root() == plain_root(entries)
    files = tree.files()
    again = Tree.read(size, files.__getitem__)
    assert again.root() == tree.root()
    for more in (b"more", b"and more"):
        assert again.append(more) == tree.append(more) == leaf_hash(more)
        entries.append(more)
    assert again.root() == tree.root() == plain_root(entries)
    kept = files | again.files()
    bundles = [kept[tile_path("entries", index)] for index in range(len(entries) // 256)]
    bundles += [kept[path] for level, path in unfinished_tiles(len(entries)) if level == "entries"]
    assert [entry for bundle in bundles for entry in entries_in(bundle)] == entries


@given(st.lists(st.binary(max_size=40), max_size=700), st.integers(0, 700))
def test_stopping_anywhere_changes_nothing(entries, stop):
    first = grown(entries[:stop])
    later = Tree.read(first.size, first.files().__getitem__)
    for entry in entries[stop:]:
        later.append(entry)
    assert later.root() == plain_root(entries)


def test_paths_are_those_of_the_format():
    assert tile_path(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_path("entries", 5, 17) == "tile/entries/005.p/17"
    assert dict(unfinished_tiles(70_000)) == {
        "entries": "tile/entries/273.p/112", 0: "tile/0/273.p/112", 1: "tile/1/001.p/17", 2: "tile/2/000.p/1",
    }  # fmt: skip
    assert list(unfinished_tiles(0)) == []


def test_what_is_no_tile_is_refused():
    with pytest.raises(BadTiles):
        Tree.read(3, lambda path: b"x")
    with pytest.raises(BadTiles):
        list(entries_in(b"\x00\x05abc"))
    with pytest.raises(BadTiles):
        list(entries_in(b"\x00"))
    with pytest.raises(ValueError, match="does not fit"):
        Tree().append(b"x" * 65_536)


PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAID = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
SIGNATURE = "\N{EM DASH} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="


def test_the_signature_of_somebody_elses_note_holds_and_holds_for_nothing_else():
    """The example of the format's reference implementation; it is a note, and no checkpoint."""
    with pytest.raises(BadNote, match="no size"):
        open_note(f"{SAID}\n{SIGNATURE}\n", PETER)
    with pytest.raises(BadNote, match="not signed"):
        open_note(f"{SAID.replace('know', 'see')}\n{SIGNATURE}\n", PETER)


def test_a_checkpoint_can_be_read_by_whoever_has_the_key_and_by_nobody_else():
    ours, other = Signer("portal-audit", b"\x01" * 32), Signer("portal-audit", b"\x02" * 32)
    checkpoint = Checkpoint("portal.example/audit", 20_852, hashlib.sha256(b"root").digest())
    note = ours.sign(checkpoint)
    assert note.startswith("portal.example/audit\n20852\n")
    assert open_note(note, ours.verifier) == checkpoint
    assert open_note(other.sign(checkpoint).partition("\n\n")[2].join([note, ""]), ours.verifier) == checkpoint
    assert ours.sign(checkpoint) == note
    for bad in (note.replace("20852", "20853"), note.replace("example", "exampel"), "", "\n\n", note[:-20]):
        with pytest.raises(BadNote):
            open_note(bad, ours.verifier)
    with pytest.raises(BadNote):
        open_note(note, other.verifier)


def test_a_note_that_says_more_than_a_checkpoint_is_none():
    ours = Signer("portal-audit", b"\x01" * 32)

    class Longer(Checkpoint):
        def text(self) -> str:
            return super().text() + "more\n"

    with pytest.raises(BadNote, match="more"):
        open_note(ours.sign(Longer("portal.example/audit", 1, b"\x00" * 32)), ours.verifier)
