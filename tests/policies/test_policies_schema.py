"""The published JSON Schema says the same as the loader about the shape of the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from apps.policies.config import deploying, document, environments, health, needs, parse_portal_yaml, rules, windows

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = json.loads((ROOT / "apps/policies/schema/portal.schema.json").read_text())
HEAD = "apiVersion: portal/v1\n"
HEALTH = "environments: {{a: {{deploy: {{steps: [{{name: a, run: b}}], health: {{checks: [{{name: c, {}}}]}}}}}}}}"

SAME = [
    HEAD,
    HEAD + "environments: {a: , b: {after: [a], protected: true}}",
    HEAD + "environments: {a: {targets: {t: {kind: helm, chart: c, values: [v], release: r}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: terraform, path: p, workspace: w}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: terraform, path: p, plan: runner}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: terraform, path: p, plan: somebody}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: cloudformation, template: p, plan: pipeline}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: helm, chart: p, plan: runner}}}}",
    HEAD
    + "environments: {a: {targets: {t: {kind: helm, chart: c, apiVersions: [a/v1], includeCrds: true, optional: true}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: manifests, path: p, namespace: n}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: manifests, path: p, includeCrds: true}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: helm, chart: c, includeCrds: 'yes'}}}}",
    HEAD + "rules: [{name: a, when: {resources: {kinds: [a], risk: [rbac]}}, needs: {approvals: 1}}]",
    HEAD + "rules: [{name: a, when: {resources: {}}, needs: {approvals: 1}}]",
    HEAD + "rules: [{name: a, when: {resources: {actions: [destroy]}}, needs: {approvals: 1}}]",
    HEAD + "environments: {a: {deploy: {steps: [{name: a, run: b, timeout: 2m30s}]}}}",
    HEAD + "environments: {a: {deploy: {via: argocd, connection: c, application: x, start: manual}}}",
    HEAD + "rules: [{name: a, needs: {approvals: 1}}]",
    HEAD + "rules: [{name: a, stage: deploy, when: {paths: [a]}, needs: {approvals: 2, from: [team/a, code-owners]}}]",
    HEAD + "environments: {a: {drift: {every: 30m}}}",
    HEAD + "environments: {a: {drift: {every: often}}}",
    HEAD + "environments: {a: {drift: {}}}",
    HEAD + "environments: {a: {drift: {every: 30m, at: noon}}}",
    HEAD + "rollback: {protected: 0}",
    HEAD + HEALTH.format("command: ./smoke.sh, every: 20s, timeout: 1m"),
    HEAD + HEALTH.format("command: ./smoke.sh, every: 4s"),
    HEAD + HEALTH.format("command: ./smoke.sh, every: 5s"),
    HEAD + HEALTH.format("command: ./smoke.sh, every: 54s"),
    HEAD + HEALTH.format("command: ./smoke.sh, connection: c"),
    HEAD + HEALTH.format("command: [a, b]"),
    HEAD + HEALTH.format("http: /, connection: c, timeout: 5s"),
    HEAD + "rules: [{name: a, when: {size: {files: 5}, authors: [unknown]}, needs: {checks: [unit tests]}}]",
    HEAD + "rules: [{name: a, needs: {all: [{from: [team/a]}, {approvals: 2, from: [team/b]}], distinct: false}}]",
    HEAD + "rules: [{name: a, needs: {approvals: 1, expires: 7d, reauthenticate: true, checks: [a]}}]",
    HEAD
    + "windows: [{name: a, kind: allow, cron: '0 9 * * 1', duration: 8h, holds: [merge, deploy], override: [team/a]}]",
    HEAD + "emergency: {from: [team/a]}",
    HEAD + "secrets: [{name: a, keys: ['*_apikey'], values: ['acme-*', abc]}]",
    HEAD + "environments: {a: {targets: {t: {kind: flux, path: p, kubeVersion: '1.32', checks: required}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: cloudformation, template: p, checks: shown}}}}",
    HEAD + "environments: {a: {deploy: {via: github, connection: c, repository: o/r, workflow: w, tag: true}}}",
    HEAD + "environments: {a: {deploy: {via: gitlab, connection: c, project: p, ref: main, tag: false}}}",
    HEAD + "environments: {a: {deploy: {via: gitlab, connection: c, project: p, jobs: [deploy, 'check: [eu]']}}}",
    HEAD
    + "environments: {a: {deploy: {via: github, connection: c, repository: o/r, workflow: w, jobs: [deploy, 'a / b']}}}",
    HEAD
    + "environments: {a: {deploy: {via: kubernetes, connection: c, job: {image: i, command: [a, b], env: {A: 1, B: x, C: true}, serviceAccount: s, backoffLimit: 3}}}}",
    # refused by both
    *(
        HEAD + f"environments: {{a: {{deploy: {{via: kubernetes, connection: c, job: {job}}}}}}}"
        for job in (
            "a",
            "[]",
            "{}",
            "{image: 3}",
            "{image: a, command: rm}",
            "{image: a, command: [1]}",
            "{image: a, env: {A: []}}",
            "{image: a, env: {A: null}}",
            "{image: a, privileged: true}",
            "{image: a, backoffLimit: 11}",
            "{image: a, backoffLimit: true}",
            "{image: a, serviceAccount: ''}",
            "{image: a, env: [A]}",
        )
    ),
    HEAD + "environments: {a: {deploy: {via: gitlab, connection: c, project: p, ref: main, tag: true}}}",
    HEAD + "environments: {a: {deploy: {via: github, connection: c, repository: o/r, workflow: w, ref: r, tag: true}}}",
    HEAD + "environments: {a: {deploy: {via: gitlab, connection: c, project: p, tag: v1}}}",
    *(
        HEAD + f"environments: {{a: {{deploy: {{via: {via}, connection: c, jobs: {jobs}}}}}}}"
        for via in ("gitlab, project: p", "github, repository: o/r, workflow: w")
        for jobs in ("deploy", "[]", "['']", "[a, a]", "[{a: b}]", "[3]", str([f"j{n}" for n in range(21)]))
    ),
    HEAD + "environments: {a: {deploy: {via: jenkins, connection: c, job: j, jobs: [deploy]}}}",
    HEAD + "environments: {a: {deploy: {via: jenkins, connection: c, job: j, tag: true}}}",
    HEAD + "environments: {a: {targets: {t: {kind: terraform, path: p, checks: required}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: helm, chart: p, checks: true}}}}",
    HEAD + "secrets: []",
    HEAD + "secrets: [{name: a}]",
    HEAD + "secrets: [{keys: [abc]}]",
    HEAD + "secrets: [{name: a, keys: ['*']}]",
    HEAD + "secrets: [{name: a, keys: ['**a*b*']}]",
    HEAD + "secrets: [{name: a, values: ['abc?']}]",
    HEAD + "secrets: [{name: a, values: ['a c d']}]",
    HEAD + f"secrets: [{{name: a, values: [{'a' * 101}]}}]",
    "rules: [{name: a, needs: {approvals: 1}}]",
    HEAD + "x: 1",
    HEAD + "environments: {}",
    HEAD + "environments: []",
    HEAD + "environments: {a b: {}}",
    HEAD + "environments: {a: {x: 1}}",
    HEAD + "environments: {a: {protected: 'true'}}",
    HEAD + "environments: {a: {targets: {t: {kind: helm}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: helm, chart: c, path: p}}}}",
    HEAD + "environments: {a: {targets: {t: {kind: nomad, path: p}}}}",
    HEAD + "environments: {a: {deploy: {via: local}}}",
    HEAD + "environments: {a: {deploy: {via: gitlab, steps: []}}}",
    HEAD + "environments: {a: {deploy: {steps: [{name: a}]}}}",
    HEAD + "environments: {a: {deploy: {steps: [{name: a, run: b, timeout: 1 minute}]}}}",
    HEAD + "rules: []",
    HEAD + "rules: [{name: a}]",
    HEAD + "rules: [{name: a, needs: {approvals: 0}}]",
    HEAD + "rules: [{name: a, needs: {seen: all}}]",
    HEAD + "rules: [{name: a, needs: {all: [{from: [code-owners]}]}}]",
    HEAD + "rules: [{name: a, needs: {all: [{from: [team/a]}], approvals: 1}}]",
    HEAD + "rules: [{name: a, needs: {approvals: 1, distinct: true}}]",
    HEAD + "rules: [{name: a, needs: {from: [team/a], checks: [b]}}]",
    HEAD + "rules: [{name: a, needs: {checks: ['']}}]",
    HEAD + "rules: [{name: a, needs: {checks: [b], expires: 7d}}]",
    HEAD + "rules: [{name: a, needs: {checks: [b], seen: all}}]",
    HEAD + "rules: [{name: a, when: {size: {}}, needs: {approvals: 1}}]",
    HEAD + "rules: [{name: a, when: {size: {lines: 0}}, needs: {approvals: 1}}]",
    HEAD + "rules: [{name: a, when: {authors: [robots]}, needs: {approvals: 1}}]",
    HEAD + "windows: [{name: a, kind: allow, cron: '0 9 * * 1', duration: 8h, holds: [review]}]",
    HEAD + "windows: [{name: a, kind: allow, cron: '0 9 * * 1', duration: 8h, override: []}]",
    HEAD + "rules: [{name: a, needs: {approvals: 1, from: []}}]",
    HEAD + "rules: [{name: a, needs: {approvals: 1, from: [bob]}}]",
    HEAD + "rules: [{name: a, needs: {approvals: 1, from: [role/king]}}]",
    HEAD + "rules: [{name: a, when: {}, needs: {approvals: 1}}]",
    HEAD + "rules: [{name: a, when: {paths: []}, needs: {approvals: 1}}]",
    HEAD + "rules: [{name: a, stage: build, needs: {approvals: 1}}]",
    HEAD + "rollback: {protected: -1}",
    HEAD + "windows: [{name: a, kind: freeze}]",
    HEAD + "emergency: {}",
    HEAD + "rego: policies/merge",
    HEAD + "rego: ''",
    HEAD + "rego: [policies]",
    HEAD + "rego: /policies",
    HEAD + "rego: a/../b",
    HEAD + "rego: .",
]


def test_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", SAME)
def test_schema_and_loader_agree(text: str) -> None:
    by_schema = jsonschema.Draft202012Validator(SCHEMA).is_valid(yaml.safe_load(text))
    by_loader = parse_portal_yaml(text.encode()).config is not None
    assert by_schema == by_loader


def test_schema_knows_exactly_the_keys_of_the_loader() -> None:
    defs = SCHEMA["$defs"]
    assert set(SCHEMA["properties"]) == set(document.KEYS)
    assert set(defs["environment"]["properties"]) == set(environments.ENVIRONMENT_KEYS)
    assert set(defs["step"]["properties"]) == set(deploying.STEP_KEYS)
    assert set(defs["health"]["properties"]) == set(health.HEALTH_KEYS)
    assert set(defs["rule"]["properties"]) == set(rules.RULE_KEYS)
    assert set(defs["rule"]["properties"]["when"]["properties"]) == set(rules.WHEN_KEYS)
    assert set(defs["rule"]["properties"]["needs"]["properties"]) == set(needs.NEEDS_KEYS)
    assert set(defs["window"]["properties"]) == set(windows.WINDOW_KEYS)
    targets = {one["properties"]["kind"]["const"]: set(one["properties"]) for one in defs["target"]["oneOf"]}
    assert targets == {kind: set(environments.target_keys(kind)) for kind in environments.TARGET_KINDS}
    deploys = {one["properties"]["via"]["const"]: set(one["properties"]) for one in defs["deploy"]["oneOf"]}
    assert deploys == {via: set(deploying.deploy_keys(via)) for via in deploying.TOLD}


def test_example_of_the_documentation_is_valid() -> None:
    text = (ROOT / "docs/portal-yaml.md").read_text().split("```yaml\n")[1].split("```")[0]
    assert parse_portal_yaml(text.encode()).problems == ()
    jsonschema.validate(yaml.safe_load(text), SCHEMA)
