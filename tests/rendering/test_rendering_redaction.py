"""Nothing secret leaves redaction, equal stays equal, and what only refers to a secret stays readable."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.rendering.model import Resource, ResourceId
from apps.rendering.redaction import MARK, keyed, redact, redact_raw, redact_text, redact_value, unmarked

CANARY = "canary-7f3e9a5b1d"
FINGERPRINT = keyed(b"key of a test")


def resource(kind: str, **body: object) -> Resource:
    return Resource(ResourceId("", kind, "web", "one"), {"apiVersion": "v1", "kind": kind, **body})


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_the_data_of_a_secret_becomes_fingerprints_and_its_keys_stay() -> None:
    found = redact(resource("Secret", data={"a": encoded(CANARY)}, stringData={"b": CANARY, "c": "x"}), FINGERPRINT)
    assert found.body["data"]["a"] == found.body["stringData"]["b"] == FINGERPRINT(CANARY.encode())
    assert found.body["stringData"]["c"] != found.body["stringData"]["b"]
    assert CANARY not in json.dumps(found.body)
    assert encoded(CANARY) not in json.dumps(found.body)


def test_data_that_is_no_base64_is_hidden_too() -> None:
    found = redact(resource("Secret", data={"a": f"%{CANARY}", "b": 7, "c": None}), FINGERPRINT)
    assert all(value.startswith(MARK) for value in found.body["data"].values())
    assert CANARY not in str(found.body)


def test_what_was_applied_last_is_hidden_in_a_secret() -> None:
    note = {"kubectl.kubernetes.io/last-applied-configuration": f'{{"data":{{"a":"{encoded(CANARY)}"}}}}'}
    found = redact(resource("Secret", metadata={"name": "one", "annotations": note | {"a": "b"}}), FINGERPRINT)
    assert encoded(CANARY) not in json.dumps(found.body)
    assert found.body["metadata"]["annotations"]["a"] == "b"


def test_without_the_key_of_the_portal_a_fingerprint_tells_nothing() -> None:
    assert keyed(b"another")(b"x") != keyed(b"key")(b"x")


@pytest.mark.parametrize(
    "name",
    [
        "password", "DB_PASSWORD", "dbPassword", "spring.datasource.password", "client_secret", "clientSecret",
        "API_KEY", "apiKey", "GITHUB_TOKEN", "accessToken", "private_key", "AWS_SECRET_ACCESS_KEY", "admin-password",
        "REDIS_DSN", "credentials", "SECRET", "secret", "TOKEN", "PASSWORD", "PASSWD", "pass", "OAUTH_SECRET", "DB_PASS",
        ".dockerconfigjson", ".dockercfg", "dockerConfigJson",
    ],
)  # fmt: skip
def test_names_that_say_so_hide_their_value(name: str) -> None:
    assert CANARY not in json.dumps(redact_value({"spec": {"values": {name: CANARY}}}, FINGERPRINT))
    assert CANARY not in json.dumps(redact_value({"env": [{"name": name, "value": CANARY}]}, FINGERPRINT))
    assert "1234" not in json.dumps(redact_value({name: 1234}, FINGERPRINT))


@pytest.mark.parametrize(
    "name",
    [
        "secretName", "existingSecret", "tokenExpirationSeconds", "passwordPolicy", "imagePullSecrets", "key",
        "monkey", "tokens_per_minute", "serviceAccountToken.path", "AWS_ACCESS_KEY_ID", "automountServiceAccountTokens2",
    ],
)  # fmt: skip
def test_names_that_only_refer_to_one_stay_readable(name: str) -> None:
    assert redact_value({name: "web-tls"}, FINGERPRINT) == {name: "web-tls"}


def test_below_a_secret_name_only_the_place_of_the_secret_stays_readable() -> None:
    found = redact_value({"credentials": {"secretName": "db", "user": CANARY, "parts": [CANARY]}}, FINGERPRINT)
    assert found["credentials"]["secretName"] == "db"
    assert CANARY not in json.dumps(found)


def test_a_variable_whose_value_comes_from_elsewhere_stays_readable() -> None:
    variable = {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    assert redact_value(variable, FINGERPRINT) == variable


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE" + CANARY + "\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n" + CANARY,
        "AKIAIOSFODNN7EXAMPLE", "ghp_" + "a1" * 18, "glpat-" + "x" * 20, "xoxb-1234567890-abcdef", "sk_live_" + "9" * 24,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl", f"postgres://app:{CANARY}@db/app",
    ],
)  # fmt: skip
def test_what_looks_like_a_key_is_hidden_wherever_it_stands(text: str) -> None:
    secret = text.rsplit("://app:", maxsplit=1)[-1].split("@", maxsplit=1)[0]
    for found in (
        redact_text(f"Error: {text} refused", FINGERPRINT),
        json.dumps(redact_value([f"x {text}"], FINGERPRINT)),
    ):
        assert secret not in found
        assert MARK in found or "\\u2022" in found


def test_a_secret_that_a_volume_or_a_list_only_names_stays_readable() -> None:
    volume = {"name": "tls", "secret": {"secretName": "web", "defaultMode": 420, "items": [{"key": "a", "path": "b"}]}}
    body = {"volumes": [volume], "Secrets": [{"Name": "X", "ValueFrom": "arn"}]}
    assert redact_value(body, FINGERPRINT) == body
    assert CANARY not in json.dumps(redact_value({"secret": CANARY}, FINGERPRINT))


DOCKER = json.dumps({"auths": {"registry.example.org": {"username": "ci", "auth": encoded(f"ci:{CANARY}")}}})


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"db": {"password": CANARY}, "n": 1}),
        json.dumps([{"name": "DB_PASSWORD", "value": CANARY}]),
        json.dumps({"outer": json.dumps({"token": CANARY})}),
        json.dumps({"credentials": {"deep": [1, {"x": CANARY}]}}),
        '{"password": "x", "password": "' + CANARY + '"}',
        '{"password": "x\\u0063' + CANARY[1:] + '"}',
        'var config = {"apiKey": "' + CANARY + '", };',
        '{"secret": "' + CANARY + '", "n": ' + "9" * 5000 + "}",
        '{"a": 1}\n{"token": "' + CANARY + '"}',
        'run --config={"db": {"password": "' + CANARY + '"}}',
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n" + CANARY + "\n-----END PGP PRIVATE KEY BLOCK-----",
    ],
)
def test_secrets_in_json_and_keys_that_stand_in_texts_are_hidden(text: str) -> None:
    found = redact(resource("ConfigMap", data={"app.json": text}), FINGERPRINT)
    assert CANARY not in json.dumps(found.body)
    assert CANARY[1:] not in json.dumps(found.body)
    assert redact(found, FINGERPRINT) == found


def test_logins_of_registries_are_hidden_wherever_they_stand() -> None:
    for value in (DOCKER, json.loads(DOCKER), f"x\n{json.dumps({'.dockerconfigjson': DOCKER})}"):
        found = json.dumps(redact_value({"anything": value}, FINGERPRINT), ensure_ascii=False)
        assert CANARY not in found
        assert encoded(f"ci:{CANARY}") not in found
        assert MARK in found
    hidden = redact(resource("ConfigMap", data={".dockerconfigjson": encoded(DOCKER)}), FINGERPRINT)
    assert encoded(DOCKER) not in json.dumps(hidden.body)


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "DSA ", "OPENSSH ", "ENCRYPTED "])
def test_private_keys_in_config_maps_are_hidden_also_in_base64(kind: str) -> None:
    key = f"-----BEGIN {kind}PRIVATE KEY-----\n{CANARY}\n-----END {kind}PRIVATE KEY-----\n"
    body = {
        "data": {"a": f"# a key\n{key}", "b": encoded(key), "c": json.dumps({"x": key})},
        "binaryData": {"d": encoded(key)},
    }
    found = json.dumps(redact(resource("ConfigMap", **body), FINGERPRINT).body)
    assert CANARY not in found
    assert encoded(key)[24:60] not in found


def test_json_without_a_secret_stays_as_it_is_written_and_other_json_keeps_its_layout() -> None:
    plain = '{ "a": [1, 2.50, "x"],\n  "é": "\\u00e9", "url": "https://example.org" }'
    assert redact_value({"x": plain}, FINGERPRINT) == {"x": plain}
    text = '{ "a": 1,\n  "password": "one" }'
    assert redact_value({"x": text}, FINGERPRINT) == {"x": text.replace("one", FINGERPRINT(b"one"))}


def test_ordinary_text_stays_as_it_is() -> None:
    body = {"image": "nginx@sha256:" + "a" * 64, "url": "https://example.org/a:b", "args": ["--key", "value"], "n": 1}
    assert redact_value(body, FINGERPRINT) == body


def test_redacting_twice_changes_nothing() -> None:
    once = redact(resource("Secret", data={"a": encoded(CANARY)}, token="x"), FINGERPRINT)
    assert redact(once, FINGERPRINT) == once


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_a_secret_that_is_set_to_its_own_fingerprint_is_another_one(field: str) -> None:
    """It is shown to everybody who may read a change, and would be a password that they know."""
    write = encoded if field == "data" else str
    old = redact_raw(resource("Secret", **{field: {"a": write(CANARY)}}), FINGERPRINT)
    known = old.body[field]["a"]
    for value in (write(known), known):
        new = redact_raw(resource("Secret", **{field: {"a": value}}), FINGERPRINT)
        assert new.body[field]["a"] != known
        assert known not in str(new.body)
    config = redact_raw(resource("ConfigMap", data={"password": CANARY}), FINGERPRINT)
    known = config.body["data"]["password"]
    assert redact_raw(resource("ConfigMap", data={"password": known}), FINGERPRINT).body != config.body


@given(st.lists(st.text(st.sampled_from(f"{MARK[0]}[]a1"), max_size=12), min_size=2, max_size=2, unique=True))
def test_texts_with_the_mark_that_differ_stay_different(texts: list[str]) -> None:
    one, other = (unmarked({"x": [text], text: 1}, FINGERPRINT) for text in texts)
    assert one != other
    assert not any(text.startswith(MARK) for text in one)
    assert unmarked("plain", FINGERPRINT) == "plain"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.just(CANARY),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "data", "value", "x"]), inner),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(JSON)
def test_whatever_stands_below_a_secret_name_or_in_a_secret_the_canary_is_gone(value: object) -> None:
    hidden = redact_value({"password": value}, FINGERPRINT)
    assert CANARY not in json.dumps(hidden)
    found = redact(resource("Secret", data={"a": value, "b": CANARY}), FINGERPRINT)
    assert CANARY not in json.dumps(found.body)


@settings(max_examples=150, deadline=None)
@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_whatever_stands_below_a_secret_name_in_json_in_a_text_is_gone(
    value: object, ascii_: bool, indent: int | None
) -> None:
    text = json.dumps({"a": {"password": value}, "b": 1}, ensure_ascii=ascii_, indent=indent)
    hidden = redact_value({"x": text}, FINGERPRINT)["x"]
    assert CANARY not in hidden
    assert json.loads(hidden)["b"] == 1


@pytest.mark.parametrize(
    "line",
    [
        "password = canary-canary", "db.password=canary-canary", "  api_key: canary-canary", "- client_secret: 'canary-canary'",
        "PASSWORD\t=\tcanary-canary", "spring.datasource.password: canary-canary",
    ],
)  # fmt: skip
def test_what_stands_behind_a_secret_name_on_a_line_of_a_file_is_hidden(line: str) -> None:
    body = {"data": {"app.ini": f"[db]\nuser = shop\n{line}\nport = 1\n"}}
    hidden = redact_value(body, FINGERPRINT)
    assert "canary" not in str(hidden)
    assert "user = shop" in str(hidden)
    assert hidden == redact_value(hidden, FINGERPRINT)
    assert hidden != redact_value(json.loads(json.dumps(body).replace("canary-canary", "other-canary")), FINGERPRINT), (
        "a change is seen"
    )


@pytest.mark.parametrize(
    "line",
    ["password: ${DB_PASSWORD}", "password = {{ .Values.password }}", "token: |", "secretName: web", "# password: no"],
)
def test_what_only_says_where_a_secret_is_stays_readable_in_a_file(line: str) -> None:
    text = f"[db]\n{line}\nport = 1\n"
    assert redact_value(text, FINGERPRINT) == text


@pytest.mark.parametrize(
    "items",
    [
        ["--password", CANARY],
        ["-db.password", CANARY],
        ["server", "--api-key", CANARY, "--port", "80"],
        [f"--admin-token={CANARY}"],
        [f"--client-secret={CANARY} and more"],
        ["--token", "--password", CANARY],
        ["--token", f"--password={CANARY}"],
        ["--password=$(FIRST)", "--password", CANARY],
    ],
)
def test_the_value_of_an_option_with_a_secret_name_is_hidden(items: list[str]) -> None:
    found = redact(resource("Pod", spec={"containers": [{"args": items}]}), FINGERPRINT)
    text = json.dumps(found.body)
    assert CANARY not in text
    assert MARK in json.loads(text)["spec"]["containers"][0]["args"][-1 if items[-1] != "80" else 2]
    assert redact(found, FINGERPRINT).body == found.body


@pytest.mark.parametrize(
    "items",
    [
        ["--password-file", "/etc/password"],
        ["--password", "$(PASSWORD)"],
        ["--password", "--verbose"],
        ["--password=$PASSWORD"],
        ["--token", "true"],
        ["--token"],
        ["--token", 7, "x"],
        ["password", "plain"],
        ["--tokens-per-minute", "60"],
        ["--tokenizer=fast", "--keyring", "a"],
    ],
)
def test_options_that_hold_no_secret_stay_readable(items: list[object]) -> None:
    assert redact_value({"args": items}, FINGERPRINT) == {"args": items}
