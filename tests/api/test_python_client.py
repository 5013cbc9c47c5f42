"""The client in samizdat_client/: every operation by its method, against the app; what a broken network does to it."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from samizdat.accounts import api_keys
from samizdat.accounts.api_keys import SCOPES
from samizdat.api import openapi
from samizdat_client import Client, NoAnswer, Problem, read_key
from samizdat_client.connection import Connection
from samizdat_client.decoding import NotAsDescribed, read
from samizdat_client.operations import Lists, SubscriberIn
from tests.api.conftest import Program
from tests.conftest import NOW
from tests.http_server import HANG_UP, Dialect, Reply, ScriptedApi
from tests.web.conftest import served  # noqa: F401

CONSENT = "Ticked “Letter” on the order page."
YES = Reply(200, {"items": []})
NOTHING_ASKED = Dialect(recipient=lambda body: "", content=lambda headers, body: (body, {}), yes=YES, state=YES)


@pytest.fixture
def client(served: str, program: Program) -> Iterator[Client]:  # noqa: F811
    token, _row = api_keys.add(program.organization, "Client", tuple(SCOPES), lists=[], now=NOW, by=None)
    with Client(served, token) as client:
        yield client


def test_subscribers_come_in_are_read_and_leave(client: Client, program: Program) -> None:
    letter = program.lists["Letter"].pk
    added = client.put_subscriber(email="ada@reader.example", list=letter, consent=CONSENT, tags=["Press"])
    assert added.result == "added" and added.number is not None
    batch = client.put_subscribers(
        list=letter,
        consent=CONSENT,
        subscribers=[SubscriberIn(email="boris@reader.example", tags=("Press",)), SubscriberIn(email="nonsense")],
    )
    assert (batch.added, [reject.index for reject in batch.rejects]) == (1, [1])
    everybody = sorted(client.iterate_subscribers(list=letter, count=1), key=lambda each: each.email)
    assert [each.email for each in everybody] == ["ada@reader.example", "boris@reader.example"]
    assert everybody[0].joined == everybody[0].lists[0].since and isinstance(everybody[0].joined, date)
    changed = client.change_subscriber(added.number, add_tags=["Volunteer"])
    assert sorted(changed.tags) == ["Press", "Volunteer"]
    client.unsubscribe_subscriber(email="ada@reader.example")
    assert client.look_up_subscriber(email="ada@reader.example").lists[0].status == "unsubscribed"
    assert client.one_list(letter).totals.subscribed == 1


def test_a_draft_is_written_and_changed_once(client: Client, program: Program) -> None:
    draft = client.create_campaign(
        list=program.lists["Letter"].pk, subject="The river", body="Hello", from_email="a@r.example"
    )
    again = client.change_campaign(draft.id, version=draft.version, subject="The flood")
    assert again.subject == client.get_campaign(draft.id).subject == "The flood"
    with pytest.raises(Problem) as changed:
        client.change_campaign(draft.id, version=draft.version, subject="The storm")
    assert changed.value.status == 409 and changed.value.code
    assert [each.id for each in client.iterate_campaigns()] == [draft.id]


def test_a_problem_says_what_and_where(client: Client, program: Program) -> None:
    with pytest.raises(Problem) as refused:
        client.put_subscriber(email="a", list=program.lists["Letter"].pk, consent=CONSENT)
    assert refused.value.status == 422 and [flaw.at for flaw in refused.value.flaws] == ["email"]
    with pytest.raises(Problem) as unknown:
        client.get_subscriber(1)
    assert (unknown.value.status, str(unknown.value)) == (404, unknown.value.detail)


def test_every_operation_has_a_method() -> None:
    document = openapi.document()
    names = [each["operationId"] for methods in document["paths"].values() for each in methods.values()]
    assert [name for name in names if not hasattr(Client, name)] == []


def test_the_key_is_shown_nowhere(served: str) -> None:  # noqa: F811
    client = Client(served, "sk_secret")
    with pytest.raises(Problem) as refused:
        client.all_lists()
    assert refused.value.status == 401
    assert "sk_secret" not in repr(client) + str(refused.value) + repr(refused.value)


@pytest.mark.parametrize(
    "url", ["http://desk.example.org", "desk.example.org", "ftp://desk.example.org", "https://a:b@desk.example.org", ""]
)
def test_a_url_that_would_give_the_key_away_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        Client(url, "sk_secret")


# -- a network that breaks ----------------------------------------------------------------------------------------


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the client waited."""
    waits: list[float] = []
    monkeypatch.setattr("samizdat_client.connection.time.sleep", waits.append)
    return waits


