"""What somebody typed or sent stays text on every page, in every letter and in every file (threat model, T24).

Nobody has to name a field: whatever is opened of a sealed column comes out with the payload behind it, whoever wrote it
there (a form, a file, a relay, a reader), readable columns have it in their rows, and every form gets it typed in.
"""

import contextlib
import csv
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from email import message_from_bytes, policy
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin
from xml.etree import ElementTree

import pytest
from django.db import transaction
from django.db.models import CharField, TextField
from django.test import Client, override_settings
from django.urls import Resolver404, resolve

from samizdat.core.crypto import seal
from samizdat.core.crypto import tokens as link
from tests.conftest import NOW
from tests.public.conftest import TEMPLATES
from tests.web import test_browser
from tests.web.conftest import House, signed_in
from tests.web.controls import Controls, Form
from tests.web.test_permissions import INSIDE, _address
from tests.web.test_tenants import MODELS, rows
from tests.web.test_views import HEADING, ROW

# A formula, and out of any attribute and element that a page puts it into.
PAYLOAD = "='\"></title></textarea></style></script><xmark onxmark=1>"
LONG = 60  # Characters of a column that may hold words; codes have less.
AGENT = "Xagent/7.7"
# What is a word of ours, a number, an address or a key in a sealed column is no text that somebody typed.
CODE = re.compile(
    r"[a-z0-9_.:/+=|,#-]{0,40}|[^\s@]+@[^\s@]+|https?://\S+|[\w+/=.:-]{24,}|[0-9T:.+Z-]*|[A-Z0-9_]{1,10}|[a-z_]+:\S{0,40}"
)
# Sealed columns in which there is nothing that anybody typed: why.
OURS = {
    "backup place.wrapped": "an address and a password, which is shown nowhere",
    "edition.compiled": "made of a draft that had it",
    "bulk.plan": "numbers; its words go into consent records",
    "chunk.digest": "of numbers",
    "campaign.places": "which parts of a template are there; what is written in them is the draft's",
    "dkimkey.private": "a key",
    "sendingdomain.state": "a domain's name, and whether it waits",
    "eventwebhook.progress": "numbers, and how far it has come",
    "eventwebhook.settings": "an address and a secret; its page shows both",
    "event.detail": "numbers and words of ours",
    "importpiece.blob": "part of a file; its cells have it",
    "organization.settings": "a copy of columns beside it",
    "pendingchange.told": "numbers and roles",
    "person.email": "an address",
    "picture.data": "a picture",
    "picture.thumb": "a picture",
    "recipientkey.key": "a key",
    "rescueevidencepiece.blob": "a file, handed out as it came and shown by no page",
    "mailbox.settings": "an address and a password, which is shown nowhere",
    "seed mailbox.settings": "an address and a password, which is shown nowhere",
    "route.settings": "an address and a password, which is shown nowhere",
}
# Readable columns that are long enough for words.
CODES = {
    "accounts_organization.timezone": "one of a list",
    "accounts_organization.slug": "letters of the address",
    "accounts_organization.public_url": "an address",
    "accounts_organization.desk_url": "an address",
    "accounts_organization.content_url": "an address",
    "accounts_organization.return_address": "an address",
    "accounts_organization.unsubscribe_mailbox": "an address",
    "accounts_organization.quiet_hours": "hours",
    "accounts_person.password": "a digest",
    "accounts_person.timezone": "one of a list",
    "campaigns_campaign.quiet_hours": "hours",
    "campaigns_edition.message_id_domain": "a host",
    "campaigns_edition.marks": "numbers",
    "campaigns_edition.languages": "codes",
    "delivery_dkimkey.public": "a key",
    "delivery_dkimkey.selector": "letters of a record",
    "delivery_route.limits": "numbers",
    "delivery_route.warm_up": "numbers",
    "delivery_routedomain.domain": "a host",
    "delivery_routepace.spent": "numbers",
    "delivery_sendingdomain.name": "a host",
    "delivery_sendingdomain.spent": "numbers",
    "delivery_sendingdomain.warm_up": "numbers",
    "delivery_schedulerstep.name": "a word of ours",
    "delivery_worker.journal": "a file of ours",
    "events_event.kind": "a word of ours",
    "events_followup.name": "a word of ours",
}


