"""The cast at the desk: Vera keeps, Clara edits, Dmitri may only look. Another organization is Harbour Bell."""

import copy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from tests.conftest import NOW, PASSWORD, TODAY
from tests.moulds import Rows
from tests.visitors import listening

PEOPLE = {"admin": ("Vera", "vera"), "editor": ("Clara", "clara"), "viewer": ("Dmitri", "dmitri")}
AGE_KEY = "age10fp8tyn65y293cv6j7tyynv9qrag0s9d04a22v7ua02xgzzelv5svc8md6"
CONSENT = "Signed the paper list at the book fair."


def make_person(name: str, email: str, organization: Any, role: str) -> Any:
    from samizdat.accounts.actions import add_person, give_role

    person = add_person(email, name=name, password=PASSWORD, today=TODAY)
    give_role(person, organization, role, by=None, now=NOW)
    return person


@dataclass
class House:
    """An organization with one of everything that a page can show."""

    organization: Any
    domain: str = "lantern.example"
    people: dict[str, Any] = field(default_factory=dict)
    list: Any = None
    ada: Any = None
    campaign: Any = None
    sent: Any = None
    route: Any = None
    import_run: Any = None
    export: Any = None
    picture: Any = None
    invitation: int = 0
    api_key: int = 0
    event_webhook: int = 0
    share: int = 0
    alarm: int = 0
    field: int = 0
    work: int = 0
    segment: int = 0
    key: Any = None
    backup_place: int = 0
    form: int = 0
    breach: int = 0
    case: int = 0
    comment: int = 0
    conversation: int = 0
    auto_reply: int = 0
    template: int = 0
    folder: int = 0
    change: int = 0
    known_key: int = 0
    mailbox: int = 0
    seed: int = 0
    letters: Path = Path()  # Where the route puts what it sends.

    def ids(self) -> dict[str, Any]:
        """What stands in addresses, by the names of urls.py."""
        return {
            "organization": self.organization.slug,
            "campaign_id": self.campaign.pk,
            "number": self.ada.number,
            "step": 1,
            "list_id": self.list.pk,
            "field_number": self.field,
            "segment_id": self.segment,
            "import_id": self.import_run.pk,
            "export_id": self.export.pk,
            "work_id": self.work,
            "route_id": self.route.pk,
            "person_id": self.people["viewer"].pk,
            "invitation_id": self.invitation,
            "api_key_id": self.api_key,
            "event_webhook_id": self.event_webhook,
            "alarm_id": self.alarm,
            "slug": self.picture.slug,
            "token": "no-link",
            "domain_id": self.key.domain_id,
            "key_id": self.key.pk,
            "kind": "light",
            "page": "sending-providers",
            "form_id": self.form,
            "breach_id": self.breach,
            "case_id": self.case,
            "file_number": 1,
            "version_number": 1,
            "comment_id": self.comment,
            "conversation_id": self.conversation,
            "report_id": self.auto_reply,
            "message_id": self.conversation,
            "place": 1,
            "share_id": self.share,
            "tag_id": self.organization.tags.filter(removed=False).order_by("pk")[0].pk,
            "template_id": self.template,
            "folder_id": self.folder,
            "question_id": self.question(),
            "change_id": self.change,
            "known_key_id": self.known_key,
            "mailbox_id": self.mailbox,
            "seed_id": self.seed,
            "place_id": self.backup_place,
            "place_kind": "sftp",
        }

    def question(self) -> int:
        """One that waits for its answer."""
        from samizdat.delivery.actions import remote_checks

        page = f"/o/{self.organization.slug}/"
        return remote_checks.ask(
            self.organization, "probe", self.route.pk, now=NOW, by=self.people["admin"], then=page
        ).pk


@dataclass(repr=False)
class Furnished:
    """What furnishing came to, kept by each worker: the rows are put back in a tenth of the time it took."""

    folder: Path
    house: House | None = None
    rows: Rows | None = None