@pytest.fixture
def scripted() -> Iterator[ScriptedApi]:
    with ScriptedApi(dialect=NOTHING_ASKED) as api:
        yield api


def test_a_busy_server_is_asked_again_when_it_says(scripted: ScriptedApi, waits: list[float]) -> None:
    scripted.states = [
        Reply(429, {}, {"Retry-After": "7"}),
        Reply(503, {}),
        Reply(503, {}, {"Retry-After": "900"}),
        YES,
    ]
    assert Client(scripted.endpoint, "key").all_lists() == Lists(items=())
    assert waits == [7.0, 2.0, 60.0]


def test_what_may_be_done_twice_is_asked_again_and_nothing_else(scripted: ScriptedApi, waits: list[float]) -> None:
    scripted.states = [HANG_UP, YES]
    connection = Connection(scripted.endpoint, "key")
    assert connection.ask("GET", "/lists") == {"items": []}
    scripted.on(HANG_UP, times=1)
    with pytest.raises(NoAnswer):
        connection.ask("POST", "/lists", body={})
    assert scripted.requests == 3
    scripted.on(HANG_UP, times=1)
    assert connection.ask("POST", "/lists", body={}, headers={"Idempotency-Key": "a"}) == {"items": []}


def test_a_server_that_stays_away_is_given_up(scripted: ScriptedApi, waits: list[float]) -> None:
    scripted.states = [HANG_UP]
    with pytest.raises(NoAnswer, match="did not answer"):
        Client(scripted.endpoint, "key", tries=3).all_lists()
    assert (scripted.requests, waits) == (3, [1.0, 2.0])


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (Reply(200, b"<html>Sign in</html>"), "isn't JSON"),
        (Reply(302, b"", {"Location": "https://elsewhere.example/"}), "302"),
        (Reply(502, b"<html>Bad gateway</html>"), "Try again later"),
        (Reply(400, {"detail": 3}), "400"),
    ],
)
def test_what_is_no_answer_of_ours_is_a_sentence(scripted: ScriptedApi, answer: Reply, sentence: str) -> None:
    scripted.states = [answer]
    with pytest.raises(Problem, match=sentence):
        Client(scripted.endpoint, "key").all_lists()
    assert scripted.requests == 1


@pytest.mark.parametrize("value", [None, [], {}, {"items": None}, {"items": [{"id": "1"}]}, {"items": [3]}])
def test_an_answer_of_another_shape_is_refused(value: Any) -> None:
    with pytest.raises(NotAsDescribed):
        read(Lists, value)


def test_what_a_newer_server_adds_is_passed_over() -> None:
    assert read(Lists, {"items": [], "more": 1}) == Lists(items=())


def test_a_key_is_read_from_a_file_of_one_line(tmp_path: Any) -> None:
    (tmp_path / "key").write_text("sk_secret\n")
    assert read_key(tmp_path / "key") == "sk_secret"
    (tmp_path / "key").write_text("\n")
    with pytest.raises(ValueError, match="no key"):
        read_key(tmp_path / "key")


def test_put_is_sent_without_an_idempotency_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """It can be repeated as it is, and an upsert with the header isn't written together with others."""
    sent: list[tuple[str, Any]] = []

    def ask(_client: Client, method: str, _path: str, **given: Any) -> dict[str, Any]:
        sent.append((method, given.get("headers")))
        return {"number": None, "result": None}

    monkeypatch.setattr(Client, "ask", ask)
    client = Client("https://desk.example.org", "sk_secret")
    client.put_subscriber(email="ada@reader.example", list=1, consent=CONSENT)
    client.unsubscribe_subscriber(email="ada@reader.example")
    assert sent[0] == ("PUT", None)
    assert sent[1][0] == "POST" and sent[1][1]["Idempotency-Key"]
