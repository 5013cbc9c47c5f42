"""A bucket whose server errs, lies or is of another kind."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from samizdat import plugins
from samizdat.places import base
from samizdat.places.base import Pace
from tests.places.fakes import SECRET
from tests.places.s3_servers import ScriptedAnswer, ScriptedS3

pytestmark = pytest.mark.once

PIECE, PATH = "pieces/ab/ab12.age", "/copies/north/pieces/ab/ab12.age"


@pytest.fixture
def server() -> Iterator[ScriptedS3]:
    with ScriptedS3.open() as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def place(server: ScriptedS3, slept: list[float]) -> Iterator[base.BasePlace]:
    place = base.read_url(plugins.places(), server.url, SECRET, Pace(sleep=slept.append))
    yield place
    place.close()


def refusal(call: Any, *arguments: Any) -> plugins.PlaceError:
    with pytest.raises(plugins.PlaceError) as caught:
        call(*arguments)
    return caught.value


def test_one_request_carries_a_file_and_only_as_a_new_one(place: base.BasePlace, server: ScriptedS3) -> None:
    place.write(PIECE, b"12345")
    (looked, _, _), (put, path, headers), *_ = server.requests
    assert (looked, put, path) == ("HEAD", "PUT", PATH)
    assert headers["if-none-match"] == "*"
    assert headers["content-length"] == "5"
    assert headers["x-amz-content-sha256"] == headers["x-amz-meta-sha256"] == hashlib.sha256(b"12345").hexdigest()
    assert SECRET not in str(server.requests)


def test_a_file_that_came_between_the_look_and_the_writing_is_not_replaced(
    place: base.BasePlace, server: ScriptedS3
) -> None:
    place.write(PIECE, b"theirs")
    server.answers["HEAD"] = [ScriptedAnswer(404)]
    assert refusal(place.write, PIECE, b"ours").code == "other_content"
    server.answers["HEAD"] = [ScriptedAnswer(404)]
    place.write(PIECE, b"theirs")
    assert server.files[PATH][0] == b"theirs"


def test_a_key_that_may_only_write_is_enough_to_write(place: base.BasePlace, server: ScriptedS3) -> None:
    server.answers["HEAD"] = [ScriptedAnswer(403)]
    server.etag = f'"{hashlib.md5(b"1", usedforsecurity=False).hexdigest()}"'
    place.write(PIECE, b"1")
    assert server.files[PATH][0] == b"1"


def test_a_server_that_knows_no_conditions_is_looked_at_first_and_overwrites_nothing(
    place: base.BasePlace, server: ScriptedS3
) -> None:
    server.answers["PUT"] = [ScriptedAnswer(501, b"<Error><Code>NotImplemented</Code></Error>")]
    place.write(PIECE, b"first")
    assert refusal(place.write, PIECE, b"other").code == "other_content"
    place.write("sets/a.age", b"1")
    put = [headers for method, _, headers in server.requests if method == "PUT"]
    assert ["if-none-match" in headers for headers in put] == [True, False, False]


def test_so_is_one_that_does_not_read_them(place: base.BasePlace, server: ScriptedS3) -> None:
    server.ignores.add("if-none-match")
    place.write(PIECE, b"first")
    assert refusal(place.write, PIECE, b"other").code == "other_content"
    assert server.files[PATH][0] == b"first"


@pytest.mark.parametrize("as_kept", [lambda data: data[:-1], lambda data: b"", lambda data: b"x" + data[1:]])
def test_a_server_that_kept_something_else_is_found_out_at_once(
    place: base.BasePlace, server: ScriptedS3, as_kept: Any
) -> None:
    server.as_kept = as_kept
    assert refusal(place.write, PIECE, b"12345").code in {"not_kept", "damaged"}


def test_a_file_that_was_changed_there_is_damaged(place: base.BasePlace, server: ScriptedS3) -> None:
    place.write(PIECE, b"12345")
    server.files[PATH] = (b"12344", server.files[PATH][1])
    assert refusal(place.read, PIECE).code == "damaged"


def test_an_answer_that_was_cut_off_is_no_file(place: base.BasePlace, server: ScriptedS3) -> None:
    cut = ScriptedAnswer(200, b"123", {"Content-Length": "5", "Connection": "close"})
    server.answers["GET"] = [cut, cut]
    assert refusal(place.read, PIECE).code in {"no_connection", "silent"}


def test_a_server_that_is_busy_gets_two_more_tries(
    place: base.BasePlace, server: ScriptedS3, slept: list[float]
) -> None:
    busy = ScriptedAnswer(503, b"<Error><Code>SlowDown</Code></Error>")
    server.answers["PUT"] = [busy, busy]
    place.write(PIECE, b"1")
    assert slept == [1.0, 3.0]
    server.answers["GET"] = [busy, busy, busy]
    assert "SlowDown" in str(refusal(place.read, PIECE))


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ScriptedAnswer(403, b"<Code>RequestTimeTooSkewed</Code>"), "clock"),
        (ScriptedAnswer(403, b"<Code>SignatureDoesNotMatch</Code>"), "bad_login"),
        (ScriptedAnswer(403, b"<Code>InvalidAccessKeyId</Code>"), "bad_login"),
        (ScriptedAnswer(404, b"<Code>NoSuchBucket</Code>"), "no_bucket"),
        (ScriptedAnswer(301, b"<Code>PermanentRedirect</Code>"), "other_region"),
        (ScriptedAnswer(400, b"<Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region>"), "other_region"),
        (ScriptedAnswer(507), "full"),
        (ScriptedAnswer(400, b"<html>?"), "refused"),
    ],
)
def test_what_a_server_says_becomes_a_sentence(
    place: base.BasePlace, server: ScriptedS3, answer: ScriptedAnswer, code: str
) -> None:
    server.answers["PUT"] = [answer]
    error = refusal(place.write, PIECE, b"1")
    assert error.code == code
    assert ("eu-north-1" in str(error)) == (b"eu-north-1" in answer.body)


def test_a_secret_that_the_server_repeats_is_shown_to_nobody(place: base.BasePlace, server: ScriptedS3) -> None:
    body = f"<Code>Odd</Code><Message>the key {SECRET} is odd</Message>".encode()
    server.answers["PUT"] = [ScriptedAnswer(400, body)]
    assert str(refusal(place.write, PIECE, b"1")).count("the key … is odd") == 1


def test_a_connection_that_was_closed_while_it_rested_is_opened_again(
    place: base.BasePlace, server: ScriptedS3
) -> None:
    place.write(PIECE, b"1")
    server.hang_up()
    assert place.read(PIECE) == b"1"


def page(names: range, token: str = "") -> ScriptedAnswer:
    files = "".join(f"<Contents><Key>north/pieces/{n}.age</Key><Size>{n}</Size></Contents>" for n in names)
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    return ScriptedAnswer(200, f"<ListBucketResult>{files}{more}</ListBucketResult>".encode())


def test_a_list_is_read_page_by_page(place: base.BasePlace, server: ScriptedS3) -> None:
    server.answers["GET"] = [page(range(1000), "a&amp;b/+"), page(range(1000, 1500))]
    assert list(place.names("pieces")) == [(f"pieces/{n}.age", n) for n in range(1500)]
    assert [path.partition("?")[2] for _, path, _ in server.requests] == [
        "list-type=2&prefix=north%2Fpieces%2F",
        "continuation-token=a%26b%2F%2B&list-type=2&prefix=north%2Fpieces%2F",
    ]


def test_a_list_that_begins_anew_has_an_end(place: base.BasePlace, server: ScriptedS3) -> None:
    server.answers["GET"] = [page(range(3), "again"), page(range(3), "again")]
    assert len(list(place.names(""))) == 6
