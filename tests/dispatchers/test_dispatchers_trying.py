"""Every kind of connection can be tried, those of health checks too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from apps.deployments import services
from apps.deployments.dispatchers.kinds import KINDS
from apps.deployments.dispatchers.registry import TESTS
from apps.deployments.models import Connection
from tests.support.people import person
from tests.support.stub_server import Answered, Asked, Stub, serving

pytestmark = pytest.mark.django_db
TOKEN = "shown-to-nobody-1"  # of no real system


@dataclass
class Guarded(Stub):
    """Lets in who has the token; ``says`` is its answer then."""

    says: Answered = field(default_factory=Answered)

    def answer(self, asked: Asked) -> Answered:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answered(401, {"message": "no token"})
        return self.says


@pytest.fixture
def there(settings: Any) -> Iterator[Guarded]:
    settings.PORTAL_CONNECTION_PLAIN_HTTP = ["127.0.0.1"]
    with serving(Guarded()) as found:
        yield found


def tried(there: Guarded, kind: str, token: str = TOKEN) -> Connection:
    erin = person("erin", is_administrator=True)
    row = services.create_connection(erin, name="shop", kind=kind, url=there.url, values={"token": token})
    return services.try_connection(erin, connection=row)


def test_there_is_a_way_to_try_each_kind() -> None:
    assert set(TESTS) == set(KINDS)


@pytest.mark.parametrize("status", [200, 404, 503])
def test_an_address_works_where_something_answers_and_lets_us_in(there: Guarded, status: int) -> None:
    there.says = Answered(status, b"hello")
    row = tried(there, "http")
    assert (row.is_working, f"with {status} to its own address" in row.test_text) == (True, True)


def test_an_address_that_wants_another_token_does_not_work(there: Guarded) -> None:
    row = tried(there, "http", "another-token")
    assert (row.is_working, "answered 401" in row.test_text) == (False, True)


def test_prometheus_is_asked_a_query(there: Guarded) -> None:
    there.says = Answered(200, {"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}})
    row = tried(there, "prometheus")
    assert (row.is_working, row.test_text) == (True, "It answers queries.")
    assert [(one.path, one.query) for one in there.asked] == [("/api/v1/query", {"query": "1"})]


@pytest.mark.parametrize("says", [Answered(200, {"status": "ok"}), Answered(200, ["x"]), Answered(200, b"<html>")])
def test_what_answers_otherwise_than_prometheus_does_not_work(there: Guarded, says: Answered) -> None:
    there.says = says
    assert tried(there, "prometheus").is_working is False
