"""What portal.yaml may say, what comes out, and what every mistake is told."""

from __future__ import annotations

import pytest

from apps.policies.config import (
    DEFAULT_CONFIG,
    DriftConfig,
    PortalConfig,
    RollbackConfig,
    affected_environments,
    parse_duration,
    parse_portal_yaml,
)

HEAD = "apiVersion: portal/v1\n"
WHOLE = """\
apiVersion: portal/v1
environments:
  staging:
    targets:
      web:      {kind: helm, chart: charts/web, values: [env/staging/web.yaml], release: web, namespace: web, kubeVersion: "1.32"}
      platform: {kind: kustomize, path: clusters/staging}
      cluster:  {kind: flux, path: clusters/staging}
      raw:      {kind: manifests, path: manifests/staging}
      network:  {kind: terraform, path: infra/staging}
      vpc:      {kind: cloudformation, template: cfn/vpc.yaml, parameters: cfn/staging.json, stack: vpc-staging, region: eu-west-1}
    deploy:
      via: local
      steps:
        - {name: apply,  run: ./scripts/apply staging,  timeout: 10m}
        - {name: verify, run: ./scripts/smoke staging, timeout: 2m30s}
  production:
    after: [staging]
    protected: true
    deploy: {via: gitlab, connection: corp, project: platform/infra, ref: main, variables: {ENVIRONMENT: production}}
rules:
  - {name: an owner,            needs: {approvals: 1, from: [code-owners]}}
  - {name: production experts,  when: {environments: [production]}, needs: {approvals: 2, from: [team/sre, team/network]}}
  - {name: destroys need a DBA, when: {resources: {kinds: [PersistentVolumeClaim], actions: [delete]}}, needs: {approvals: 1, from: [team/dba]}}
  - {name: release gate, stage: deploy, when: {environments: [production]}, needs: {approvals: 1, from: [team/release], reauthenticate: true}}
windows:
  - {name: year end,  kind: freeze, environments: [production], from: 2026-12-24T18:00+01:00, to: 2027-01-02T08:00+01:00}
  - {name: weekdays,  kind: allow,  environments: [production], cron: "0 9 * * 1-4", duration: 8h, timezone: Europe/Berlin}
emergency: {from: [team/incident], approvals: 1, reviewWithin: 24h}
rollback: {protected: 2, others: 1}
runbooks: docs/runbooks
"""


def read(text: str) -> PortalConfig:
    parsed = parse_portal_yaml(text.encode())
    assert parsed.config is not None, parsed.problems
    return parsed.config


def errors(text: str | bytes) -> list[tuple[int, int, str, str]]:
    parsed = parse_portal_yaml(text.encode() if isinstance(text, str) else text)
    found = [(p.line, p.column, p.message, p.fix) for p in parsed.problems if p.severity == "error"]
    assert (parsed.config is None) == bool(found)
    return found


def test_whole_example_is_understood() -> None:
    config = read(WHOLE)
    staging, production = config.environments
    assert staging.targets[0].inputs == ("charts/web", "env/staging/web.yaml")
    assert staging.targets[0].options["kubeVersion"] == "1.32"
    assert staging.targets[5].inputs == ("cfn/vpc.yaml", "cfn/staging.json")
    assert [(step.name, step.timeout_seconds) for step in staging.deploy.steps] == [("apply", 600), ("verify", 150)]
    assert (production.after, production.protected) == (("staging",), True)
    assert production.deploy.via == "gitlab"
    assert production.deploy.raw["variables"] == {"ENVIRONMENT": "production"}
    assert config.rules[1].needs.approvals == 2
    assert config.rules[1].needs.from_ == ("team/sre", "team/network")
    assert config.rules[1].line == 22
    assert config.rules[2].when.resources is not None
    assert config.rules[2].when.resources.actions == ("delete",)
    assert config.rules[3].stage == "deploy"
    assert config.rules[3].needs.reauthenticate
    assert config.rollback == RollbackConfig(2, 1)
    assert config.emergency is not None
    assert config.emergency.review_within_seconds == 86_400
    assert config.windows[0].start is not None
    assert config.windows[1].duration_seconds == 28_800
    assert config.runbooks == "docs/runbooks"


def test_every_dispatcher_of_the_whole_example_is_known() -> None:
    assert parse_portal_yaml(WHOLE.encode()).problems == ()


def test_reauthenticate_false_asks_for_nothing() -> None:
    config = read(HEAD + "rules: [{name: a, needs: {approvals: 1, reauthenticate: false}}]")
    assert config.rules[0].needs.unevaluated == ()
    assert config.rules[0].needs.from_ == ("role/reviewer",)


