"""Targets that change alike, and those that do not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.comparing import classify, compare, words
from apps.rendering.comparing.classes import Against
from apps.rendering.model import ABSENT, Action, Difference
from tests.support.bodies import DEPLOYMENT, ROLE, SERVICE, body, changed, resource

IMAGE = ("spec", "template", "spec", "containers", 0, "image")
CHANGES = [
    (DEPLOYMENT, IMAGE, "nginx:1.28"),
    (DEPLOYMENT, IMAGE, "nginx:1.29"),
    (DEPLOYMENT, ("spec", "replicas"), 3),
    (SERVICE, ("spec", "type"), "NodePort"),
    (DEPLOYMENT, ("spec", "revisionHistoryLimit"), 10),  # without effect
]


def target(*steps, image="nginx:1.28", extra=()):
    after = changed(DEPLOYMENT, *IMAGE, to=image)
    for key, value in extra:
        after["spec"][key] = value
    return compare([resource(body(DEPLOYMENT)), resource(body(SERVICE))], [resource(after), resource(body(SERVICE))])


def test_acceptance_31_equal_differences_form_a_class_and_an_extra_attribute_makes_an_outlier():
    fleet = {f"region-{at}": target() for at in range(97)}
    fleet |= {"lab-2": target(extra=[("paused", True)]), "lab-3": target(extra=[("paused", True)])}
    fleet["prod-us"] = target(image="nginx:1.29")
    classes = classify(fleet)
    assert [(len(one.targets), one.targets[0], len(one.deviations), one.same_fields) for one in classes] == [
        (97, "region-0", 0, True),
        (2, "lab-2", 1, False),
        (1, "prod-us", 1, True),
    ]
    [more] = classes[1].deviations
    assert (more.kind, words(more.path), more.there) == (Against.MORE, "spec.paused", None)
    assert more.here == (Action.UPDATE, ABSENT, True)
    [other] = classes[2].deviations
    assert (other.kind, str(other.id)) == (Against.OTHER, "Deployment shop/web")
    assert (other.here[2], other.there[2]) == ("nginx:1.29", "nginx:1.28")


def test_a_target_that_does_less_says_what_is_missing():
    fleet = {name: target(extra=[("paused", True)]) for name in "abc"} | {"d": target()}
    [most, outlier] = classify(fleet)
    assert (most.targets, outlier.targets) == (("a", "b", "c"), ("d",))
    assert [(one.kind, words(one.path), one.here) for one in outlier.deviations] == [
        (Against.FEWER, "spec.paused", None)
    ]


def test_whole_resources_are_compared_with_all_they_hold():
    def created(verb):
        return compare([], [resource(changed(ROLE, "rules", 0, "verbs", to=[verb]))])

    classes = classify({"a": created("get"), "b": created("get"), "c": created("delete"), "d": compare([], [])})
    assert [one.targets for one in classes] == [("a", "b"), ("c",), ("d",)]
    assert [[(one.kind, one.path) for one in each.deviations] for each in classes] == [
        [],
        [(Against.OTHER, ())],
        [(Against.FEWER, ())],
    ]


def test_names_count_and_equal_fields_of_other_names_are_told():
    def named(name):
        sides = [body(DEPLOYMENT), changed(DEPLOYMENT, "spec", "replicas", to=3)]
        for side in sides:
            side["metadata"]["name"] = name
        return compare([resource(sides[0])], [resource(sides[1])])

    classes = classify({"a": named("web"), "b": named("web"), "c": named("other")})
    assert [(one.targets, one.same_fields) for one in classes] == [(("a", "b"), True), (("c",), True)]
    assert [one.kind for one in classes[1].deviations] == [Against.MORE, Against.FEWER]


def test_one_and_true_are_not_the_same_effect():
    values = {"a": 1, "b": 1, "c": True, "d": 1.0}
    fleet = {name: target(extra=[("paused", value)]) for name, value in values.items()}
    assert [one.targets for one in classify(fleet)] == [("a", "b"), ("c",), ("d",)]


def test_targets_may_differ_by_their_own_words_and_by_nothing_else():
    def created(region, host):
        role = changed(ROLE, "metadata", "namespace", to=f"shop-{region}")
        role["metadata"]["annotations"] = {"host": f"{host}.example.org", "where": region}
        return compare([], [resource(role)])

    regions = ["eu-1", "us-1", "ap-1"]
    fleet = {region: created(region, region) for region in regions}
    fleet |= {"lab": created("lab", "eu-1"), "x": created("x", "xs")}
    own = {name: [f"shop-{name}", name] for name in fleet}
    classes = classify(fleet, own)
    assert [one.targets for one in classes] == [("ap-1", "eu-1", "us-1"), ("lab",), ("x",)]
    assert [one.kind for one in classes[1].deviations] == [Against.OTHER]
    assert len(classify(fleet)) == 5


def test_an_update_without_fields_is_an_effect_too():
    whole = target()
    bare = Difference(tuple(replace(change, fields=()) for change in whole.changes))
    assert [len(one.deviations) for one in classify({"a": Difference(()), "b": Difference(()), "c": bare})] == [0, 1]


def test_no_targets_have_no_classes():
    assert classify({}) == ()


@st.composite
def fleets(draw):
    differences = [
        compare([resource(body(text))], [resource(changed(text, *steps, to=to))]) for text, steps, to in CHANGES
    ]
    picks = draw(st.lists(st.integers(0, len(CHANGES) - 1), min_size=1, max_size=8))
    return {f"t{at}": differences[pick] for at, pick in enumerate(picks)}


@settings(max_examples=30, deadline=None)
@given(fleets(), st.randoms())
def test_classes_do_not_depend_on_order_and_grow_by_equal_targets_only(fleet, random):
    classes = classify(fleet)
    names = [name for one in classes for name in one.targets]
    assert sorted(names) == sorted(fleet)
    assert classify(dict(random.sample(list(fleet.items()), len(fleet)))) == classes
    assert [len(one.targets) for one in classes] == sorted((len(one.targets) for one in classes), reverse=True)
    grown = classify({**fleet, "zz": fleet[classes[0].targets[0]]})
    assert grown[0].targets == (*classes[0].targets, "zz")
    assert [one.targets for one in grown[1:]] == [one.targets for one in classes[1:]]
    assert [one.deviations for one in grown] == [one.deviations for one in classes]


@settings(max_examples=30, deadline=None)
@given(fleets(), st.data())
def test_one_more_attribute_in_one_target_makes_exactly_that_one_an_outlier(fleet, data):
    own = data.draw(st.sampled_from(sorted(fleet)))
    after = changed(DEPLOYMENT, *IMAGE, to="nginx:1.28")
    after["metadata"]["annotations"]["own"] = "true"
    classes = classify({**fleet, own: compare([resource(body(DEPLOYMENT))], [resource(after)])})
    without = {name: one for name, one in fleet.items() if name != own}
    assert (own,) in [one.targets for one in classes]
    others = {one.key: one.targets for one in classes if one.targets != (own,)}
    assert others == {one.key: one.targets for one in classify(without)}
