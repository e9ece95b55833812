"""What `deploy.health` may say."""

from __future__ import annotations

import pytest

from apps.policies.config import parse_portal_yaml
from apps.policies.config.model import PortalConfig
from apps.policies.config.words import differences

HEAD = """\
apiVersion: portal/v1
environments:
  staging:
    deploy:
      via: local
      steps: [{name: apply, run: 'true'}]
      health:
"""
GOOD = "        checks: [{name: answers, http: /healthz, connection: shop, every: 10s}]\n        for: 1m\n"


OTHER = "{name: other, command: b, timeout: 2m}"


def problems(health: str) -> list[str]:
    return [problem.message for problem in parse_portal_yaml((HEAD + health).encode()).problems]


def test_a_whole_health_is_read() -> None:
    found = parse_portal_yaml((HEAD + GOOD + "        within: 5m\n        otherwise: roll-back\n").encode())
    assert found.problems == ()
    assert found.config is not None
    health = found.config.environments[0].deploy.health
    assert (health.for_seconds, health.within_seconds, health.otherwise) == (60, 300, "roll-back")
    assert health.checks[0].target == "/healthz"


def test_a_command_is_read_with_its_time_limit() -> None:
    for more, seconds in (("", 30), (", timeout: 2m", 120)):
        found = parse_portal_yaml((HEAD + f"        checks: [{{name: smoke, command: ./smoke.sh{more}}}]\n").encode())
        assert found.problems == ()
        assert found.config is not None
        (check,) = found.config.environments[0].deploy.health.checks
        assert (check.kind, check.target, check.timeout_seconds, check.connection) == (
            "command",
            "./smoke.sh",
            seconds,
            "",
        )


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("/healthz", "/../admin", "path"),
        ("/healthz", "/a/%2e%2e/b", "path"),
        ("/healthz", "https://elsewhere.example.org/", "path"),
        ("/healthz", '"/\\u0001"', "path"),
        ("every: 10s", "every: 1h", "more rarely"),
        ("connection: shop, ", "", "lacks the key"),
        ("http: /healthz", "http: /a, resources: healthy", "exactly one"),
        ("http: /healthz", "prometheus: up", "neither"),
        ("for: 1m", "for: 1m\n        within: 30s", "longer"),
        ("name: answers", "name: 'a/b'", "characters"),
        ("http: /healthz", "command: ./smoke.sh", "The key `connection` is not known"),
        ("http: /healthz, connection: shop", "command: ''", "between 1 and"),
        ("http: /healthz, connection: shop", "command: a, timeout: 6m", "at most 300 s at a look"),
        ("http: /healthz, connection: shop, every: 10s}]", f"command: a, timeout: 200s}}, {OTHER}]", "at most 300 s"),
        (
            "http: /healthz, connection: shop, every: 10s}]\n        for: 1m",
            "command: a, timeout: 40s}]\n        for: 1m\n        within: 90s",
            "less time beside `for` than the 40 s",
        ),
        ("http: /healthz", "http: /healthz, timeout: 5s", "The key `timeout` is not known"),
        ("http: /healthz, connection: shop, every: 10s", "command: a, every: 4s", "is run every 5 s at most"),
    ],
)
def test_what_could_not_mean_anything_is_an_error(old: str, new: str, word: str) -> None:
    assert word in " ".join(problems(GOOD.replace(old, new)))


def test_another_command_under_the_same_name_is_told_as_a_difference() -> None:
    def read(command: str) -> PortalConfig:
        config = parse_portal_yaml((HEAD + f"        checks: [{{name: smoke, command: {command}}}]\n").encode()).config
        assert config is not None
        return config

    (found,) = differences(read("./smoke.sh"), read("./other.sh"))
    assert "healthy (smoke: command ./smoke.sh) for 1m" in found.before
    assert "healthy (smoke: command ./other.sh) for 1m" in found.after
    (found,) = differences(read("a" * 70 + "b"), read("a" * 70 + "c"))
    assert f"smoke: command {'a' * 59}…)" in found.before
    assert found.after.endswith(" (in its details)")
