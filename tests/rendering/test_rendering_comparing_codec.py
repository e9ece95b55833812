"""Differences as documents, and their digests: nothing is lost, and nothing can change unseen."""

from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import RULES, compare, difference_digest, digests
from apps.rendering.comparing.codec import (
    decode_difference,
    decode_rendered,
    decode_value,
    encode_difference,
    encode_rendered,
    encode_value,
)
from apps.rendering.comparing.equality import same
from apps.rendering.model import (
    ABSENT,
    UNKNOWN,
    Action,
    Difference,
    Element,
    FieldChange,
    Order,
    Part,
    Rendered,
    Resource,
    ResourceChange,
    ResourceId,
    Risk,
    Source,
    ToolIdentity,
    Weight,
)
from tests.support.bodies import BODIES, DEPLOYMENT, VALUES, body, changed, resource

PROFILE = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
TOOL = ToolIdentity("helm", "3.18.0", "0" * 64)
TEXTS = st.one_of(st.text(max_size=5), st.sampled_from(["\0", "\ud83d\ude00", "\U0001f600", "\\u0000", "$", "\ud800"]))
KEYS = st.one_of(TEXTS, st.integers(0, 9))
STEPS = st.one_of(
    TEXTS,
    st.integers(0, 99),
    st.lists(st.tuples(TEXTS, KEYS), min_size=1, max_size=2).map(lambda keys: Element(tuple(keys))),
    st.lists(TEXTS, min_size=1, max_size=2).map(lambda keys: Order(tuple(keys))),
)
PATHS = st.lists(STEPS, max_size=4).map(tuple)
MARKED = st.recursive(
    st.one_of(VALUES, st.just(UNKNOWN), TEXTS, st.floats()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
RULE_NAMES = st.sampled_from(["", *RULES])
IDS = st.builds(ResourceId, TEXTS, TEXTS, TEXTS, TEXTS)
SOURCES = st.one_of(st.none(), st.builds(Source, TEXTS, st.integers(0, 9)))
FIELDS = st.builds(
    FieldChange, PATHS, st.one_of(MARKED, st.just(ABSENT)), st.one_of(MARKED, st.just(ABSENT)), RULE_NAMES
)
DOCUMENTS = st.dictionaries(TEXTS, MARKED, max_size=3)
CHANGES = st.builds(
    ResourceChange,
    IDS,
    st.sampled_from(Action),
    st.lists(FIELDS, max_size=2).map(tuple),
    st.one_of(st.none(), DOCUMENTS),
    st.one_of(st.none(), DOCUMENTS),
    st.lists(PATHS, max_size=2).map(tuple),
    st.lists(st.builds(Risk, st.just("rbac"), TEXTS, st.sampled_from(Weight)), max_size=2).map(tuple),
    SOURCES,
)
LISTS = st.lists(CHANGES, max_size=3).map(tuple)
DIFFERENCES = st.builds(Difference, LISTS, st.integers(0, 9), LISTS)
TUPLES = st.lists(TEXTS, max_size=2).map(tuple)
RENDERED = st.builds(
    Rendered,
    st.lists(st.builds(Resource, IDS, DOCUMENTS, SOURCES), max_size=3).map(tuple),
    st.just(TOOL),
    TUPLES,
    TUPLES,
    st.lists(st.builds(Part, TEXTS, TEXTS), max_size=2).map(tuple),
)


def stored(document):
    """What comes back from a database that reads JSON: no NUL, no lone surrogate, no number that is not finite."""
    text = json.dumps(document, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    return json.loads(text)


def alike(left, right):
    return same(encode_value(_plain(left)), encode_value(_plain(right)))


def _plain(value):
    """Types and values of everything, to be compared without ``==``, for which 1 is true and nan is not nan."""
    if dataclasses.is_dataclass(value) and value != UNKNOWN:
        names = [one.name for one in dataclasses.fields(value)]
        return [type(value).__name__, *(_plain(getattr(value, name)) for name in names)]
    if isinstance(value, tuple | list):
        return [type(value).__name__, *(_plain(item) for item in value)]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


@PROFILE
@given(MARKED)
def test_every_value_comes_back_as_it_was(value):
    assert same(_plain(decode_value(stored(encode_value(value)))), _plain(value))


@PROFILE
@given(DIFFERENCES)
def test_a_difference_comes_back_as_it_was(difference):
    assert alike(decode_difference(stored(encode_difference(difference))), difference)


@PROFILE
@given(RENDERED)
def test_a_rendering_comes_back_as_it_was(rendered):
    assert alike(decode_rendered(stored(encode_rendered(rendered))), rendered)


def test_absent_and_unknown_are_themselves_after_the_way_back():
    assert decode_value(encode_value(ABSENT)) is ABSENT
    assert decode_value(encode_value([UNKNOWN])) == [UNKNOWN]
    assert decode_value(encode_value({"$": "absent"})) == {"$": "absent"}


def test_another_version_and_foreign_marks_are_refused():
    with pytest.raises(ValueError, match="version 2"):
        decode_difference({"version": 2, "changes": [], "silent": [], "unchanged": 0})
    with pytest.raises(ValueError, match="version None"):
        decode_rendered({})
    with pytest.raises(ValueError, match="No such mark"):
        decode_value({"$": "other"})


def test_the_format_of_the_digest_is_the_documented_one():
    difference = compare([], [Resource(ResourceId("", "ConfigMap", "shop", "é"), {"b": 1.0, "a": 1})])
    text = (
        '{"format":"rendered-difference/1","tool":["helm","3.18.0","' + "0" * 64 + '"]}\n'
        '{"action":"create","after":{"a":1,"b":1.0},"before":null,"id":["","ConfigMap","shop","\\u00e9"]}\n'
    )
    assert difference_digest(difference, TOOL) == hashlib.sha256(text.encode("ascii")).hexdigest()


@PROFILE
@given(st.one_of(MARKED, DOCUMENTS))
@example(1e300)
@example([-0.0])
@example({"$": 1})
@example(["a\0", "\ud800"])
@example([float("inf"), float("nan"), UNKNOWN])
def test_what_is_written_at_once_is_what_is_written_with_marks(value):
    text = json.dumps(encode_value({"a": value}), sort_keys=True, separators=(",", ":"))
    assert digests._line({"a": value}) == text.encode("ascii") + b"\n"


@PROFILE
@given(DIFFERENCES, st.randoms())
def test_the_digest_knows_no_order_of_resources(difference, random):
    mixed = random.sample(difference.changes, len(difference.changes))
    silent = random.sample(difference.silent, len(difference.silent))
    other = dataclasses.replace(difference, changes=tuple(mixed), silent=tuple(silent), unchanged=99)
    assert difference_digest(other, TOOL) == difference_digest(difference, TOOL)


@PROFILE
@given(st.lists(BODIES, min_size=2, max_size=2))
def test_the_digest_is_equal_only_for_equal_bodies(bodies):
    identity = ResourceId("", "Thing", "", "a")
    first, second = (difference_digest(compare([], [Resource(identity, one)]), TOOL) for one in bodies)
    assert (first == second) is same(*bodies)


def test_everything_else_changes_the_digest():
    before, after = body(DEPLOYMENT), changed(DEPLOYMENT, "spec", "replicas", to=3)
    silent = changed(DEPLOYMENT, "spec", "revisionHistoryLimit", to=10)
    whole = compare([resource(before)], [resource(after)])
    [change] = whole.changes
    others = [
        Difference(()),
        compare([resource(after)], [resource(before)]),
        compare([], [resource(after)]),
        compare([resource(before)], []),
        compare([resource(before)], [resource(silent)]),
        compare([resource(before)], [resource(changed(DEPLOYMENT, "spec", "replicas", to=3.0))]),
        compare([resource(before)], [resource(changed(DEPLOYMENT, "spec", "replicas", to="3"))]),
        Difference((dataclasses.replace(change, action=Action.REPLACE),)),
        Difference((dataclasses.replace(change, id=ResourceId("apps", "Deployment", "shop", "other")),)),
        Difference((change, change)),
    ]
    digests = [difference_digest(one, TOOL) for one in (whole, *others)]
    tools = [
        ToolIdentity("helm", "3.18.1", "0" * 64),
        ToolIdentity("helm", "3.18.0"),
        ToolIdentity("kubectl", "3.18.0"),
    ]
    digests += [difference_digest(whole, tool) for tool in tools]
    assert len(set(digests)) == len(digests)


def test_what_is_said_of_a_difference_is_not_in_its_digest():
    whole = compare([resource(body(DEPLOYMENT))], [resource(changed(DEPLOYMENT, "spec", "replicas", to=0))])
    [change] = whole.changes
    bare = Difference((dataclasses.replace(change, fields=(), risks=(), source=None),))
    assert difference_digest(bare, TOOL) == difference_digest(whole, TOOL)