def test_no_environments_means_one_without_a_pipeline() -> None:
    config = read(HEAD)
    assert config == DEFAULT_CONFIG
    assert [found.name for found in config.environments] == ["default"]
    assert not config.environments[0].deploy.has_pipeline


def test_drift_is_looked_for_as_often_as_it_says_and_else_only_when_asked() -> None:
    config = read(HEAD + "environments: {a: {drift: {every: 5m}}, b: {drift: {every: 7d}}, c: {}}")
    assert [found.drift.every_seconds for found in config.environments] == [300, 604_800, 0]


def test_drift_is_told_by_a_command_within_a_time_and_by_a_status() -> None:
    config = read(
        HEAD + "environments: {a: {drift: {command: ./d}}, b: {drift: {command: ./d, timeout: 10m, differs: 1}}}"
    )
    assert [found.drift for found in config.environments] == [
        DriftConfig(0, "./d", 120, 0), DriftConfig(0, "./d", 600, 1)
    ]  # fmt: skip


RULE = HEAD + "rules:\n  - name: a\n    needs: {approvals: 1, from: [code-owners]}\n"
DRIFT = HEAD + "environments:\n  a:\n    drift: "
MISTAKES = [
    (DRIFT + "{}\n", 4, 12, "has neither `every` nor `command`", "Write `drift: {every: 30m}`"),
    (DRIFT + "{every: 1m}\n", 4, 20, "`environments.a.drift.every` must be from 5m to 7d", "every: 30m"),
    (DRIFT + "{every: 30m, timeout: 1m}\n", 4, 34, "there is no `environments.a.drift.command`", "or remove it"),
    (DRIFT + "{command: d, timeout: 11m}\n", 4, 34, "must be from 1s to 10m", "timeout: 2m"),
    (DRIFT + "{command: d, differs: 0}\n", 4, 34, "must be a whole number from 1 to 124", "differs: 1"),
    (DRIFT + "{command: ''}\n", 4, 22, "`environments.a.drift.command`", "command: ./scripts/drift"),
    ("rules: 3\n", 1, 1, "lacks the key `apiVersion`", "Add the line"),
    ("apiVersion: portal/v2\n", 1, 13, "`apiVersion` is `portal/v2`", "Did you mean `portal/v1`"),
    (HEAD + "rule: []\n", 2, 1, "The key `rule` is not known", "Did you mean `rules`?"),
    (HEAD + "rules: {}\n", 2, 8, "`rules` must be a list, but is a mapping", "Write `- {name"),
    (HEAD + "rules: []\n", 2, 8, "`rules` is an empty list", "or remove the key"),
    (HEAD + "rules:\n", 2, 7, "`rules` must be a list, but is nothing", "Write"),
    (RULE + "    stage: depoly\n", 5, 12, "`rules[0].stage` is `depoly`", "Did you mean `deploy`?"),
    (RULE + "    when: {}\n", 5, 11, "`rules[0].when` is empty", "Remove it"),
    (RULE + "    when: {paths: []}\n", 5, 19, "empty list, which would never match", "remove the key"),
    (RULE + "    when: {paths: ['!a']}\n", 5, 20, "Exclusions are not possible", "Name the paths"),
    (RULE + "    when: {paths: ['a[b']}\n", 5, 20, "is no path pattern", ".gitignore"),
    (RULE + "    when: {path: [a]}\n", 5, 12, "The key `path` is not known", "Did you mean `paths`?"),
    (RULE + "    when: {environments: [prod]}\n", 5, 26, "`prod` is not an environment", "default"),
    (
        HEAD + "rules: [{name: a, needs: {approvals: 0}}]",
        2,
        38,
        "a whole number from 1 to 20, but is `0`",
        "approvals: 1",
    ),
    (HEAD + "rules: [{name: a, needs: {approvals: '2'}}]", 2, 38, "whole number", "approvals"),
    (HEAD + "rules: [{name: a, needs: {approvals: 1e9}}]", 2, 38, "whole number", "approvals"),
    (HEAD + "rules: [{name: a, needs: {from: [code-owners]}}]", 2, 26, "lacks the key `approvals`", "Add"),
    (HEAD + "rules: [{name: a, needs: {approvals: 1, from: []}}]", 2, 47, "empty list", "Write"),
    (HEAD + "rules: [{name: a, needs: {approvals: 1, from: ['@bob']}}]", 2, 47, "names nobody", "`user/bob`"),
    (HEAD + "rules: [{name: a, needs: {approvals: 1, from: ['@x/sre']}}]", 2, 47, "names nobody", "`team/sre`"),
    (
        HEAD + "rules: [{name: a, needs: {approvals: 1, from: [role/reviwer]}}]",
        2,
        47,
        "names nobody",
        "`role/reviewer`",
    ),
    (HEAD + "rules: [{name: a, needs: {approvals: 1, from: [team/a, team/a]}}]", 2, 56, "stands twice", "Remove"),
    (HEAD + "rules: [{name: no, needs: {approvals: 1}}]", 2, 16, "reads `no` without quotes as true or false", '"no"'),
    (HEAD + "rules: [{name: 1.30, needs: {approvals: 1}}]", 2, 16, "as a number", '"1.30"'),
    (
        HEAD + "rules: [{name: a, needs: {approvals: 1}}, {name: a, needs: {approvals: 1}}]",
        2,
        43,
        "Two rules",
        "Rename",
    ),
    (HEAD + "environments: {on: {}}", 2, 16, "reads `on` without quotes", '"on"'),
    (HEAD + "environments: {}", 2, 15, "`environments` is empty", "Write"),
    (HEAD + "environments: {'a b': {}}", 2, 16, "cannot name an environment", "production"),
    (HEAD + "environments: {a: {}, A: {}}", 2, 15, "differ only in upper and lower case", "Rename"),
    (HEAD + "environments: {a: {after: [b]}, b: {}}", 2, 1, "does not stand above it", "move it up"),
    (HEAD + "environments: {a: {after: [a]}}", 2, 1, "does not stand above it", "move it up"),
    (HEAD + "environments: {a: {after: [c]}}", 2, 1, "is not an environment", "none above"),
    (HEAD + "environments: {a: {protected: yes}}", 2, 31, "true or false, but is `yes`", "protected: true"),
    (HEAD + "environments: {a: {targets: {t: {path: x}}}}", 2, 33, "lacks the key `kind`", "helm"),
    (HEAD + "environments: {a: {targets: {t: {kind: hlm, chart: x}}}}", 2, 40, "is `hlm`", "Did you mean `helm`?"),
    (HEAD + "environments: {a: {targets: {t: {kind: helm}}}}", 2, 33, "lacks the key `chart`", "Add"),
    (
        HEAD + "environments: {a: {targets: {t: {kind: flux, path: ../x}}}}",
        2,
        52,
        "inside the repository",
        "without `..`",
    ),
    (HEAD + "environments: {a: {targets: {t: {kind: flux, path: /x}}}}", 2, 52, "inside the repository", "root"),
    (
        HEAD + "environments: {a: {targets: {t: {kind: helm, chart: c, kubeVersion: 1.30}}}}",
        2,
        69,
        "a number",
        '"1.30"',
    ),
    (HEAD + "environments: {a: {deploy: {}}}", 2, 28, "lacks the key `steps`", "Add"),
    (HEAD + "environments: {a: {deploy: {via: gitlb}}}", 2, 34, "is `gitlb`", "`gitlab`"),
    (HEAD + "environments: {a: {deploy: {via: local, steps: [], project: x}}}", 2, 48, "empty list", "Write"),
    (HEAD + "environments: {a: {deploy: {start: later, steps: [{name: a, run: b}]}}}", 2, 36, "is `later`", "auto"),
    (
        HEAD + "environments: {a: {deploy: {via: gitlab, connection: c, project: p, ref: main, tag: true}}}",
        2,
        28,
        "names a `ref`, and with `tag: true` every run starts at a tag of its own",
        "Leave one of the two out",
    ),
    (HEAD + "environments: {a: {deploy: {steps: [{name: a}]}}}", 2, 37, "lacks the key `run`", "Add"),
    (HEAD + "environments: {a: {deploy: {steps: [{name: a/b, run: b}]}}}", 2, 44, "cannot name a step", "apply"),
    (
        HEAD + "environments: {a: {deploy: {steps: [{name: a, run: b}, {name: a, run: c}]}}}",
        2,
        63,
        "Two steps",
        "Rename",
    ),
    (HEAD + "environments: {a: {deploy: {steps: [{name: a, run: b, timeout: 10}]}}}", 2, 64, "a duration", "`10m`"),
    (
        HEAD + "environments: {a: {deploy: {steps: [{name: a, run: [b]}]}}}",
        2,
        52,
        "must be text, but is a list",
        "Write",
    ),
    (HEAD + "environments: {a: {drift: {}}}", 2, 27, "has neither `every` nor `command`", "Write"),
    (HEAD + "environments: {a: {drift: {every: 4m59s}}}", 2, 35, "must be from 5m to 7d", "every: 30m"),
    (HEAD + "environments: {a: {drift: {every: 8d}}}", 2, 35, "must be from 5m to 7d", "every: 30m"),
    (HEAD + "environments: {a: {drift: {every: often}}}", 2, 35, "must be a duration", "30m"),
    (HEAD + "environments: {a: {drift: 30m}}", 2, 27, "must be a mapping", "{every: 30m}"),
    (HEAD + "rollback: {protected: -1}", 2, 23, "from 0 to 20", "Write"),
    (HEAD + "emergency: {approvals: 1}", 2, 12, "lacks the key `from`", "Add"),
    (HEAD + "runbooks: ../x", 2, 11, "inside the repository", "docs/runbooks"),
    (HEAD + "windows: [{name: a, kind: freeze}]", 2, 11, "needs either `from` and `to`", "Write"),
    (
        HEAD + "windows: [{name: a, kind: freeze, from: 2026-12-24T18:00, to: 2027-01-02T08:00+01:00}]",
        2,
        41,
        "offset",
        "+01:00",
    ),
    (HEAD + "windows: [{name: a, kind: allow, cron: '9 * *', duration: 8h}]", 2, 40, "no schedule", "Monday"),
    (
        HEAD + "windows: [{name: a, kind: allow, cron: '0 9 * * 1', duration: 8h, timezone: Mars/X}]",
        2,
        77,
        "no time zone",
        "Europe",
    ),
    (
        HEAD + "windows: [{name: a, kind: freeze, from: 2027-01-02T08:00Z, to: 2026-01-02T08:00Z}]",
        2,
        64,
        "ends before it starts",
        "Exchange",
    ),
]