# Kinds of answers that no browser takes for a page: all are sent with `nosniff`.
PLAIN = ("application/json", "application/octet-stream", "text/markdown", "text/css", "text/javascript", "image/")


def _columns(names: set[str]) -> set[str]:
    """Without what is a row's own in them: the import of a piece, the address of a picture, the edition of a chunk."""
    own = re.compile(r"^(importpiece\.blob|rescueevidencepiece\.blob|picture\.\w+?|chunk\.digest)(\d+| .*)$")
    return {own.sub(r"\1", name) for name in names}


class Seen(HTMLParser):
    """What came of the payload in a page: an element, an attribute, or an address that is a script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _value in attrs]
        if "xmark" in tag or any("onxmark" in name for name in names):
            self.wrong.append(self.get_starttag_text() or tag)
        addresses = [value or "" for name, value in attrs if name in ("href", "src", "action", "formaction")]
        self.wrong += [value for value in addresses if value.strip().lower().startswith("javascript:")]


def infected(value: Any) -> Any:
    """With the payload before each text that may have been typed."""
    if isinstance(value, str):
        if value[:1] in ("{", "["):
            with contextlib.suppress(ValueError):
                return json.dumps(infected(json.loads(value)))
        return value if CODE.fullmatch(value) or PAYLOAD in value else PAYLOAD + value
    if isinstance(value, list):
        return [infected(one) for one in value]
    if isinstance(value, dict):
        return {name: infected(one) for name, one in value.items()}
    return value


def _layouts(plain: bytes) -> Iterator[tuple[Any, Callable[[Any], bytes]]]:
    """Ways to read what was sealed, each with the way back."""
    with contextlib.suppress(seal.SealBroken):
        yield seal.unpack(plain), seal.pack
    for opened, closed in ((zlib.decompress, zlib.compress), (bytes, bytes)):
        with contextlib.suppress(zlib.error, ValueError):
            yield json.loads(opened(plain)), lambda value, closed=closed: closed(json.dumps(value).encode())
    with contextlib.suppress(UnicodeDecodeError):
        yield plain.decode(), str.encode


class Opened:
    """Sealed columns that were opened, and those in which something was typed."""

    def __init__(self) -> None:
        self.all: set[str] = set()
        self.typed: set[str] = set()
        self.sealed: list[bytes] = []

    def infect(self, plain: bytes, associated: bytes) -> bytes:
        name = ".".join(part.decode() for part in associated.split(b"\0", 3)[1:3])
        self.all.add(name)
        if name in OURS or not plain:
            return plain
        for value, back in _layouts(plain):
            changed = infected(value)
            self.typed |= {name} if "xmark" in repr(changed) else set()
            return back(changed) if changed != value else plain
        return plain


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    found, ring, opener, closed = Opened(), seal.KeyRing.open, seal.SealOpener.open, seal.Key.seal
    monkeypatch.setattr(
        seal.Key, "seal", lambda self, text, *more: (found.sealed.append(text), closed(self, text, *more))[1]
    )
    monkeypatch.setattr(seal.KeyRing, "open", lambda self, blob, where: found.infect(ring(self, blob, where), where))
    monkeypatch.setattr(
        seal.SealOpener, "open", lambda self, blob, number: found.infect(opener(self, blob, number), self._prefix)
    )
    return found


def wrong_in(kind: str, body: bytes) -> list[str]:
    text = body.decode(errors="replace")
    if kind.startswith("text/html"):
        return Seen(text).wrong
    if kind.startswith("text/csv"):
        cells = [cell for row in csv.reader(io.StringIO(text.lstrip("\ufeff"))) for cell in row]
        return [
            cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r") and not re.fullmatch(r"-?\d+", cell)
        ]
    if "xml" in kind:
        nodes = list(ElementTree.fromstring(body).iter())  # noqa: S314  our own feed
        made = [node.tag for node in nodes if "xmark" in node.tag]
        pages = [node.text or "" for node in nodes if node.get("type") == "html"]  # RFC 4287: all else is text.
        return made + [one for page in pages for one in Seen(page).wrong]
    assert kind.startswith(PLAIN), kind
    return []


@pytest.fixture
def full(here: House, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> House:
    """With a campaign that went out, an import that was looked at and one that is done, routes and domains in trouble,
    and what was sent from outside in each."""
    from django.utils import timezone

    from samizdat.campaigns.sender_domain_check import DnsRecord
    from samizdat.core.mail.sender_check import DnsValue
    from samizdat.delivery import sending_gate
    from samizdat.delivery.actions import sender_checks

    said = [DnsRecord("SPF", "stop", PAYLOAD, PAYLOAD, publish=DnsValue(PAYLOAD, "TXT", PAYLOAD))]
    monkeypatch.setattr(sending_gate, "look", lambda *_: said)
    monkeypatch.setattr(sender_checks, "kept", lambda *_: sending_gate.KeptAnswers({}, timezone.now()))
    monkeypatch.setattr(test_browser, "HEADING", HEADING.replace("LEID", PAYLOAD))
    monkeypatch.setattr(test_browser, "ROW", ROW.replace("abc", PAYLOAD))
    test_browser._found_import(here)
    test_browser._done_import(here)
    test_browser._ready_export(here)
    test_browser._keys_in_all_states(here)
    test_browser._framed(here)
    test_browser._resting(here)
    test_browser._finished(here)
    return here


class Crawl:
    """Follows every link of a page that leads on at home; each kind of address once."""

    def __init__(self, client: Client, kind_of: Callable[[str], str]) -> None:
        self.client, self.kind_of = client, kind_of
        self.pages: dict[str, str] = {}
        self.kinds: set[str] = set()
        self.wrong: list[str] = []
        self._kinds: set[str] = set()

    def all(self, addresses: Iterable[str]) -> None:
        waiting = list(addresses)
        while waiting:
            address = waiting.pop()
            kind = self.kind_of(address)
            if not kind or kind in self._kinds:
                continue
            self._kinds.add(kind)
            page = self.page("get", address)
            for found in Controls(page).links if page else ():
                path = urljoin(address, found).partition("#")[0]
                waiting += [path] if path.startswith("/") else []

    def forms(self) -> list[tuple[str, Form]]:
        """Each form of these pages in which one can type, and where it goes."""
        found: dict[str, tuple[str, Form]] = {}
        for address, page in self.pages.items():
            for form in Controls(page).forms:
                to = form.action or address
                if form.method == "post" and form.typed:
                    found[f"{self.kind_of(to)} {sorted(form.sent)}"] = (to, form)
        return list(found.values())

    def page(self, method: str, address: str, told: Any = None, keep: bool = False) -> str:
        """Of HTML, after it was looked at."""
        with transaction.atomic():
            answer = getattr(self.client, method)(address, told or {}, headers={"User-Agent": AGENT, "Referer": AGENT})
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if method == "post" and not keep:
                transaction.set_rollback(True)
        kind = answer.headers.get("Content-Type", "")
        self.wrong += [f"{method} {address}: {one[:200]}" for one in wrong_in(kind, body)]
        page = body.decode() if kind.startswith("text/html") else ""
        if method == "get":
            self.pages[address] = page
        self.kinds.add(kind.partition(";")[0])
        return page


def _kind_at_the_desk(address: str) -> str:
    path, _, asked = address.partition("?")
    try:
        found = resolve(path)
    except Resolver404:
        return ""
    return f"{found.url_name} {sorted(parse_qs(asked))}"


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_what_was_typed_or_sent_is_text_on_every_page_of_the_app(full: House, opened: Opened) -> None:
    _spoil_columns()
    crawl = Crawl(signed_in(full.people["admin"]), _kind_at_the_desk)
    ids = full.ids()
    crawl.all(
        _address(pattern, ids)
        for pattern in INSIDE
        if pattern.callback.door["see"]  # type: ignore[attr-defined]
    )
    for to, form in crawl.forms():  # Kept where a page takes it: then each page once more.
        text = [name for name, kind in form.typed.items() if kind in ("text", "textarea", "search")]
        crawl.page("post", to, form.sent | dict.fromkeys(text, PAYLOAD), keep=True)
    again = Crawl(crawl.client, _kind_at_the_desk)
    again.all(crawl.pages)
    for to, form in again.forms():
        again.page("post", to, form.sent | dict.fromkeys(form.typed, PAYLOAD))
    crawl.wrong += again.wrong
    assert crawl.wrong == []
    assert _columns(opened.all - opened.typed) == OURS.keys() & _columns(opened.all), (
        "a sealed column with nothing typed in it, or a new one"
    )
    assert len(crawl.pages) > 100 and len(crawl.forms()) > 50
    held = b"".join(bytes(str(row), "utf-8") for table in rows().values() for row in table)
    assert AGENT.encode() not in held + b"".join(opened.sealed), "with which program somebody looked is written nowhere"


@pytest.mark.once
@pytest.mark.django_db(transaction=True)
def test_what_was_typed_or_sent_is_text_in_letters_and_on_public_pages(full: House, vault: Any) -> None:
    from samizdat.campaigns.models import Edition
    from samizdat.public import envelopes, form_tokens, tokens
    from samizdat.publicdb.models import Form as PublicForm
    from samizdat.vault import keyring
    from samizdat.vault.box_keys import BoxKeys
    from samizdat.worker.inbox import link_keys
    from samizdat.worker.publishing import publish
    from tests.worker.conftest import box_key

    _spoil_columns()
    full.organization.refresh_from_db()
    publish.publish_place(full.organization)
    publish.all_forms(full.organization)
    for edition in Edition.objects.select_related("campaign__organization", "organization"):
        publish._show(edition, NOW)
    key = keyring.keys(full.organization).link
    edition = Edition.objects.latest("pk").pk
    wrong = []
    letters = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in full.letters.rglob("*.eml")]
    for part in (part for letter in letters for part in letter.walk()):
        if part.get_content_type() == "text/html":
            wrong += Seen(part.get_content()).wrong
    given = {purpose: link.make(key, purpose, edition, full.ada.number) for purpose in ("leave", "preferences")}
    begin = ["/", "/a/", "/a/feed.xml", f"/u/{given['leave']}", f"/p/{given['preferences']}"]
    begin += [f"/f/{slug}" for slug in PublicForm.objects.values_list("slug", flat=True)]
    with (
        override_settings(
            ROOT_URLCONF="samizdat.public.urls",
            MIDDLEWARE=["samizdat.public.middleware.QuietMiddleware"],
            TEMPLATES=TEMPLATES,
        ),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(tokens, "reader", tokens.TokenReader(lambda: link_keys.reader_links(vault)))
        patch.setattr(envelopes, "boxes", BoxKeys(lambda _uid: box_key(full.organization)))
        patch.setattr(form_tokens, "YOUNGEST", 0)
        crawl = Crawl(Client(headers={"host": "lantern.example"}), _kind_in_public)
        crawl.all(begin)
        for to, form in crawl.forms():
            crawl.page("post", to, form.sent | dict.fromkeys(form.typed, PAYLOAD))
    assert letters and wrong == [] and crawl.wrong == []
    assert {"text/html", "application/atom+xml"} <= crawl.kinds and len(crawl.pages) > 8 and crawl.forms()


def _kind_in_public(address: str) -> str:
    first, _, rest = address.lstrip("/").partition("/")
    return f"{first} {rest if rest in ('', 'feed.xml') else '*'} {'?' in address}"


def _spoil_columns() -> None:
    """Readable columns that hold words."""
    for name, model in MODELS.items():
        for column in model._meta.concrete_fields:
            words = isinstance(column, CharField | TextField) and (column.max_length or LONG) >= LONG
            if words and f"{name}.{column.name}" not in CODES:
                for number, row in enumerate(model.objects.exclude(**{column.name: ""}).values_list("pk", flat=True)):
                    model.objects.filter(pk=row).update(**{column.name: f"{PAYLOAD}{number}"[: column.max_length]})
