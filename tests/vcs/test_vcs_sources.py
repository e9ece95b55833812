from __future__ import annotations

import socket
from pathlib import Path

import pytest

from apps.core.errors import PortalError
from apps.vcs import gateway, sources, transport
from apps.vcs.remotes import Reach, Source, SourceKind
from apps.vcs.sources import check_url
from tests.support.git import GitRepo


def code_of(action, *args, **kwargs) -> str:
    with pytest.raises(PortalError) as caught:
        action(*args, **kwargs)
    assert caught.value.message
    return caught.value.code


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://example.org/team/app.git", SourceKind.HTTPS),
        ("https://example.org:8443/app", SourceKind.HTTPS),
        ("https://[2001:db8::1]:8443/app", SourceKind.HTTPS),
        ("ssh://git@example.org:2222/team/app.git", SourceKind.SSH),
        ("ssh://example.org/~/app", SourceKind.SSH),
        ("git@example.org:team/app.git", SourceKind.SSH),
    ],
)
def test_web_and_ssh_addresses_are_accepted(url, kind):
    assert check_url(url) is kind


@pytest.mark.parametrize(
    "url",
    [
        "", "app", "./app", "~/app", "file:///srv/app.git", "FILE:///srv/app", "git://example.org/app", "ftp://x/y",
        "ext::sh -c touch% /tmp/pwn", "EXT::sh", "ext::x", "fd::3", "http::https://x/y", "HTTPS://example.org/x",
        "http://example.org/app", "https://alice:token@example.org/app", "https://token@example.org/app",
        "ssh://git:pw@example.org/app", "ssh://-oProxyCommand=x/app", "ssh://git@-oProxyCommand=x/app",
        "-oProxyCommand=x:app", "git@-host:app", "-u@host:app", "git@host:-app", "https://-host/app",
        "https://exa mple.org/app", "https://example.org/a\nb", "https://example.org/a\x00b", "https://example.org",
        "https://example.org:0/x", "https://example.org:99999/x", "https://exämple.org/x", "https://a..b/x",
        "https://example.org\\@evil.org/x", "https://example.org/x?y=1", "https://example.org/x#y", "https://[::1/x",
        "--upload-pack=touch /tmp/pwn", "ssh:///app", "https:///app", "https://[127.0.0.1]/x", "a:b@c:d",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(url):
    assert code_of(check_url, url) == "url_refused"


def test_plain_http_only_where_it_is_allowed():
    assert check_url("http://127.0.0.1:99/x", http_hosts={"127.0.0.1"}) is SourceKind.HTTPS
    assert code_of(check_url, "http://127.0.0.1:99/x") == "url_refused"


def test_local_path_only_below_a_listed_directory(tmp_path):
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    inside = GitRepo.create(allowed / "in.git", bare=True)
    secret = GitRepo.create(outside / "secret.git", bare=True)
    (allowed / "link.git").symlink_to(secret.path)
    for made in ("HEAD", "objects", "refs"):
        (allowed / "half.git").mkdir(exist_ok=True)
        (allowed / "half.git" / made).symlink_to(secret.path / made)
    work = GitRepo.create(allowed / "work")
    assert check_url(str(inside.path), local_dirs=[allowed]) is SourceKind.LOCAL
    assert check_url(str(work.path), local_dirs=[allowed]) is SourceKind.LOCAL
    for path in (secret.path, allowed / "link.git", allowed / "half.git", f"{allowed}/../outside/secret.git", "/etc"):
        assert code_of(check_url, str(path), local_dirs=[allowed]) == "url_refused"
    assert code_of(check_url, str(inside.path)) == "url_refused"
    assert code_of(check_url, str(allowed / "nope"), local_dirs=[allowed]) == "not_a_repository"
    assert code_of(check_url, f"{inside.path}\n", local_dirs=[allowed]) == "url_refused"


def test_local_repository_that_borrows_objects_is_refused(tmp_path):
    one = GitRepo.create(tmp_path / "in.git", bare=True)
    (one.path / "objects/info").mkdir(exist_ok=True)
    (one.path / "objects/info/alternates").write_text("/srv/other/objects\n")
    assert code_of(check_url, str(one.path), local_dirs=[tmp_path]) == "url_refused"


@pytest.mark.parametrize(
    ("address", "listed", "allowed"),
    [
        ("93.184.216.34", False, True),
        ("2606:4700::1111", False, True),
        ("10.0.0.1", False, False),
        ("10.0.0.1", True, True),
        ("127.0.0.1", False, False),
        ("192.168.1.4", True, True),
        ("::1", False, False),
        ("fd12::1", False, False),
        ("100.64.0.1", False, False),
        ("169.254.169.254", True, False),
        ("fe80::1", True, False),
        ("::ffff:169.254.169.254", True, False),
        ("64:ff9b::a9fe:a9fe", True, False),
        ("::ffff:10.0.0.1", False, False),
        ("fd00:ec2::254", True, False),
        ("100.100.100.200", True, False),
        ("0.0.0.0", True, False),
        ("224.0.0.1", True, False),
    ],
)
def test_which_network_addresses_may_be_reached(address, listed, allowed):
    host = sources.Address(SourceKind.HTTPS, "https", address, 443)
    reach = Reach(private_hosts=frozenset({address} if listed else ()))
    if allowed:
        assert sources.pinned_address(host, reach) == address
    else:
        assert code_of(sources.pinned_address, host, reach) == "url_refused"


def test_name_that_also_resolves_to_a_private_address_is_refused(monkeypatch):
    answers = [(2, 1, 6, "", (ip, 443)) for ip in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: answers)
    host = sources.Address(SourceKind.HTTPS, "https", "example.org", 443)
    assert code_of(sources.pinned_address, host, Reach()) == "url_refused"


def test_address_is_resolved_once_and_pinned(monkeypatch, tmp_path):
    asked = []

    def answer(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    with transport.opened(Source("https://example.org/x", "bob", "s3cret")) as (url, how):
        assert url == "https://example.org/x"
        assert "http.curloptResolve=example.org:443:93.184.216.34" in how.config
        assert "s3cret" not in " ".join(gateway.command_line(tmp_path, "ls-remote", [url], how))
        assert how.protocols == "https"
        assert "s3cret" not in repr(how)
    assert asked == ["example.org"]
    assert "s3cret" not in repr(Source("https://example.org/x", "bob", "s3cret"))


def test_ssh_command_is_ours_and_its_key_file_is_private_and_short_lived(monkeypatch, tmp_path):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_a, **_k: [(2, 1, 6, "", ("93.184.216.34", 22))])
    reach = Reach(state_dir=tmp_path / "with space")
    with transport.opened(Source("git@example.org:x", ssh_key="KEY", reach=reach)) as (_, how):
        command = how.env["GIT_SSH_COMMAND"]
        for part in (
            "BatchMode=yes",
            "StrictHostKeyChecking=accept-new",
            "IdentitiesOnly=yes",
            "ProxyCommand=none",
            "HostName=93.184.216.34",
            "HostKeyAlias=example.org",
            f"'-oUserKnownHostsFile={tmp_path}/with",
        ):
            assert part in command  # fmt: skip
        key = Path(command.partition("IdentityFile=")[2].split()[0])
        assert key.read_text() == "KEY\n"
        assert key.stat().st_mode & 0o777 == 0o600
    assert not key.exists()


@pytest.mark.parametrize("part", ["objects/pack", "objects/ab", "objects/pack/pack-1.pack"])
def test_objects_borrowed_by_a_link_from_outside_are_refused(tmp_path: Path, part: str) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    mine = GitRepo.create(allowed / "mine.git", bare=True)
    outside.mkdir()
    link = mine.path / part
    if link.is_dir():
        link.rmdir()
    link.symlink_to(outside)
    assert code_of(check_url, str(mine.path), local_dirs=[allowed]) == "url_refused"