@pytest.mark.parametrize(("text", "line", "column", "message", "fix"), MISTAKES)
def test_mistake_is_named_with_line_column_and_fix(text: str, line: int, column: int, message: str, fix: str) -> None:
    found = errors(text)
    assert any((at, where) == (line, column) and message in what and fix in how for at, where, what, how in found), (
        found
    )


def test_problems_come_in_the_order_of_the_lines() -> None:
    found = errors(HEAD + "rules: [{name: on, needs: {}}]\nrunbook: x\nenvironment: {}\n")
    assert [line for line, *_ in found] == sorted(line for line, *_ in found)
    assert len(found) == 4


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("2m30s", 150),
        ("8h", 28_800),
        ("1d12h", 129_600),
        ("30d", 2_592_000),
        ("31d", None),
        ("0s", None),
        ("", None),
        ("10", None),
        ("m", None),
        ("1.5h", None),
        ("5m3h", None),
        (" 5m", None),
        ("-5m", None),
        ("99999999999999999999s", None),
    ],
)
def test_duration_is_numbers_with_units(text: str, seconds: int | None) -> None:
    assert parse_duration(text) == seconds


TWO = read(
    HEAD
    + """
environments:
  staging:
    targets: {web: {kind: helm, chart: charts/web, values: [env/staging.yaml]}, infra: {kind: terraform, path: ./infra/staging/}}
  production:
    targets: {web: {kind: helm, chart: charts/web, values: [env/production.yaml]}}
"""
)


