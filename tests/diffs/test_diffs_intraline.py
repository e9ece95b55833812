"""What a reader sees marked in two lines that stand against one another: real pairs of YAML, HCL and JSON."""

from __future__ import annotations

import pytest

from apps.diffs.intraline import changed_spans

# «» stands around what is marked.
PAIRS = [
    # images and tags
    ("  image: nginx:1.«25.3»", "  image: nginx:1.«26.0»"),
    ("  image: reg.example.org/team/web:1.«4».0", "  image: reg.example.org/team/web:1.«5».0"),
    ("  image: web:v1.4.«0»@sha256:«0a1b2c»", "  image: web:v1.4.«1»@sha256:«9f8e7d»"),
    ('  image: "«quay».io/a/b:1.2"', '  image: "«ghcr».io/a/b:1.2"'),
    ("  tag: «latest»", "  tag: «1.2.3»"),
    # numbers and units
    ("replicas: «2»", "replicas: «20»"),
    ("  memory: «512Mi»", "  memory: «1Gi»"),
    ("  cpu: «100m»", "  cpu: «1500m»"),
    ("  timeout: «30s»", "  timeout: «1m30s»"),
    ("  date: «2024-01-05»", "  date: «2025-02-15»"),
    ('  - "10.1.«2».3"', '  - "10.1.«22».3"'),
    ("  size: «10Gi» # was «5Gi»", "  size: «20Gi» # was «10Gi»"),
    ('  version = "«~> 4.16»"', '  version = "«>= 5.0»"'),
    # words, names, paths
    ("  enabled: «true»", "  enabled: «false»"),
    ("  name: web", "  name: web«-frontend»"),
    ("  - name: «FOO_BAR»", "  - name: «FOO_BAZ»"),
    ("  path: /api/«v1»/users", "  path: /api/«v2»/users"),
    ('source = "«.»/modules/vpc"', 'source = "«../../»modules/vpc«-v2»"'),
    ("  host: app.«staging».example.com", "  host: app.«prod».example.com"),
    ('resource "aws_instance" "«web»" {', 'resource "aws_instance" "«website»" {'),
    ('  name = "${«var».prefix}-web"', '  name = "${«local».prefix}-web"'),
    ('  text: "Allow «http»"', '  text: "Allow «everything»"'),
    ("  # «the old» comment about «it»", "  # «a new» comment about «that»"),
    # a key renamed
    ("«replicaCount»: 3", "«replicas»: 3"),
    ('  "«minSize»": 3,', '  "«maxSize»": 3,'),
    # a value quoted or not: another value in YAML
    ("version: «1.10»", 'version: «"1.10"»'),
    ("cpu: «1»", "cpu: «'1'»"),
    ("a: «'yes'»", 'a: «"yes"»'),
    # lists
    ('  subnets = ["a", «"b", »"c"]', '  subnets = ["a", "c"]'),
    ('  zones: ["a", "b"]', '  zones: ["a", "b"«, "c"»]'),
    ('cidrs = ["10.0.0.0/«16»"]', 'cidrs = ["10.0.0.0/«8»"«, "0.0.0.0/0"»]'),
    ('cidrs = ["10.0.0.0/«8»"«, "0.0.0.0/0"»]', 'cidrs = ["10.0.0.0/«16»"]'),
    ("  args: [--level=«info», --port=80]", "  args: [--level=«debug», --port=80«, --verbose»]"),
    # commas at the end
    ('  "a": 1', '  "a": 1«,»'),
    ('  "replicas": «3,»', '  "replicas": «5»'),
    # the indentation, and spaces that mean something
    ("«    »key: value", "«      »key: value"),
    ("«\t»key: value", "«    »key: value"),
    ("key: abc«  »", "key: abc"),
    ("a:« »b", "a:«  »b"),
    # much the same, or nothing in common: no marks
    ("alpha", "zzzzz"),
    ("same", "same"),
    ("", "x"),
    ("x" * 1_001, "x" * 1_000 + "y"),
]


def marked(line: str, spans: list[tuple[int, int]]) -> str:
    for start, end in reversed(spans):
        line = f"{line[:start]}«{line[start:end]}»{line[end:]}"
    return line


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_a_reader_sees_the_words_that_changed(old: str, new: str) -> None:
    before, after = (line.replace("«", "").replace("»", "") for line in (old, new))
    old_spans, new_spans = changed_spans(before, after)
    assert (marked(before, old_spans), marked(after, new_spans)) == (old, new)


@pytest.mark.parametrize(("old", "new"), PAIRS)
def test_the_other_way_round_the_same_words_are_marked(old: str, new: str) -> None:
    before, after = (line.replace("«", "").replace("»", "") for line in (old, new))
    forth, back = changed_spans(before, after), changed_spans(after, before)
    assert (bool(forth[0]), bool(forth[1])) == (bool(back[1]), bool(back[0]))
