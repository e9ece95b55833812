"""Rules in Rego: what modules are told and answer, and that whatever goes wrong holds the change."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.policies.config import Needs, Rule, StandardConfig
from apps.policies.evaluation import (
    Contributor,
    FileFact,
    RegoFact,
    RenderingFact,
    ResourceFact,
    evaluate,
    from_record,
    rego_input,
    replay,
    to_record,
)
from apps.policies.evaluation.rego import FIELDS
from apps.policies.rego import answers, asking, modules
from apps.policies.rego.answers import answer
from apps.policies.rego.asking import RegoFailed, ask
from apps.policies.rego.modules import modules_of
from tests.support.policy_facts import ALICE, BOB, CAROL, KIM, approvals, facts, row, rule, states
from tests.support.rego import ABOUT, DEPLOY, MERGE, module, problem_of, said, told

ROOT = Path(__file__).resolve().parents[2]


# ------------------------------------------------------------------------------------------------ what they answer


def test_modules_are_told_what_is_recorded() -> None:
    resource = ResourceFact("PersistentVolumeClaim", "delete", "data", "shop", ("destroy",))
    known = told(
        renderings=(RenderingFact("production", "web", "rendered", resources=(resource,)),),
        contributors=(Contributor(ALICE, "author", 1), Contributor(BOB, "pusher", 2)),
        about=replace(ABOUT, strangers=("committer",)),
    )
    assert rego_input(known, FIELDS) == {
        "environment": "",
        "now": "2026-11-28T10:00:00Z",
        "change": {
            "number": 7,
            "title": "Delete the claim",
            "author": "alice",
            "kind": "normal",
            "target_branch": "main",
        },
        "size": {"files": 2, "lines": 30},
        "paths": [
            {"path": "infra/a.tf", "action": "deleted", "old_path": ""},
            {"path": "b", "action": "renamed", "old_path": "a"},
        ],
        "environments": [
            {"name": "staging", "protected": False, "reached": True},
            {"name": "production", "protected": True, "reached": True},
        ],
        "resources": [
            {
                "environment": "production",
                "target": "web",
                "kind": "PersistentVolumeClaim",
                "action": "delete",
                "name": "data",
                "namespace": "shop",
                "risks": ["destroy"],
            }
        ],
        "contributors": [
            {"username": "alice", "human": True, "how": "author"},
            {"username": "bob", "human": True, "how": "pusher"},
            {"username": "", "human": False, "how": "committer"},
        ],
    }


def test_a_denial_holds_and_says_what_the_module_says() -> None:
    found = said(
        'deny contains {"msg": sprintf("%s is deleted", [p.path])} if {\n  some p in input.paths\n  p.action == "deleted"\n}\n'
        'warn contains "large" if input.size.lines > 10'
    )
    assert (found.denied, found.warned, found.problem) == (("infra/a.tf is deleted",), ("large",), "")
    verdict = evaluate([rule()], told(rego=found, reviews=approvals(BOB)))
    assert not verdict.allowed
    assert row(verdict, "rego").text == "Denied: infra/a.tf is deleted"
    assert row(verdict, "rego").evidence == ("Warning: large",)
    assert row(verdict, "rego").rule is not None
    assert row(verdict, "rego").rule.place == "policies/a.rego:2"  # type: ignore[union-attr]
    assert verdict.can_unblock == ()


def test_a_warning_is_shown_and_holds_nothing() -> None:
    found = said('warn contains "mind the gap"')
    verdict = evaluate([rule()], told(rego=found, reviews=approvals(BOB)))
    assert verdict.allowed
    assert row(verdict, "rego").evidence == ("Warning: mind the gap",)


def test_what_a_module_requires_is_judged_explained_and_unblocked_like_a_rule_of_the_file() -> None:
    found = said(
        'require contains {"name": "two of network", "approvals": 2, "from": ["team/network"]} if input.size.files > 1'
    )
    assert found.required == (
        Rule("two of network", needs=Needs(2, ("team/network",)), line=2, file="policies/a.rego"),
    )
    open_facts = told(rego=found, reviews=approvals(BOB))
    verdict = evaluate([rule()], open_facts)
    waiting = next(one for one in verdict.requirements if one.name == "two of network")
    assert (waiting.state, waiting.have, waiting.needed) == ("waiting", 0, 2)
    assert waiting.rule is not None
    assert waiting.rule.place == "policies/a.rego:2"
    assert verdict.can_unblock == ("carol", "kim")
    assert evaluate([rule()], replace(open_facts, reviews=approvals(BOB, KIM, CAROL))).allowed
    few = evaluate([], replace(open_facts, reviews=approvals(KIM, CAROL)))
    assert few.allowed, "a rule of a module applies, so the default rule does not"


def test_every_need_of_a_rule_can_be_asked_for() -> None:
    found = said(
        'require contains {"name": "a", "all": [{"approvals": 1, "from": ["team/sre"]}, {"from": ["team/network"]}],'
        ' "distinct": true, "checks": ["unit tests"], "expires": "7d", "seen": ["destroys"], "reauthenticate": true}'
    )
    (one,) = found.required
    assert one.needs.checks == ("unit tests",)
    assert (one.needs.expires_seconds, one.needs.seen, one.needs.reauthenticate) == (604_800, ("destroys",), True)
    assert [group.from_ for group in one.needs.groups] == [("team/sre",), ("team/network",)]


def test_each_gate_asks_its_own_package() -> None:
    texts = {"policies/a.rego": (MERGE + 'deny contains "merge"').encode()}
    texts["policies/b.rego"] = (DEPLOY + 'deny contains sprintf("not to %s", [input.environment])').encode()
    both = modules_of(texts)
    assert answer(both, told()).denied == ("merge",)
    assert answer(both, told(stage="deploy", environment="production")).denied == ("not to production",)
    only = module('deny contains "merge"')
    assert answer(only, told(stage="deploy", environment="staging")) == RegoFact(only.digest)


def test_nobody_asks_before_a_rollback() -> None:
    verdict = evaluate([rule()], told(kind="rollback", rego=None, reviews=approvals(BOB)))
    assert verdict.allowed
    assert not [one for one in verdict.requirements if one.code == "rego"]


def test_the_example_of_the_documentation_does_what_it_says() -> None:
    text = (ROOT / "docs/gates.md").read_text().split("```rego\n")[1].split("```")[0]
    example = modules_of({"policies/merge.rego": text.encode()})
    assert example.problems == ()
    claim = ResourceFact("PersistentVolumeClaim", "delete", "data", "shop")
    calm = told(renderings=(), about=replace(ABOUT, title="OPS-7 calm", files=(FileFact("app/a", "changed"),)))
    assert (answer(example, calm).denied, answer(example, calm).required, answer(example, calm).warned) == ((), (), ())
    network = replace(calm, about=replace(ABOUT, files=(FileFact("network/a.tf", "changed"),)))
    deletes = replace(network, renderings=(RenderingFact("production", "web", "rendered", resources=(claim,)),))
    found = answer(example, deletes)
    assert found.denied == ("data may not be deleted; move the data first.",)
    assert [(one.name, one.needs.approvals, one.needs.from_) for one in found.required] == [
        ("two of the network team", 2, ("team/network",))
    ]
    assert found.warned == ("The title names no ticket.",)
    assert answer(example, replace(network, lines=20)).required == ()


# ------------------------------------------------------------------------------------------------ fail closed


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("deny contains 1", "an entry of `deny` is neither a text"),
        ('deny contains ""', "an entry of `deny` is neither a text"),
        ('deny contains {"message": "x"}', "an entry of `deny` is neither a text"),
        ('deny contains {"msg": "x", "more": 1}', "an entry of `deny` is neither a text"),
        ('warn contains concat("", ["x" | some _ in numbers.range(1, 501)])', "an entry of `warn` is neither a text"),
        ('deny contains json.unmarshal(`"\\u0000"`)', "an entry of `deny` is neither a text"),
        ('deny contains sprintf("%d", [n]) if some n in numbers.range(1, 101)', "`deny` has 101 entries"),
        ('deny contains concat("", ["0123456789" | some _ in numbers.range(1, 26000)])', "at most 256,000 are read"),
        ('require contains "two"', "`require[0]` must be a mapping"),
        ('require contains {"approvals": 1}', "lacks the key `name`"),
        ('require contains {"name": "a"}', "lacks the key `approvals`"),
        ('require contains {"name": "a", "approvals": 0}', "must be a whole number from 1 to 20"),
        ('require contains {"name": "a", "approvals": 1.5}', "must be a whole number from 1 to 20"),
        ('require contains {"name": "a", "approvals": "1"}', "must be a whole number from 1 to 20"),
        ('require contains {"name": "a", "approvals": 1, "from": ["sre"]}', "`sre` names nobody who could approve"),
        ('require contains {"name": "a", "approvals": 1, "from": []}', "is an empty list"),
        ('require contains {"name": "a", "approvals": 1, "form": ["team/sre"]}', "Did you mean `from`?"),
        ('require contains {"name": "a", "approvals": n} if some n in [1, 2]', "have the same name"),
        ('deny contains to_number("abc")', "could not parse string as number (policies/a.rego:2)"),
        ("deny contains 1 / (input.size.files - 2)", "divide by zero"),
        ('a if b\nb if a\ndeny contains "x" if a', "recursion"),
        ("f(x) := f(x + 1)\ndeny contains f(1)", "it calls itself without end"),
        (
            "deny contains x if {\n  some x in numbers.range(1, 1000000)\n  some y in numbers.range(1, 1000000)\n  x * y < 0\n}",
            "it ",
        ),
        ('deny contains concat("", [c | some c in numbers.range(1, 30000000)])', "it needed more than 256 MiB"),
        ("deny contains input.paths[0].path + 1", ""),
    ],
)
def test_an_answer_that_is_none_holds_the_change_and_says_why(text: str, words: str) -> None:
    found = said(text)
    assert words in found.problem
    assert found.problem
    verdict = evaluate([rule()], told(rego=found, reviews=approvals(BOB)))
    assert not verdict.allowed
    assert row(verdict, "rule").text.startswith(f"This could not be evaluated: {found.problem}")
    assert states(verdict)["Rules in Rego"] == "failed"


def test_what_is_not_known_of_the_change_holds_it_where_a_module_asks() -> None:
    asks = 'deny contains "x" if some r in input.resources'
    waiting = (RenderingFact("production", "web", "waiting"), RenderingFact("staging", "web", "failed", optional=True))
    assert said(asks, renderings=waiting).problem == "the effect on production/web, staging/web is not known"
    assert said(asks, renderings=None).problem.startswith("no environment names targets")
    assert (
        said('deny contains "x" if input.size.files > 9', files=None).problem == "the size of the change is not known"
    )
    assert said('deny contains "x" if input.now == ""', moment=0).problem == "the moment of judging is not known"
    assert said('deny contains "x" if count(input) == 0', renderings=None).problem != "", (
        "a whole input reads everything"
    )
    assert said('deny contains "x" if input.size.files > 9', renderings=waiting).problem == "", (
        "nothing unknown was asked"
    )
    deploy = said(asks.replace("merge", ""), DEPLOY, stage="deploy", environment="canary", renderings=waiting)
    assert deploy.problem == "", "of another environment"


def test_modules_that_were_not_asked_hold_the_change() -> None:
    verdict = evaluate([rule()], told(rego=None, reviews=approvals(BOB)))
    assert not verdict.allowed
    assert "the modules of Rego have not been asked" in row(verdict, "rule").text


def test_without_the_library_every_change_is_held_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    asking._libraries.cache_clear()
    modules._inspect.cache_clear()
    answers._kept.clear()
    monkeypatch.setattr(asking, "find_spec", lambda _name: None)
    found = module('deny contains "without it"')
    assert "gordon-to-regorus is not installed" in problem_of(found)
    assert [one.problem.severity for one in found.problems] == ["notice"], "the file is not to blame"
    verdict = evaluate([rule()], told(rego=answer(found, told()), reviews=approvals(BOB)))
    assert not verdict.allowed
    assert "pip install gordon-to-regorus" in row(verdict, "rule").text
    monkeypatch.undo()
    asking._libraries.cache_clear()
    assert module('deny contains "without it"').problems == (), "what a server lacks is not kept"


def test_a_failure_of_the_moment_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = module('deny contains "later"')
    monkeypatch.setattr(asking, "WALL_SECONDS", 0.0)
    assert answer(found, told()).problem == "it did not end within 0.0 seconds"
    monkeypatch.undo()
    assert answer(found, told()).denied == ("later",)


def test_the_process_can_open_and_start_nothing() -> None:
    tries = (
        "import os, socket; from apps.policies.rego import child; child.shut_in()\n"
        "for act in (lambda: open('/etc/passwd'), lambda: socket.socket(), lambda: os.pipe()):\n"
        "    try: act(); print('done')\n"
        "    except OSError as error: print(error.errno)\n"
    )
    found = subprocess.run([sys.executable, "-c", tries], capture_output=True, text=True, check=True, cwd=asking._ROOT)
    assert found.stdout.split() == [str(errno.EMFILE)] * 3


def test_nothing_of_the_portals_environment_reaches_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTAL_SECRET", "canary")
    texts = [("a.rego", "package portal.merge\ndeny contains json.marshal(opa.runtime())")]
    assert "canary" not in ask(texts, ["data.portal.merge.deny"], "{}")  # not even where the inspection let it pass


# ------------------------------------------------------------------------------------------------ replay


def test_a_verdict_with_an_answer_replays_without_rego_and_asking_again_says_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = module(
        'deny contains "never on a Saturday" if time.weekday(time.parse_rfc3339_ns(input.now)) == "Saturday"\n'
        'require contains {"name": "sre", "approvals": 1, "from": ["team/sre"]}'
    )
    judged = told(reviews=approvals(BOB))
    judged = replace(judged, rego=answer(found, judged))
    assert judged.rego is not None
    assert judged.rego.denied == ("never on a Saturday",)
    record = json.loads(json.dumps(to_record([rule()], judged)))
    again = answer(found, from_record(record)[1])
    answers._kept.clear()
    assert answer(found, from_record(record)[1]) == again == judged.rego
    monkeypatch.setattr(asking, "_run", lambda _question: pytest.fail("a replay asks nobody"))
    assert replay(record).to_dict() == evaluate([rule()], judged).to_dict()


def test_an_equal_question_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    found = module('deny contains "once" if input.size.files == 2')
    first = answer(found, told())
    monkeypatch.setattr(asking, "_run", lambda _question: pytest.fail("it was asked before"))
    assert answer(found, told(reviews=approvals(BOB), moment=2_000_000_000)) == first, "it reads neither"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 25) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.sampled_from(["name", "msg", "approvals", "from"]), inner, max_size=4),
    max_leaves=10,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(["deny", "warn", "require"]), st.lists(JSON, max_size=4) | JSON, min_size=1))
def test_whatever_a_module_answers_becomes_a_fact_that_is_recorded_and_never_opens_a_gate(
    values: dict[str, Any],
) -> None:
    found = replace(module('deny contains "x"'), places={f"merge.{name}": ("policies/a.rego", 2) for name in values})
    with pytest.MonkeyPatch.context() as patch:
        body = json.dumps({f"data.portal.merge.{name}": value for name, value in values.items()})
        patch.setattr(answers, "_asked", lambda *_: body)
        fact = answer(found, told())
    judged = told(rego=fact, reviews=approvals(BOB))
    verdict = evaluate([rule()], judged)
    assert replay(json.loads(json.dumps(to_record([rule()], judged)))).to_dict() == verdict.to_dict()
    if verdict.allowed:
        assert evaluate([rule()], replace(judged, rego=RegoFact(""))).allowed
        assert not values.get("deny")


def test_what_the_library_says_without_a_place_is_told_all_the_same() -> None:
    with pytest.raises(RegoFailed) as failed:
        ask([("a.rego", "package a\nx := 1")], ["data.a.nosuch"], "{}")
    assert failed.value.message
    assert failed.value.is_theirs


def test_a_standard_change_needs_no_approval_that_a_module_requires_and_is_denied_all_the_same() -> None:
    fits = {"standards": (StandardConfig("scale", paths=("infra/**",), line=9),), "authors": ()}
    requires = said('require contains {"name": "sre", "approvals": 1, "from": ["team/sre"]}')
    verdict = evaluate([rule()], told(rego=requires, **fits))
    assert verdict.allowed
    assert "Approved beforehand" in next(one for one in verdict.requirements if one.name == "sre").text
    assert not evaluate([rule()], told(rego=said('deny contains "never"'), **fits)).allowed
    assert not evaluate([rule()], told(rego=None, **fits)).allowed
    module_too = replace(told(rego=requires, **fits), changed_paths=("infra/a.tf", "policies/a.rego"))
    wide = replace(module_too, standards=(StandardConfig("all", paths=("infra/**", "policies/**"), line=9),))
    assert not evaluate([rule()], replace(wide, owners=facts(paths=wide.changed_paths).owners)).allowed