@pytest.mark.parametrize(
    ("paths", "reached"),
    [
        (["charts/web/values.yaml"], ("staging", "production")),
        (["env/staging.yaml"], ("staging",)),
        (["env/production.yaml"], ("production",)),
        (["infra/staging/a/b.tf"], ("staging",)),
        (["infra/staging"], ("staging",)),
        (["README.md", "docs/a/b.png", ".gitops/portal.yaml", ".github/CODEOWNERS"], ()),
        (["README.md", "env/production.yaml"], ("production",)),
        # Nobody names these, so they may be shared input: leaving one out would switch off its rules.
        (["modules/vpc/main.tf"], ("staging", "production")),
        (["infra/staging2/main.tf"], ("staging", "production")),
        (["env/staging.yaml", "scripts/apply"], ("staging", "production")),
        ([], ()),
    ],
)
def test_change_reaches_environments_whose_inputs_it_touches(paths: list[str], reached: tuple[str, ...]) -> None:
    assert affected_environments(TWO, paths) == reached


def test_documentation_that_a_target_reads_reaches_its_environment() -> None:
    config = read(HEAD + "environments: {a: {targets: {t: {kind: manifests, path: docs/site}}}}")
    assert affected_environments(config, ["docs/site/a.yaml"]) == ("a",)
    assert affected_environments(config, ["docs/other.md"]) == ()


def test_environment_without_targets_is_always_reached() -> None:
    config = read(HEAD + "environments: {a: {}, b: {targets: {t: {kind: manifests, path: m}}}}")
    assert affected_environments(config, ["README.md"]) == ("a",)
    assert affected_environments(config, ["m/x"]) == ("a", "b")
