"""Mailchimp's Marketing API 3.0 on loopback, as far as somebody reads an account by it: written from notes on the
public interface (formats/mailchimp-api.md) and from nothing of ours.

    account = FakeAccount([FakeList("a1b2c3d4e5", "News", 1_000_000, seed=7)], campaigns=12)
    with MailchimpServer(account) as server:
        server.endpoint                                # http://127.0.0.1:PORT, of the data center us21
        account.change(list, 5, status="unsubscribed") # as if somebody left now
        account.close()                                # every answer is 403 "User Disabled" from now on

A member is made from the seed and their number when a page is asked for: a million of them cost 10 MB.

What goes wrong is a list of rules, each for so many requests whose path matches:

    server.on(CUT, "/members", after=3)      the answer breaks off in the middle, once, after three that went well
    server.on(HANG_UP), server.on(GARBAGE)   no answer; a web page in place of JSON
    server.on(429), server.on(503), server.on(403)          with the problem document of that status
    server.on(CLOSE, after=40)               the account is closed in the middle of it, for good
"""

import base64
import hashlib
import io
import json
import random
import re
import struct
import tarfile
import threading
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "0123456789abcdef0123456789abcdef-us21"
CUT, HANG_UP, GARBAGE, CLOSE = "cut", "hang up", "garbage", "close"
# The first change of the first member; the next ones change a second later each, or together with some thousand.
BEGAN = datetime(2021, 3, 1, tzinfo=UTC)
# Members that were imported together have one `last_changed`: each fourth block of so many.
BLOCK = 2_500
MOST_AT_ONCE = 10
MOST_A_PAGE = 1_000
STATUSES = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional", "archived")
_WEIGHTS = (70, 15, 7, 3, 2, 3)
_REASONS = ("", "", "N/A (Unsubscribed by an admin)", "I no longer want to receive these emails", "Spammy content")
_DOMAINS = ("north.example", "lantern.example", "river.example", "köln.example")
_FIRST = ("Ada", "Boris", "Клара", "Dmitri", "Eve", "Fadi", "Grażyna", "", "O’Neill")
ERRORS = "https://mailchimp.com/developer/marketing/docs/errors/"
# Status -> title and detail of a problem document.
PROBLEMS = {
    400: ("Invalid Resource", "The resource submitted could not be validated."),
    401: ("API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter."),
    403: ("Forbidden", "You are not permitted to access this resource."),
    404: ("Resource Not Found", "The requested resource could not be found."),
    405: ("Method Not Allowed", "The requested method and resource are not compatible."),
    429: ("Too Many Requests", "You have exceeded the limit of 10 simultaneous connections."),
    500: ("Internal Server Error", "An unexpected internal error has occurred."),
    503: ("akamai_503", "Service unavailable"),
}
CLOSED = (
    "User Disabled",
    "This account has been suspended. As part of Intuit, Mailchimp is no longer supporting accounts based in your "
    "region. Contact our Compliance team.",
)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+00:00")