def furnish(organization: Any, folder: Path, domain: str) -> House:
    """Fills an organization: people, a list with Ada and Boris, a draft, a letter that was released, a route."""
    from samizdat.accounts import actions as accounts
    from samizdat.accounts import api_keys
    from samizdat.accounts.models import Invitation
    from samizdat.audience import actions as audience
    from samizdat.audience.actions.forms import FormFacts, make_form
    from samizdat.audience.segment_conditions.list_status import ListCondition
    from samizdat.campaigns import folders
    from samizdat.campaigns.templates import import_template
    from samizdat.core.event_webhooks import EVENTS
    from samizdat.delivery import actions as delivery
    from samizdat.delivery import backup_places
    from samizdat.delivery.actions import domains
    from samizdat.delivery.backup_places import PlaceDetails
    from samizdat.incoming.mailboxes import actions as mailboxes
    from samizdat.incoming.seeds import mailboxes as seeds
    from samizdat.portability import actions as exporting
    from samizdat.portability import recipient_keys
    from samizdat.portability.request import ExportRequest
    from samizdat.portability.webhooks import actions as webhooks

    house = House(organization, domain, letters=folder)
    for role, (name, local) in PEOPLE.items():
        house.people[role] = make_person(name, f"{local}@{domain}", organization, role)
    by = house.people["editor"]
    house.list = audience.new_list(organization, "The Thursday Letter", now=NOW, by=by)
    house.ada = audience.add_subscriber(
        organization,
        f"ada@{domain}",
        house.list,
        consent=CONSENT,
        values={"FNAME": "Ada"},
        tags=["volunteer"],
        now=NOW,
        by=by,
    )
    boris = audience.add_subscriber(organization, f"boris@{domain}", house.list, consent=CONSENT, now=NOW, by=by)
    audience.unsubscribe(boris, house.list, now=NOW, by=by)
    house.route = delivery.add_route(organization, "own-server", f"folder://{folder}", now=NOW, by=by)
    house.campaign = make_campaign(house, "What the river took")
    house.sent = delivery.release(make_campaign(house, "The winter list"), now=NOW, by=by)
    house.import_run = audience.begin_upload(organization, house.list, now=NOW, by=by)
    recipient_keys.know(organization, [AGE_KEY], now=NOW)
    house.known_key = recipient_keys.known(organization)[0][0].pk
    house.export = exporting.ask(organization, ExportRequest("csv", (AGE_KEY,)), now=NOW, by=house.people["admin"])
    house.picture = make_picture(organization)
    house.share = share_letter(house)
    accounts.invite(organization, "viewer", note="For Pavel", by=house.people["admin"], now=NOW)
    house.invitation = Invitation.objects.get(organization=organization).pk
    _token, api_key = api_keys.add(organization, "Website", ["subscribers:write"], now=NOW, by=None)
    house.api_key = api_key.pk
    _secret, hook = webhooks.add(organization, f"https://{domain}/hooks", EVENTS, now=NOW, by=None)
    house.event_webhook = hook.pk
    house.change = stopped_change(house)
    house.field = audience.add_field(organization, "CITY", "City", now=NOW, by=by)
    house.form = make_form(organization, FormFacts("Our letters", "en", (house.list.id,), "I agree."), now=NOW).pk
    house.segment = audience.add_segment(organization, "Here", ListCondition(house.list.pk), now=NOW, by=by).pk
    house.alarm = raise_alarm(house, 30)
    house.breach = write_down_a_breach(house)
    house.case = open_a_case(house)
    house.comment = speak_of(house.campaign, by)
    house.conversation = reply_of(house)
    house.auto_reply = auto_reply_to(house)
    page = b"<table><tr><td mc:edit='head'>Head</td></tr><tr><td mc:edit='body'>Body *|FNAME|*</td></tr></table>"
    house.template = import_template.take_in(organization, "Old one", page, by=by, now=NOW).template.pk
    house.folder = folders.add(organization, "Appeals", by=by, now=NOW).pk
    url = f"imaps://bounces%40{domain}:secret@imap.{domain}"
    house.backup_place = backup_places.add(PlaceDetails(url=f"file://{folder}", added=NOW)).number
    house.mailbox = mailboxes.add(organization, "bounces", url, now=NOW, by=house.people["admin"]).pk
    url = f"imaps://seed%40{domain}:secret@imap.post.example"
    house.seed = seeds.add(organization, "Post", "seed@post.example", url, now=NOW, by=house.people["admin"]).pk
    house.work = tagged(house)
    house.key = domains.add_domain(organization, domain, now=NOW, algorithms=("ed25519",)).keys.get()
    return house


def stopped_change(house: House) -> int:
    """Somebody wanted another admin and thought better of it. Its number."""
    from samizdat.accounts import pending_changes
    from samizdat.accounts.actions import give_role

    by = house.people["admin"]
    row = give_role(house.people["editor"], house.organization, "admin", by=by, now=NOW)
    assert row is not None
    pending_changes.stop(row, now=NOW, by=by)
    return row.pk


