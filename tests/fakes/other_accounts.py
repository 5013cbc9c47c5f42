"""Interfaces of Brevo, Kit and MailerLite on loopback, as far as contacts are read by them: written from their public
references (developers.brevo.com, developers.kit.com, developers.mailerlite.com) and from nothing of ours.

    with OtherServer(Kit(size=2_400)) as server:
        server.endpoint, server.service.key
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self
from urllib.parse import parse_qs, urlsplit

type Answer = tuple[int, dict[str, Any]]


class Service:
    name, key, header = "", "", ""
    address = "email"  # as the field is called
    states: tuple[str, ...] = ()

    def __init__(self, size: int = 240) -> None:
        self.people = [self.person(number) for number in range(size)]

    def person(self, number: int) -> dict[str, Any]:
        raise NotImplementedError

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        raise NotImplementedError

    def refusal(self) -> Answer:
        return 401, {"message": "Unauthorized"}


class Kit(Service):
    name, key, header = "kit", "kit_0123456789abcdef0123456789abcdef", "X-Kit-Api-Key"
    address = "email_address"
    states = ("active", "cancelled", "bounced", "complained", "inactive")

    def person(self, number: int) -> dict[str, Any]:
        return {
            "id": 1_000 + number, "first_name": None if number % 4 == 0 else "Ada",
            "email_address": f"person.{number}@kit.example", "state": self.states[number % 5],
            "created_at": "2023-02-17T11:43:55Z", "fields": {"category": "One", "total_donated": "50"},
        }  # fmt: skip

    # Number -> name: of each contact whose id it divides.
    tags: ClassVar = {1: "Readers", 7: "Volunteers", 3: "Monthly donors"}

    def leave(self, number: int) -> None:
        self.people[number]["state"] = "cancelled"

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        match path:
            case "/v4/account":
                return 200, {"user": {"email": "clara@lantern.example"}, "account": {"id": 2, "name": "Lantern"}}
            case "/v4/tags":
                tags = [{"id": n, "name": name, "created_at": "2023-02-17T11:43:55Z"} for n, name in self.tags.items()]
                return 200, {"tags": tags, "pagination": {"has_next_page": False, "end_cursor": "x"}}
            case "/v4/custom_fields":
                keys = ("category", "total_donated")
                fields = [{"id": n, "name": f"ck_field_{n}_{key}", "key": key, "label": key.title().replace("_", " ")}
                          for n, key in enumerate(keys)]  # fmt: skip
                return 200, {"custom_fields": fields, "pagination": {"has_next_page": False, "end_cursor": "x"}}
            case "/v4/subscribers":
                return self._some(self.people, query)
        if path.startswith("/v4/tags/") and path.endswith("/subscribers"):
            tag = int(path.split("/")[3])
            tagged_at = {"tagged_at": "2023-02-17T11:43:55Z"}
            return self._some([each | tagged_at for each in self.people if tag in self.tagged(each["id"])], query)
        return 404, {"errors": ["Not Found"]}

    def tagged(self, id: int) -> list[int]:
        return [tag for tag in self.tags if id % tag == 0]

    def _some(self, everybody: list[dict[str, Any]], query: dict[str, str]) -> Answer:
        people = everybody if query.get("status") == "all" else [p for p in everybody if p["state"] == "active"]
        size, begin = min(1_000, int(query.get("per_page", 500))), int(query.get("after") or 0)
        some = people[begin : begin + size]
        pagination = {"has_previous_page": begin > 0, "has_next_page": begin + size < len(people),
                      "start_cursor": str(begin), "end_cursor": str(begin + len(some)),
                      "per_page": size}  # fmt: skip
        if query.get("include_total_count") == "true":
            pagination["total_count"] = len(people)
        return 200, {"subscribers": some, "pagination": pagination}

    def refusal(self) -> Answer:
        return 401, {"errors": ["The access token is invalid"]}


class MailerLite(Service):
    name, key, header = "mailerlite", "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.e30.x", "Authorization"
    states = ("active", "unsubscribed", "unconfirmed", "bounced", "junk")

    def person(self, number: int) -> dict[str, Any]:
        state = self.states[number % 5]
        return {
            "id": str(10**16 + number), "email": f"person.{number}@lite.example", "status": state, "source": "api",
            "sent": 3, "opens_count": 2, "clicks_count": 1, "open_rate": 66.6, "click_rate": 33.3,
            "ip_address": "203.0.113.9", "subscribed_at": "2021-09-01 14:03:50",
            "unsubscribed_at": "2022-09-01 14:03:50" if state == "unsubscribed" else None,
            "created_at": "2021-09-01 14:03:50", "updated_at": "2021-09-01 14:03:50",
            "fields": {"city": None, "last_name": "Testerson", "name": "Dummy", "z_i_p": None},
            "groups": [{"id": "7", "name": "Volunteers"}, {"id": "8", "name": "Monthly donors"}],
            "opted_in_at": "2021-09-01 14:05:00", "optin_ip": "203.0.113.9",
        }  # fmt: skip

    def leave(self, number: int) -> None:
        self.people[number] |= {"status": "unsubscribed", "unsubscribed_at": "2026-12-01 10:00:00"}

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        match path:
            case "/api/subscribers":
                if query.get("limit") == "0":
                    return 200, {"total": len(self.people)}
                size, begin = min(100, int(query.get("limit", 25))), int(query.get("cursor") or 0)
                following = str(begin + size) if begin + size < len(self.people) else None
                some = self.people[begin : begin + size]
                if query.get("include") != "groups":
                    some = [{name: value for name, value in each.items() if name != "groups"} for each in some]
                return 200, {"data": some, "meta": {"per_page": size, "next_cursor": following, "prev_cursor": None}}
            case "/api/fields":
                return 200, {"data": [{"id": "1", "name": "Name", "key": "name", "type": "text"},
                                      {"id": "2", "name": "Last name", "key": "last_name", "type": "text"},
                                      {"id": "3", "name": "City", "key": "city", "type": "text"}]}  # fmt: skip
            case "/api/groups":
                return 200, {"data": [{"id": "7", "name": "Volunteers"}, {"id": "8", "name": "Monthly donors"}]}
        return 404, {"message": "Not found"}

    def refusal(self) -> Answer:
        return 401, {"message": "Unauthenticated."}


class Brevo(Service):
    name, key, header = "brevo", "xkeysib-0123456789abcdef0123456789abcdef-x", "api-key"
    states = ("on", "on", "left", "blocked")

    def person(self, number: int) -> dict[str, Any]:
        state = self.states[number % 4]
        return {
            "id": number, "email": f"person.{number}@brevo.example", "emailBlacklisted": state == "blocked",
            "smsBlacklisted": False, "createdAt": "2017-05-02T16:40:31.000Z", "modifiedAt": "2017-05-02T16:40:31.000Z",
            "listIds": [] if state == "left" else [4], "listUnsubscribed": [4] if state == "left" else None,
            "attributes": {"FIRSTNAME": "Joe", "CITY": "Riga", "DONATED": 50},
        }  # fmt: skip

    def leave(self, number: int) -> None:
        self.people[number] |= {"listIds": [], "listUnsubscribed": [4], "modifiedAt": "2026-12-01T10:00:00.000Z"}

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        match path:
            case "/v3/account":
                return 200, {"email": "clara@lantern.example", "companyName": "Lantern", "plan": []}
            case "/v3/contacts/lists":
                return 200, {"count": 1, "lists": [{"id": 4, "name": "News", "folderId": 1, "uniqueSubscribers": 9}]}
            case "/v3/contacts/attributes":
                names = ("FIRSTNAME", "CITY", "DONATED")
                return 200, {"attributes": [{"name": n, "category": "normal", "type": "text"} for n in names]}
            case "/v3/contacts":
                since = query.get("modifiedSince", "")
                people = [each for each in self.people if each["modifiedAt"] >= since]
                begin, size = int(query.get("offset", 0)), int(query.get("limit", 50))
                if size > 1_000:
                    return 400, {"code": "out_of_range", "message": "Limit exceeds max value"}
                some = people if query.get("sort") == "asc" else people[::-1]
                return 200, {"contacts": some[begin : begin + size], "count": len(people)}
        return 404, {"code": "document_not_found", "message": "Not found"}

    def refusal(self) -> Answer:
        return 401, {"code": "unauthorized", "message": "Key not found"}


class OtherServer:
    def __init__(self, service: Any) -> None:
        self.service, self.closed = service, None  # A status and document in place of every answer.

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, target: str, header: Callable[[str], str | None]) -> Answer:
        if self.closed:
            return self.closed
        if (header(self.service.header) or "").removeprefix("Bearer ") != self.service.key:
            return self.service.refusal()
        parts = urlsplit(target)
        return self.service.answer(parts.path, {name: values[-1] for name, values in parse_qs(parts.query).items()})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    server_of: OtherServer

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        status, document = self.server_of.answer(self.path, self.headers.get)
        content = json.dumps(document).encode()
        self.send_response_only(status)
        self.send_header("Date", "Wed, 25 Nov 2026 12:00:00 GMT")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