@dataclass
class FakeList:
    """`size` members of a seed. Numbers of later ones go on from there."""

    id: str = "a1b2c3d4e5"
    name: str = "News"
    size: int = 100
    seed: int = 1
    # Number -> what is other than made from the seed; None: deleted for good.
    changes: dict[int, dict[str, Any] | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        kinds = chance.choices(range(len(STATUSES)), _WEIGHTS, k=self.size)
        self.kinds = bytearray(kinds)
        self.next = self.size
        # Numbers in the order of `last_changed`.
        self.there = array("I", [number for number, kind in enumerate(kinds) if kind != 5])
        self.archived = array("I", [number for number, kind in enumerate(kinds) if kind == 5])

    def changed_at(self, number: int) -> datetime:
        made = self.changes.get(number)
        if made and "last_changed" in made:
            return datetime.fromisoformat(made["last_changed"])
        block, inside = divmod(number, BLOCK)
        return BEGAN + timedelta(seconds=block * BLOCK + (0 if block % 4 == 0 else inside))

    def status(self, number: int) -> str:
        return (self.changes.get(number) or {}).get("status") or STATUSES[self.kinds[number]]

    def address(self, number: int) -> str:
        chance = random.Random(self.seed * 1_000_003 + number)
        domain = chance.choice(_DOMAINS)
        return f"{'Person' if number % 7 == 0 else 'person'}.{number}+{self.seed}@{domain}"

    def member(self, number: int) -> dict[str, Any]:
        chance = random.Random(self.seed * 7_919 + number)
        address, status, changed = self.address(number), self.status(number), self.changed_at(number)
        first = chance.choice(_FIRST)
        opted = changed - timedelta(days=chance.randrange(1, 900), seconds=chance.randrange(86_400))
        member = {
            "id": hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest(),
            "email_address": address,
            "unique_email_id": f"{number:010x}",
            "contact_id": hashlib.md5(f"{self.id}{number}".encode(), usedforsecurity=False).hexdigest(),
            "full_name": f"{first} Example".strip(),
            "web_id": 400_000_000 + number,
            "email_type": "html",
            "status": status,
            "consents_to_one_to_one_messaging": True,
            "merge_fields": {
                "FNAME": first,
                "LNAME": "Example",
                "ADDRESS": {"addr1": "1 Long Street", "addr2": "", "city": "Riga", "state": "", "zip": "LV-1001",
                            "country": "LV"} if number % 5 == 0 else "",
                "PHONE": "",
                "BIRTHDAY": "03/07" if number % 3 == 0 else "",
                "MMERGE7": number,
            },
            "interests": {"aa00000001": number % 2 == 0, "aa00000002": number % 3 == 0},
            "stats": {"avg_open_rate": 0.31, "avg_click_rate": 0.07},
            "ip_signup": "203.0.113.9",
            "timestamp_signup": iso(opted - timedelta(minutes=7)) if number % 4 else "",
            "ip_opt": "203.0.113.9",
            "timestamp_opt": iso(opted),
            "member_rating": 3,
            "last_changed": iso(changed),
            "language": "ru" if number % 2 else "",
            "vip": number % 50 == 0,
            "email_client": "Gmail",
            "location": {"latitude": 56.9, "longitude": 24.1, "gmtoff": 2, "dstoff": 3, "country_code": "LV",
                         "timezone": "europe/riga", "region": "RIX"},
            "marketing_permissions": [
                {"marketing_permission_id": "1f0a", "text": "Email", "enabled": True}
            ],
            "source": "Embed Form" if number % 2 else "Admin Add",
            "tags_count": 1 if number % 6 == 0 else 0,
            "tags": [{"id": 501, "name": "Donor, monthly"}] if number % 6 == 0 else [],
            "list_id": self.id,
        }  # fmt: skip
        if status == "unsubscribed":
            member["unsubscribe_reason"] = chance.choice(_REASONS)
        return {**member, **(self.changes.get(number) or {})}

    def change(self, number: int, at: datetime, **new: Any) -> None:
        """Something of a member is other from this moment on, which is later than all others."""
        made = {**(self.changes.get(number) or {}), **new, "last_changed": iso(at)}
        self._drop(number)
        self.changes[number] = made
        (self.archived if self.status(number) == "archived" else self.there).append(number)

    def add(self, at: datetime, **new: Any) -> int:
        number, self.next = self.next, self.next + 1
        self.kinds.append(0)
        self.change(number, at, timestamp_opt=iso(at), **new)
        return number

    def delete(self, number: int) -> None:
        """For good: nobody is told of it."""
        self._drop(number)
        self.changes[number] = None

    def _drop(self, number: int) -> None:
        for order in (self.there, self.archived):
            with suppress(ValueError):
                order.remove(number)

    def count(self, *statuses: str) -> int:
        return sum(self.status(number) in statuses for order in (self.there, self.archived) for number in order)

    @property
    def numbers(self) -> Iterator[int]:
        """Of everybody who is there, archived or not."""
        yield from self.there
        yield from self.archived


@dataclass
class FakeAccount:
    lists: list[FakeList] = field(default_factory=lambda: [FakeList()])
    campaigns: int = 5
    templates: int = 3
    files: int = 3
    key: str = KEY
    now: datetime = datetime(2026, 12, 2, 22, 0, tzinfo=UTC)
    closed: tuple[str, str] | None = None
    exports: list[dict[str, Any]] = field(default_factory=list)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)

    def close(self, title: str = CLOSED[0], detail: str = CLOSED[1]) -> None:
        self.closed = title, detail

    def open_again(self) -> None:
        self.closed = None

    def tick(self, seconds: float = 1.0) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def change(self, list: FakeList, number: int, **new: Any) -> None:
        list.change(number, self.tick(), **new)

    def add(self, list: FakeList, **new: Any) -> int:
        return list.add(self.tick(), **new)

    def list_named(self, id: str) -> FakeList:
        return next((each for each in self.lists if each.id == id), None) or _missing()

    # -- what an account has beside members --

    def list_document(self, each: FakeList) -> dict[str, Any]:
        return {
            "id": each.id,
            "web_id": 600_000 + each.seed,
            "name": each.name,
            "contact": {"company": "Lantern", "address1": "1 Long Street", "city": "Riga", "zip": "LV-1001",
                        "country": "LV", "phone": ""},
            "permission_reminder": "You signed up at lantern.example.",
            "use_archive_bar": True,
            "campaign_defaults": {"from_name": "Lantern", "from_email": "news@lantern.example", "subject": "",
                                  "language": "ru"},
            "notify_on_subscribe": "",
            "notify_on_unsubscribe": "",
            "date_created": iso(BEGAN),
            "email_type_option": False,
            "subscribe_url_short": "http://eepurl.com/abc",
            "subscribe_url_long": f"https://lantern.us21.list-manage.com/subscribe?u=1&id={each.id}",
            "visibility": "pub",
            "double_optin": True,
            "has_welcome": False,
            "marketing_permissions": True,
            "stats": {
                "member_count": each.count("subscribed"),
                "total_contacts": len(each.there),
                "unsubscribe_count": each.count("unsubscribed"),
                "cleaned_count": each.count("cleaned"),
                "campaign_count": self.campaigns,
                "merge_field_count": 5,
                "open_rate": 31.2,
                "click_rate": 7.1,
            },
        }  # fmt: skip

    def campaign(self, number: int) -> dict[str, Any]:
        is_sent = number % 3 != 0
        created = BEGAN + timedelta(days=number)
        return {
            "id": f"{number:010x}",
            "web_id": 700_000 + number,
            "type": "regular",
            "create_time": iso(created),
            "archive_url": f"http://eepurl.com/c{number}",
            "status": "sent" if is_sent else "save",
            "emails_sent": 100 + number if is_sent else 0,
            "send_time": iso(created + timedelta(hours=3)) if is_sent else "",
            "content_type": "template",
            "recipients": {"list_id": self.lists[0].id, "list_is_active": True, "list_name": self.lists[0].name,
                           "segment_text": "", "recipient_count": 100 + number},
            "settings": {"subject_line": f"Письмо {number}", "preview_text": "", "title": f"Issue {number}",
                         "from_name": "Lantern", "reply_to": "news@lantern.example", "to_name": "*|FNAME|*",
                         "folder_id": "", "authenticate": True, "auto_footer": False, "inline_css": False},
            "tracking": {"opens": True, "html_clicks": True, "text_clicks": False},
            "report_summary": {"opens": 40, "unique_opens": 31, "open_rate": 0.31, "clicks": 9},
        }  # fmt: skip

    def report(self, number: int) -> dict[str, Any]:
        return {
            "id": f"{number:010x}",
            "campaign_title": f"Issue {number}",
            "type": "regular",
            "list_id": self.lists[0].id,
            "subject_line": f"Письмо {number}",
            "emails_sent": 100 + number,
            "abuse_reports": 1,
            "unsubscribed": 2,
            "send_time": iso(BEGAN + timedelta(days=number, hours=3)),
            "bounces": {"hard_bounces": 3, "soft_bounces": 4, "syntax_errors": 0},
            "opens": {"opens_total": 40, "unique_opens": 31, "open_rate": 0.31, "last_open": iso(BEGAN)},
            "clicks": {"clicks_total": 9, "unique_clicks": 7, "unique_subscriber_clicks": 6, "click_rate": 0.06},
            "timeseries": [{"timestamp": iso(BEGAN), "emails_sent": 100, "unique_opens": 3, "recipients_clicks": 1}],
            "share_report": {"share_url": "https://us21.admin.mailchimp.com/x", "share_password": "hunter2"},
        }

    def template(self, number: int) -> dict[str, Any]:
        return {
            "id": 10_000 + number,
            "type": "user",
            "name": f"Frame {number}",
            "drag_and_drop": number % 2 == 0,
            "responsive": True,
            "category": "",
            "date_created": iso(BEGAN),
            "date_edited": iso(BEGAN + timedelta(days=number)),
            "created_by": "Clara",
            "active": True,
            "folder_id": "",
            "content_type": "template",
        }

    def file(self, number: int, root: str) -> dict[str, Any]:
        return {
            "id": 20_000 + number,
            "folder_id": 0,
            "type": "image",
            "name": f"picture-{number}.png",
            "full_size_url": f"{root}/public/picture-{number}.png",
            "thumbnail_url": f"{root}/public/thumb-{number}.png",
            "size": len(file_content(number)),
            "created_at": iso(BEGAN + timedelta(days=number)),
            "created_by": "Clara",
            "width": 10,
            "height": 10,
        }