def share_letter(house: House) -> int:
    """A link to the draft for somebody outside, who has answered."""
    from samizdat.campaigns.archive import share_links

    link = share_links.opened(share_links.share(house.campaign, "For Pavel", now=NOW, by=house.people["editor"]), NOW)
    share_links.answer(link, name="Pavel", text="It was five.", yes=False, mark=share_links.mark_of(link), now=NOW)
    return link.pk


def speak_of(campaign: Any, by: Any) -> int:
    """A draft with its first version kept, and a comment on it. The comment's number."""
    from samizdat.campaigns.drafts import comments, revisions
    from samizdat.campaigns.drafts.draft import draft_of

    revisions.keep(campaign, draft_of(campaign), number=1, by=by, at=NOW)
    return comments.say(campaign, comments.CommentText("Was it not five?"), by=by, now=NOW).pk


def reply_of(house: House) -> int:
    """What Ada wrote back. The conversation's number."""
    from samizdat.core.bounce.report import ReplyContent, Report, ReportEvent
    from samizdat.incoming.conversations import take_up
    from samizdat.incoming.models import Conversation

    content = ReplyContent("Ada", f"ada@{house.domain}", "Re: The winter list", "And the cat? Is the cat all right?")
    take_up.take_up(house.organization, 1, Report((ReportEvent("reply"),), content=content), None, NOW)
    return Conversation.objects.get(organization=house.organization).pk


def auto_reply_to(house: House) -> int:
    """Somebody is out of office, and the email is no longer kept. The report's number."""
    from django.utils import timezone

    from samizdat.core.bounce.report import KINDS, ReportEvent
    from samizdat.incoming import follow_up
    from samizdat.incoming.models import MailReport

    event = ReportEvent("auto-reply", f"olga@{house.domain}", reason="away", text="Olga is away, not for long.")
    report = follow_up.ReadReport(house.organization.pk + 1_000_000, 0, event, "mail", None)
    follow_up.write(house.organization, [report], timezone.now())
    return MailReport.objects.get(organization=house.organization, kind=KINDS.index("auto-reply")).pk


def open_a_case(house: House) -> int:
    """An account that a provider closed, with a request that was answered and a file."""
    from io import BytesIO

    from samizdat.core.rescue.case import ClosedAccount
    from samizdat.privacy.actions import add_evidence, note_answered, note_sent, open_case

    account = ClosedAccount("mailchimp", NOW.date(), house.organization.name, country="LV", owner_country="LV")
    case = open_case(house.organization, account, now=NOW)
    note_answered(case, note_sent(case, "return", NOW.date(), now=NOW), NOW.date(), now=NOW)
    add_evidence(case, "notice.png", BytesIO(b"png"), now=NOW)
    return case.pk


def write_down_a_breach(house: House) -> int:
    from samizdat.privacy.actions import note_breach, tell
    from samizdat.privacy.breach_register import AffectedFilter

    breach = note_breach(house.organization, AffectedFilter("key", NOW), now=NOW, by=house.people["admin"])
    tell(breach, "authority", now=NOW)  # Otherwise it would need somebody on every first page.
    return breach.pk


def tagged(house: House) -> int:
    """Bulk work that is over and undone: everybody was given a tag that is there no more. Its number."""
    from samizdat.audience.actions import bulk, tags_for
    from samizdat.audience.filters import Filter
    from samizdat.audience.models import Tag

    tag = tags_for(house.organization, ["all of them"])["all of them"]
    work = bulk.begin(house.organization, bulk.BulkPlan(bulk.TAG, Filter(), tag=tag), now=NOW)
    bulk.run(work.id, lambda: NOW)
    work.refresh_from_db()
    bulk.undo(work, now=NOW)
    bulk.run(work.id, lambda: NOW)
    Tag.objects.filter(id=tag).delete()
    return int(work.id)


def raise_alarm(house: House, left: int) -> int:
    """So many left within an hour, as worker/inbox/unsubscribes.py writes it down. The number of the alarm's event."""
    from samizdat.events.actions import record

    group = NOW.strftime("%Y-%m-%dT%H")
    detail = {"group": group, "numbers": [], "count": left}
    record("subscribers.left", house.organization, now=NOW, about=house.list.pk, detail=detail)
    told = {"groups": [group], "left": left, "of": 1000}
    return record("subscribers.left_alarm", house.organization, now=NOW, about=house.list.pk, detail=told).pk


