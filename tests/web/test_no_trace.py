"""Somebody comes from a known address; afterwards it stands nowhere (threat model, T3)."""

import http.client
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from tests.conftest import PASSWORD
from tests.web.conftest import House

NEAR, FAR = "127.0.0.77", "203.0.113.77"
HEADERS = {"X-Forwarded-For": FAR, "X-Real-IP": FAR, "Forwarded": f"for={FAR}", "User-Agent": "Watched/7.7"}


@pytest.mark.django_db(transaction=True)
def test_no_file_and_no_stream_says_where_somebody_came_from(here: House, served: str, capfd: Any) -> None:
    answers = []
    for path, form in (
        ("/sign-in", None),
        ("/sign-in", {"email": "vera@lantern.example", "password": "wrong"}),
        ("/sign-in", {"email": "vera@lantern.example", "password": PASSWORD}),
        (f"/o/{here.organization.slug}/", None),
        (f"/o/{here.organization.slug}/subscribers/{here.ada.number}/", None),
        ("/no/such/page", None),
    ):
        answers.append(_ask(served, path, form, _cookies(answers)))
    assert [status for status, _headers in answers] == [200, 422, 302, 200, 200, 404]
    for _status, headers in answers:
        assert {name.lower() for name, _value in headers}.isdisjoint({"server", "date"})
    said = "".join(capfd.readouterr())
    for trace in (NEAR, FAR, "Watched/7.7"):
        assert trace not in said
        for file in Path(os.environ["SAMIZDAT_DATA"]).rglob("*"):
            if file.is_file():
                assert trace.encode() not in file.read_bytes(), file


def _cookies(answers: list[Any]) -> dict[str, str]:
    pairs = [
        re.match(r"(\w+)=([^;]*)", value) for _s, headers in answers for name, value in headers if name == "set-cookie"
    ]
    return {pair[1]: pair[2] for pair in pairs if pair}


def _ask(base: str, path: str, form: Any, cookies: dict[str, str]) -> tuple[int, list[tuple[str, str]]]:
    where = urlsplit(base)
    line = http.client.HTTPConnection(where.hostname or "", where.port, source_address=(NEAR, 0))
    headers = HEADERS | {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), "Origin": base}
    body = None
    if form is not None:
        body = urlencode(form | {"csrfmiddlewaretoken": cookies["csrftoken"]})
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    line.request("POST" if form is not None else "GET", path, body, headers)
    answer = line.getresponse()
    answer.read()
    line.close()
    return answer.status, [(name.lower(), value) for name, value in answer.getheaders()]