def file_content(number: int) -> bytes:
    """A PNG of noise, some of them large."""
    side = 480 if number % 3 == 0 else 16
    chance = random.Random(number)
    lines = b"".join(b"\0" + chance.randbytes(3 * side) for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def campaign_html(number: int, root: str = "") -> str:
    image = f"<img src='{root}/public/picture-{number % 3}.png' alt=''>" if root else ""
    return f"<html><body><p>Привет, *|FNAME|*! Issue {number}</p>{image}<a href='*|UNSUB|*'>out</a></body></html>"


class Problem(Exception):
    def __init__(self, status: int, title: str = "", detail: str = "", headers: dict[str, str] | None = None) -> None:
        self.status, (usual, words) = status, PROBLEMS[status]
        self.title, self.detail, self.headers = title or usual, detail or words, headers or {}

    @property
    def document(self) -> dict[str, Any]:
        if self.status == 503:
            return {"type": "akamai_error_message", "title": "akamai_503", "status": 503, "ref_no": "18.4e"}
        instance = "995c5cb0-3280-4a6e-808b-3b096d0bb219"
        return {"type": ERRORS, "title": self.title, "status": self.status, "detail": self.detail, "instance": instance}


def _missing() -> Any:
    raise Problem(404)


@dataclass
class Rule:
    what: str | int
    path: str
    after: int
    times: float
    headers: dict[str, str]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    authorization: str
    body: Any


class MailchimpServer:
    """One account on loopback. `asked`: method and path with query of all requests; `most_open`: at a time."""

    def __init__(self, account: FakeAccount) -> None:
        self.account = account
        self.asked: list[str] = []
        self.rules: list[Rule] = []
        self.lock = threading.Lock()
        self.busy = self.most_busy = 0
        # Called before each answer, outside of the lock: what a test does meanwhile.
        self.meanwhile: Callable[[Request], None] | None = None

    def on(
        self,
        what: str | int,
        path: str = "",
        *,
        after: int = 0,
        times: float = 1,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.rules.append(Rule(what, path, after, times, headers or {}))

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"server_of": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_request: None  # type: ignore[method-assign]  # Whoever is killed hangs up.
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rule_for(self, request: Request) -> Rule | None:
        with self.lock:
            for rule in self.rules:
                if rule.path not in request.path:
                    continue
                if rule.after:
                    rule.after -= 1
                    continue
                if rule.times > 0:
                    rule.times -= 1
                    return rule
        return None

    # -- answers --

    def answer(self, request: Request) -> Any:
        """Errors: Problem."""
        account = self.account
        if request.path.startswith("/public/"):
            return _picture(request.path, account)
        if not request.path.startswith("/3.0"):
            raise Problem(404)
        if account.closed:
            raise Problem(403, *account.closed)
        if key_of(request.authorization) != account.key:
            raise Problem(401)
        path = request.path.removeprefix("/3.0").strip("/")
        for pattern, method, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == request.method:
                with self.lock:
                    return cut_fields(answer(self, request, *found.groups()), request.query)
        raise Problem(404)


def key_of(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    match scheme.lower():
        case "basic":
            with suppress(ValueError):
                return base64.b64decode(rest).decode().partition(":")[2]
        case "bearer" | "apikey":
            return rest
    return ""


def paging(query: dict[str, str]) -> tuple[int, int]:
    """(count, offset)"""
    try:
        count, offset = int(query.get("count", "10")), int(query.get("offset", "0"))
    except ValueError:
        raise Problem(400) from None
    if not 0 <= count <= MOST_A_PAGE or offset < 0:
        raise Problem(400, "Bad Request", "Count must be at most 1000.")
    return count, offset


def page(name: str, items: list[Any], query: dict[str, str], **beside: Any) -> dict[str, Any]:
    count, offset = paging(query)
    return {name: items[offset : offset + count], **beside, "total_items": len(items)}


def cut_fields(document: Any, query: dict[str, str]) -> Any:
    """As `fields` and `exclude_fields` ask: dotted paths, through lists."""
    if not isinstance(document, dict):
        return document
    if wanted := query.get("fields"):
        return _only(document, [path.split(".") for path in wanted.split(",")])
    if unwanted := query.get("exclude_fields"):
        return _without(document, [path.split(".") for path in unwanted.split(",")])
    return document


def _only(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_only(item, paths) for item in value]
    if not isinstance(value, dict) or [] in paths:
        return value
    kept = {}
    for name, inner in value.items():
        below = [path[1:] for path in paths if path[0] == name]
        if below:
            kept[name] = _only(inner, below)
    return kept


def _without(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_without(item, paths) for item in value]
    if not isinstance(value, dict):
        return value
    gone = {path[0] for path in paths if len(path) == 1}
    return {
        name: _without(inner, [path[1:] for path in paths if path[0] == name and len(path) > 1])
        for name, inner in value.items()
        if name not in gone
    }


def _picture(path: str, account: FakeAccount) -> bytes:
    found = re.fullmatch(r"/public/(?:picture|thumb)-(\d+)\.png", path)
    if not found or int(found[1]) >= account.files:
        raise Problem(404)
    return file_content(int(found[1]))


def _root(server: MailchimpServer, request: Request) -> Any:
    account = server.account
    return {
        "account_id": "f1e2d3c4b5a697887766554433",
        "login_id": "42",
        "account_name": "Lantern",
        "email": "clara@lantern.example",
        "username": "lantern",
        "role": "owner",
        "contact": {"company": "Lantern", "city": "Riga", "country": "LV"},
        "member_since": iso(BEGAN),
        "total_subscribers": sum(each.count("subscribed") for each in account.lists),
    }


def _ping(server: MailchimpServer, request: Request) -> Any:
    return {"health_status": "Everything's Chimpy!"}


def _lists(server: MailchimpServer, request: Request) -> Any:
    documents = [server.account.list_document(each) for each in server.account.lists]
    return page("lists", documents, request.query, constraints={"may_create": True, "max_instances": 3,
                                                                "current_total_instances": len(documents)})  # fmt: skip


def _list(server: MailchimpServer, request: Request, id: str) -> Any:
    return server.account.list_document(server.account.list_named(id))


def _members(server: MailchimpServer, request: Request, id: str) -> Any:
    """`since_last_changed` means after that second, and so does `before_last_changed` before it."""
    each, query = server.account.list_named(id), request.query
    count, offset = paging(query)
    status = query.get("status", "")
    if status and status not in STATUSES:
        raise Problem(400)
    order = each.archived if status == "archived" else each.there
    first, last = 0, len(order)
    if since := query.get("since_last_changed"):
        first = bisect_right(order, _moment(since), key=each.changed_at)
    if before := query.get("before_last_changed"):
        last = bisect_left(order, _moment(before), key=each.changed_at)
    chosen: Any = order[first:last]
    if status not in ("", "archived"):
        chosen = [number for number in chosen if each.status(number) == status]
    if query.get("sort_field", "last_changed") != "last_changed":
        raise Problem(400)
    if query.get("sort_dir", "ASC").upper() == "DESC":
        chosen = chosen[::-1]
    members = [each.member(number) for number in chosen[offset : offset + count]]
    return {"members": members, "list_id": id, "total_items": len(chosen)}


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise Problem(400) from None


def _merge_fields(server: MailchimpServer, request: Request, id: str) -> Any:
    server.account.list_named(id)
    kinds = {"FNAME": "text", "LNAME": "text", "ADDRESS": "address", "PHONE": "phone", "BIRTHDAY": "birthday",
             "MMERGE7": "number"}  # fmt: skip
    fields = [
        {"merge_id": number, "tag": tag, "name": tag.title(), "type": kind, "required": False, "default_value": "",
         "public": True, "display_order": number, "options": {"size": 25}, "help_text": "", "list_id": id}
        for number, (tag, kind) in enumerate(kinds.items(), 1)
    ]  # fmt: skip
    return page("merge_fields", fields, request.query, list_id=id)


def _categories(server: MailchimpServer, request: Request, id: str) -> Any:
    server.account.list_named(id)
    categories = [{"list_id": id, "id": "cc00000001", "title": "Topics", "display_order": 0, "type": "checkboxes"}]
    return page("categories", categories, request.query, list_id=id)


def _interests(server: MailchimpServer, request: Request, id: str, category: str) -> Any:
    if category != "cc00000001":
        raise Problem(404)
    interests = [
        {"category_id": category, "list_id": id, "id": f"aa0000000{number}", "name": name, "subscriber_count": "12",
         "display_order": number}
        for number, name in ((1, "Courts"), (2, "Prisons, and camps"))
    ]  # fmt: skip
    return page("interests", interests, request.query, list_id=id, category_id=category)


def _segments(server: MailchimpServer, request: Request, id: str) -> Any:
    server.account.list_named(id)
    segments = [
        {"id": 501, "name": "Donor, monthly", "member_count": 9, "type": "static", "created_at": iso(BEGAN),
         "updated_at": iso(BEGAN), "options": {"match": "any", "conditions": []}, "list_id": id},
        {"id": 502, "name": "Riga", "member_count": 3, "type": "saved", "created_at": iso(BEGAN),
         "updated_at": iso(BEGAN), "list_id": id, "options": {"match": "all", "conditions": [
             {"condition_type": "TextMerge", "field": "ADDRESS", "op": "contains", "value": "Riga"}]}},
    ]  # fmt: skip
    return page("segments", segments, request.query, list_id=id)


def _tags(server: MailchimpServer, request: Request, id: str) -> Any:
    server.account.list_named(id)
    tags = [{"id": 501, "name": "Donor, monthly"}]
    found = [tag for tag in tags if request.query.get("name", "").lower() in str(tag["name"]).lower()]
    return {"tags": found, "total_items": len(found)}


def _abuse(server: MailchimpServer, request: Request, id: str) -> Any:
    each = server.account.list_named(id)
    reports = [
        {"id": 1, "campaign_id": f"{1:010x}", "list_id": id, "email_id": "x", "email_address": each.address(1),
         "date": iso(BEGAN + timedelta(days=1))}
    ] if each.size > 1 else []  # fmt: skip
    return page("abuse_reports", reports, request.query, list_id=id)


def _campaigns(server: MailchimpServer, request: Request) -> Any:
    documents = [server.account.campaign(number) for number in range(server.account.campaigns)]
    return page("campaigns", documents, request.query)


def _content(server: MailchimpServer, request: Request, id: str) -> Any:
    number = _number(id, server.account.campaigns, 16)
    html = campaign_html(number, server.endpoint)
    return {"plain_text": f"Привет! Issue {number}", "html": html, "archive_html": html.replace("*|FNAME|*", "")}


def _number(text: str, size: int, base: int = 10, first: int = 0) -> int:
    try:
        number = int(text, base) - first
    except ValueError:
        raise Problem(404) from None
    return number if 0 <= number < size else _missing()


def _reports(server: MailchimpServer, request: Request) -> Any:
    numbers = [number for number in range(server.account.campaigns) if number % 3]
    return page("reports", [server.account.report(number) for number in numbers], request.query)


def _templates(server: MailchimpServer, request: Request) -> Any:
    documents = [server.account.template(number) for number in range(server.account.templates)]
    return page("templates", documents, request.query)


def _default_content(server: MailchimpServer, request: Request, id: str) -> Any:
    number = _number(id, server.account.templates, first=10_000)
    return {"sections": {"main": f"<h1>Frame {number}</h1>", "footer": "<p>*|LIST:ADDRESS|*</p>"}}


def _files(server: MailchimpServer, request: Request) -> Any:
    documents = [server.account.file(number, server.endpoint) for number in range(server.account.files)]
    total = sum(document["size"] for document in documents)
    return page("files", documents, request.query, total_file_size=total)


def _folders(server: MailchimpServer, request: Request) -> Any:
    return page("folders", [], request.query)


def _automations(server: MailchimpServer, request: Request) -> Any:
    return page("automations", [{"id": "au1", "status": "sending", "emails_sent": 3}], request.query)


def _landing(server: MailchimpServer, request: Request) -> Any:
    return page("landing_pages", [{"id": "lp1", "name": "Sign up"}, {"id": "lp2", "name": "Give"}], request.query)


def _empty(name: str) -> Callable[..., Any]:
    return lambda server, request, *ids: page(name, [], request.query)


def _exports(server: MailchimpServer, request: Request) -> Any:
    return page("exports", server.account.exports, request.query)


def _ask_export(server: MailchimpServer, request: Request) -> Any:
    account = server.account
    stages = request.body.get("include_stages") if isinstance(request.body, dict) else None
    known = {"audiences", "campaigns", "events", "gallery_files", "reports", "templates"}
    if not isinstance(stages, list) or not stages or not known.issuperset(stages):
        raise Problem(400)
    if any(account.now - datetime.fromisoformat(each["started"]) < timedelta(days=1) for each in account.exports):
        raise Problem(400, "Bad Request", "You may only run one account export every 24 hours.")
    export = {"export_id": 900 + len(account.exports), "started": iso(account.now), "finished": "",
              "size_in_bytes": 0, "download_url": "", "stages": stages}  # fmt: skip
    account.exports.append(export)
    return {name: value for name, value in export.items() if name != "stages"}


def _export(server: MailchimpServer, request: Request, id: str) -> Any:
    return next((each for each in server.account.exports if str(each["export_id"]) == id), None) or _missing()


def _ask_batch(server: MailchimpServer, request: Request) -> Any:
    """It is finished at once; what each operation answered lies in a tar.gz of JSON."""
    operations = request.body.get("operations") if isinstance(request.body, dict) else None
    if not isinstance(operations, list):
        raise Problem(400)
    account, results = server.account, []
    for operation in operations:
        query = {name: str(value) for name, value in (operation.get("params") or {}).items()}
        inner = Request(operation["method"], f"/3.0{operation['path']}", query, request.authorization,
                        json.loads(operation["body"]) if operation.get("body") else None)  # fmt: skip
        status, document = 200, None
        try:
            found = [(re.fullmatch(pattern, operation["path"].strip("/")), answer) for pattern, method, answer in ROUTES
                     if method == inner.method]  # fmt: skip
            match, answer = next(((match, answer) for match, answer in found if match), (None, None))
            document = answer(server, inner, *match.groups()) if match else _missing()
        except Problem as problem:
            status, document = problem.status, problem.document
        results.append({"status_code": status, "operation_id": operation.get("operation_id", ""),
                        "response": json.dumps(document)})  # fmt: skip
    id = f"{len(account.batches):010x}"
    errors = sum(result["status_code"] >= 400 for result in results)
    account.batches[id] = {"results": results, "document": {
        "id": id, "status": "finished", "total_operations": len(results), "finished_operations": len(results),
        "errored_operations": errors, "submitted_at": iso(account.now), "completed_at": iso(account.now),
        "response_body_url": f"{server.endpoint}/3.0/batch-results/{id}"}}  # fmt: skip
    return account.batches[id]["document"] | {"status": "pending", "response_body_url": ""}


def _batch(server: MailchimpServer, request: Request, id: str) -> Any:
    return server.account.batches[id]["document"] if id in server.account.batches else _missing()


def _batch_results(server: MailchimpServer, request: Request, id: str) -> Any:
    if id not in server.account.batches:
        raise Problem(404)
    packed = io.BytesIO()
    content = json.dumps(server.account.batches[id]["results"]).encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(f"{id}.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


_ID, _HASH = r"([0-9a-z]{10})", r"([^/]+)"


def _member(server: MailchimpServer, request: Request, id: str, hash: str) -> Any:
    """By the MD5 of the address; slow, since nobody keeps an index here."""
    each, wanted = server.account.list_named(id), unquote(hash).lower()
    for number in each.numbers:
        member = each.member(number)
        if wanted in (member["id"], member["email_address"].lower(), member["contact_id"]):
            return member
    raise Problem(404)


ROUTES: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    (r"", "GET", _root),
    (r"ping", "GET", _ping),
    (r"lists", "GET", _lists),
    (rf"lists/{_ID}", "GET", _list),
    (rf"lists/{_ID}/members", "GET", _members),
    (rf"lists/{_ID}/members/{_HASH}", "GET", _member),
    (rf"lists/{_ID}/merge-fields", "GET", _merge_fields),
    (rf"lists/{_ID}/interest-categories", "GET", _categories),
    (rf"lists/{_ID}/interest-categories/{_ID}/interests", "GET", _interests),
    (rf"lists/{_ID}/segments", "GET", _segments),
    (rf"lists/{_ID}/tag-search", "GET", _tags),
    (rf"lists/{_ID}/abuse-reports", "GET", _abuse),
    (rf"lists/{_ID}/surveys", "GET", _empty("surveys")),
    (r"campaigns", "GET", _campaigns),
    (rf"campaigns/{_ID}/content", "GET", _content),
    (r"reports", "GET", _reports),
    (r"templates", "GET", _templates),
    (r"templates/(\d+)/default-content", "GET", _default_content),
    (r"file-manager/files", "GET", _files),
    (r"file-manager/folders", "GET", _folders),
    (r"automations", "GET", _automations),
    (r"landing-pages", "GET", _landing),
    (r"account-exports", "GET", _exports),
    (r"account-exports", "POST", _ask_export),
    (r"account-exports/(\d+)", "GET", _export),
    (r"batches", "POST", _ask_batch),
    (rf"batches/{_ID}", "GET", _batch),
    (rf"batch-results/{_ID}", "GET", _batch_results),
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer in one write: of two, the second waits 40 ms for the client's word about the first.
    wbufsize = 1 << 16
    server_of: MailchimpServer

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._do("GET")

    def do_POST(self) -> None:
        self._do("POST")

    def _do(self, method: str) -> None:
        fake = self.server_of
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length) if length else b""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with suppress(ValueError):
            content = json.loads(content) if content else None  # type: ignore[assignment]
        request = Request(method, parts.path, query, self.headers.get("Authorization", ""), content)
        with fake.lock:
            fake.asked.append(f"{method} {self.path}")
            fake.busy += 1
            fake.most_busy = max(fake.most_busy, fake.busy)
            is_crowded = fake.busy > MOST_AT_ONCE
        try:
            if fake.meanwhile:
                fake.meanwhile(request)
            self._answer(request, is_crowded)
        finally:
            with fake.lock:
                fake.busy -= 1

    def _answer(self, request: Request, is_crowded: bool) -> None:
        fake, rule = self.server_of, self.server_of.rule_for(request)
        what = rule.what if rule else ""
        if what == HANG_UP:
            self.close_connection = True
            return
        if what == CLOSE:
            fake.account.close()
        try:
            if is_crowded:
                raise Problem(429)
            if isinstance(what, int):
                raise Problem(what, headers=rule.headers if rule else {})
            document = fake.answer(request)
        except Problem as problem:
            content = json.dumps(problem.document).encode()
            self._send(problem.status, "application/problem+json; charset=utf-8", content, problem.headers)
            return
        if what == GARBAGE:
            self._send(200, "text/html", b"<!DOCTYPE html><html><body>Please sign in</body></html>", {})
        elif isinstance(document, bytes):
            self._send(200, "application/octet-stream", document, {}, is_cut=what == CUT)
        else:
            content = json.dumps(document, ensure_ascii=False).encode()
            self._send(200, "application/json; charset=utf-8", content, {}, is_cut=what == CUT)

    def _send(self, status: int, kind: str, content: bytes, headers: dict[str, str], is_cut: bool = False) -> None:
        self.send_response_only(status)
        self.send_header("Date", format_datetime(self.server_of.account.now, usegmt=True))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content[: len(content) // 2] if is_cut else content)
        if is_cut:
            self.close_connection = True