def make_campaign(house: House, subject: str, body: str = "Dear *|FNAME|*,\n\nthe water came at four.\n") -> Any:
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft

    draft = Draft(subject=subject, from_name="Lantern", from_email=f"letter@{house.domain}", body=body)
    return create(house.organization, house.list, draft, by=house.people["editor"], now=NOW)


def png() -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (8, 6), "navy").save(out, "PNG")
    return out.getvalue()


def make_picture(organization: Any) -> Any:
    from samizdat.campaigns.media.library import take_in

    return take_in(organization, png(), NOW)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    return Furnished(tmp_path_factory.mktemp("letters"))


@pytest.fixture
def here(db: Any, vault: Any, furnished: Furnished) -> House:
    """Northern Lantern, furnished. Not to be asked for beside `lantern`, which is the same group without furniture."""
    shutil.rmtree(furnished.folder)
    furnished.folder.mkdir()
    if furnished.rows:
        furnished.rows.put_back()
        return copy.deepcopy(furnished.house)
    from samizdat.accounts.actions import found_organization

    lantern = found_organization("Northern Lantern", source=vault, today=TODAY, public_url="https://lantern.example")
    lantern.timezone = "Europe/Riga"
    lantern.save(update_fields=["timezone"])
    furnished.house = furnish(lantern, furnished.folder, "lantern.example")
    furnished.rows = Rows()
    return copy.deepcopy(furnished.house)


@pytest.fixture
def there(here: House, vault: Any, tmp_path: Path) -> House:
    """Harbour Bell, a foreign organization, furnished as well."""
    from samizdat.accounts.actions import found_organization
    from samizdat.audience.actions import add_field

    settings = {"public_url": "https://bell.example", "return_address": "back@bell.example"}
    bell = found_organization("Harbour Bell", source=vault, today=TODAY, **settings)
    # Numbers of fields are an organization's own: one that both have would prove nothing.
    for tag in ("BELL", "TOWER"):
        add_field(bell, tag, "", now=NOW)
    return furnish(bell, tmp_path, "bell.example")


@contextmanager
def at_the_first_question_about(table: str, deed: Callable[[], None]) -> Iterator[None]:
    """Does something to the database where a page first asks for rows of this table, behind the check of the role: so
    somebody who writes the database, and locks that table, does it whenever they like."""
    waiting = [deed]

    def ask(execute: Any, sql: str, *more: Any) -> Any:
        if waiting and sql.startswith("SELECT") and f'FROM "{table}"' in sql:
            waiting.pop()()
        return execute(sql, *more)

    with connection.execute_wrapper(ask):
        yield


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person, "samizdat.accounts.backend.BlindIndexBackend")
    return client


@pytest.fixture(autouse=True)
def _worker_answers(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The worker looks for what is asked as soon as it is asked, and the page finds the answer."""
    from django.utils import timezone

    from samizdat.delivery.actions import remote_checks

    if "no_worker" in request.fixturenames:
        return
    ask = remote_checks.ask

    def asked(*args: Any, **words: Any) -> Any:
        found = ask(*args, **words)
        remote_checks.answer(found.pk, timezone.now())
        return found

    monkeypatch.setattr(remote_checks, "ask", asked)


@pytest.fixture
def no_worker() -> None:
    """Whoever wants an answer has it given."""


@pytest.fixture
def desk(here: House) -> Callable[[str], Client]:
    """A browser of somebody with that role in Northern Lantern."""
    return lambda role: signed_in(here.people[role])


@pytest.fixture
def unguarded(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for another admin: for tests of what is done afterwards."""
    monkeypatch.setattr("samizdat.accounts.pending_changes.held", lambda _organization, _by: False)


@pytest.fixture
def served(transactional_db: Any, vault: Any) -> Iterator[str]:
    """The desk behind uvicorn, as `serve` runs it; the address it answers at."""
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connections

    from samizdat.web.asgi import DeskApplication
    from samizdat.web.static_files import StaticFiles

    # A connection a request: one that outlived the test would keep the database from being dropped.
    kept = {alias: connections.settings[alias]["CONN_MAX_AGE"] for alias in connections}
    for alias in connections:
        connections.settings[alias]["CONN_MAX_AGE"] = 0
    with listening(DeskApplication(WSGIHandler(), files=StaticFiles())) as port:
        yield f"http://127.0.0.1:{port}"
    for alias, age in kept.items():
        connections.settings[alias]["CONN_MAX_AGE"] = age
