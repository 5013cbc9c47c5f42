"""The first page: what needs somebody, the promises in their order, and the first steps of a new house."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.audience import actions, queries
from samizdat.audience.models import Import
from samizdat.campaigns.archive import sent_elsewhere
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.edition_details import SentElsewhere
from samizdat.delivery import actions as delivery
from samizdat.options import key_file
from samizdat.web import charts
from samizdat.web.imports import views as imports_page
from samizdat.web.settings.views.home import _greeting
from tests.conftest import NOW
from tests.web.conftest import House, make_person, signed_in

Desk = Callable[[str], Client]


def _home(organization: Any) -> str:
    return reverse("home", args=[organization.slug])


def test_a_new_house_teaches_its_first_steps(lantern: Any) -> None:
    vera = make_person("Vera", "vera@lantern.example", lantern, "admin")
    page = signed_in(vera).get(_home(lantern)).content.decode()
    steps = [
        "Create your organization",
        "Import your subscribers",
        "Connect a sending provider",
        "Have bounces come in",
        "Set the address of your public pages",
        "Write your first campaign",
        "Verify your sending domain",
        "Set up backups",
    ]
    places = [page.index(f"<h3>{step}") for step in steps]
    assert places == sorted(places)
    assert "2 of 8 done" in page, "the organization is there, and in this one the address"
    assert page.count("btn primary") == 1, "one step is the next"


def test_what_another_service_sent_before_is_no_step_of_this_one(lantern: Any) -> None:
    list_ = actions.new_list(lantern, "Letter", now=NOW)
    draft = Draft("River", from_name="Lantern", from_email="letter@lantern.example", body="Hello\n")
    facts: dict[str, Any] = {"at": NOW, "listed": False, "by": None, "language": "en"}
    for _campaign in range(21):
        sent_elsewhere.keep(lantern, list_, draft, SentElsewhere("Mailchimp"), **facts)
    vera = make_person("Vera", "vera@lantern.example", lantern, "admin")
    page = signed_in(vera).get(_home(lantern)).content.decode()
    assert "Connect a sending provider" in page and "of 8 done" in page
    assert "0 of 0" not in page, "nothing went out from here"


def test_every_empty_page_teaches_one_step(lantern: Any) -> None:
    client = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    for name in ("campaigns", "subscribers", "lists", "routes"):
        page = client.get(reverse(name, args=[lantern.slug])).content.decode()
        assert 'class="empty"' in page, name
    assert (
        "Subscribers see it when they unsubscribe."
        in client.get(reverse("imports", args=[lantern.slug])).content.decode()
    )
    assert "No lists yet" in client.get(reverse("new-campaign", args=[lantern.slug])).content.decode()


def test_the_promises_keep_their_order(here: House, desk: Desk) -> None:
    page = desk("viewer").get(_home(here.organization)).content.decode()
    names = ["Your data", "Sending", "Encryption", "Recovery", "Account"]
    places = [page.index(f">{name}</b>") for name in names]
    assert places == sorted(places)
    subscribed = queries.count(here.organization, status="subscribed")
    assert subscribed < queries.count(here.organization), "Boris left, and is none of those who get letters"
    assert re.search(rf"\b{subscribed} subscriptions?, on your server", page)


def test_what_is_paused_or_waits_needs_somebody(here: House, desk: Desk) -> None:
    client = desk("editor")
    assert "“The winter list” is paused" not in client.get(_home(here.organization)).content.decode()
    delivery.pause(here.sent, now=NOW)
    page = client.get(_home(here.organization)).content.decode()
    assert "“The winter list” is paused" in page
    assert "You’re all caught up" not in page


def test_a_fenced_house_says_so_first(here: House, desk: Desk) -> None:
    delivery.pause(here.sent, now=NOW)
    here.organization.sending_locked = True
    here.organization.save(update_fields=["sending_locked"])
    page = desk("admin").get(_home(here.organization)).content.decode()
    assert page.index("Sending is on hold") < page.index("is paused")
    send = desk("admin").get(reverse("send", args=[here.organization.slug, here.campaign.pk])).content.decode()
    assert "btn final" not in send


def test_what_a_copy_would_send_is_shown_to_all_and_released_by_an_admin(here: House, desk: Desk) -> None:
    here.organization.sending_locked = True
    here.organization.save(update_fields=["sending_locked"])
    page = reverse("on-hold", args=[here.organization.slug])
    assert page in desk("editor").get(reverse("campaigns", args=[here.organization.slug])).content.decode()
    seen = desk("editor").get(page).content.decode()
    assert "would be sent" in seen and "Send from here" not in seen
    assert desk("editor").post(page).status_code == 403
    assert "Send from here" in desk("admin").get(page).content.decode()
    desk("admin").post(page)
    here.organization.refresh_from_db()
    assert not here.organization.sending_locked
    assert desk("admin").get(page).headers["Location"] == _home(here.organization)


def test_no_page_of_a_copy_says_that_a_campaign_goes_out(here: House, desk: Desk) -> None:
    from samizdat import dbclock
    from samizdat.delivery.models import Retry

    slug, now = here.organization.slug, dbclock.now()
    delivery.release(here.campaign, now=now, at=now + timedelta(days=2))
    Retry.objects.create(edition=here.sent.edition, number=here.ada.number, tries=1, due=now, first=now)
    here.organization.sending_locked = True
    here.organization.save(update_fields=["sending_locked"])
    client = desk("editor")
    page = client.get(_home(here.organization)).content.decode()
    assert "Sending is on hold" in page and page.count("On hold</span>") == 1
    report = client.get(reverse("report", args=[slug, here.sent.pk])).content.decode()
    assert "On hold" in report and "Sending</span>" not in report and "Next retry" not in report
    planned = client.get(reverse("report", args=[slug, here.campaign.pk])).content.decode()
    assert "but sending is paused" in planned and "sends at" not in planned
    waits = client.get(reverse("on-hold", args=[slug])).content.decode()
    assert "scheduled for " in waits and "since " in waits and "Since" not in waits


def test_a_database_that_went_back_in_time_is_said_at_home_with_its_counts(here: House, desk: Desk) -> None:
    from samizdat import dbclock
    from samizdat.events.actions import record

    record(
        "installation.rewound", here.organization, now=dbclock.now(), detail={"booked": 1200, "unsure": 3, "lost": 0}
    )
    page = desk("admin").get(_home(here.organization)).content.decode()
    assert "The database is from an earlier point in time" in page and "1,200 answers were recorded again" in page


def test_an_admin_of_a_new_house_sees_which_key_file_to_copy_and_how(lantern: Any) -> None:
    people = {role: make_person(role, f"{role}@lantern.example", lantern, role) for role in ("admin", "editor")}
    pages = {role: signed_in(person).get(_home(lantern)).content.decode() for role, person in people.items()}
    assert f"cp {key_file()} /media/usb/" in pages["admin"] and str(key_file()) not in pages["editor"]


def _next(page: str) -> str:
    """The step that a page offers, with where its button leads."""
    step = re.search(r'id="h-next">\s*Next: ([^<]+?)\s*</h2>.*?href="([^"]+)"', page, re.S)
    return f"{step[1]}: {step[2]}" if step else ""


def test_each_step_of_setting_up_leads_on_to_the_next(lantern: Any) -> None:
    client = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    to = {name: reverse(name, args=[lantern.slug]) for name in ("lists", "imports", "routes", "new-campaign")}
    assert _next(client.get(to["lists"]).content.decode()) == "", "nothing is finished there yet"
    mailing_list = actions.new_list(lantern, "Thursday", now=NOW)
    assert _next(client.get(to["lists"]).content.decode()) == f"Import your subscribers: {to['imports']}"
    actions.add_subscriber(lantern, "ada@post.example", mailing_list, consent="They asked for it.", now=NOW)
    assert _next(client.get(to["lists"]).content.decode()) == f"Connect a sending provider: {to['routes']}"
    delivery.add_route(lantern, "relay", "smtp+plain://127.0.0.1:1", now=NOW)
    routes = client.get(to["routes"]).content.decode()
    assert _next(routes) == f"Write your first campaign: {to['new-campaign']}", "the domain can wait"


def test_the_first_import_creates_its_list(lantern: Any) -> None:
    client = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    upload, people = reverse("upload", args=[lantern.slug]), b"email\nolga@post.example\n"
    form = client.get(reverse("imports", args=[lantern.slug])).context["form"]
    assert form["name"].value() == "Northern Lantern", "it can be kept"
    unnamed = client.post(upload, {"name": " ", "files": [SimpleUploadedFile("people.csv", people, "text/csv")]})
    assert unnamed.status_code == 422 and not queries.lists(lantern)
    client.post(upload, {"name": "Thursday", "files": [SimpleUploadedFile("people.csv", people, "text/csv")]})
    (mailing_list,) = queries.lists(lantern)
    row = Import.objects.latest("pk")
    assert (mailing_list.name, row.list_id, row.state) == ("Thursday", mailing_list.id, "reading")


def test_a_first_file_that_is_refused_leaves_no_list_and_keeps_the_name(lantern: Any) -> None:
    client = signed_in(make_person("Vera", "vera@lantern.example", lantern, "admin"))
    upload = reverse("upload", args=[lantern.slug])
    empty = client.post(upload, {"name": "Thursday", "files": [SimpleUploadedFile("people.csv", b"", "text/csv")]})
    assert not queries.lists(lantern) and 'value="Thursday"' in empty.content.decode()


def test_an_import_goes_into_a_new_list_beside_the_others(here: House, desk: Desk) -> None:
    client, slug = desk("editor"), here.organization.slug
    people = SimpleUploadedFile("people.csv", b"email\nolga@post.example\n", "text/csv")
    client.post(reverse("upload", args=[slug]), {"files": [people]})
    row = actions.inspect(Import.objects.latest("pk").pk, now=timezone.now)
    page = reverse("import", args=[slug, row.pk])
    client.post(page, {"u-0": "1", "s-0": "subscribed", "list": "new", "new-list": "", "then": "start"})
    assert len(queries.lists(here.organization)) == 1, "a list without a name is none"
    client.post(page, {"u-0": "1", "s-0": "subscribed", "list": "new", "new-list": "Friday", "then": "start"})
    row.refresh_from_db()
    assert row.list is not None and queries.name_of(row.list) == "Friday"


def _rows(client: Client, organization: Any) -> list[str]:
    """Of the table of drafts and scheduled campaigns, without their tags."""
    page = client.get(_home(organization)).content.decode()
    body = page.split('id="h-n"', 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in body.split("</tr>")[:-1]]


def test_what_is_being_sent_comes_before_drafts(here: House, desk: Desk) -> None:
    sent, draft = _rows(desk("editor"), here.organization)
    assert sent.startswith("The winter list") and "since Wed 25 Nov, 14:00" in sent and sent.endswith("Sending")
    assert "Not scheduled" in draft and draft.endswith("Draft")


def test_a_campaign_in_its_undo_window_says_when_it_goes(here: House, desk: Desk) -> None:
    delivery.cancel(here.sent, now=NOW)
    delivery.release(here.campaign, now=NOW, hold_minutes=5)
    (row,) = _rows(desk("editor"), here.organization)
    assert "Wed 25 Nov, 14:05" in row and row.endswith("Undo window")


def test_a_dead_route_stops_only_where_no_other_works(here: House, desk: Desk) -> None:
    from samizdat.core.mail.outcome import RouteVerdict

    client = desk("editor")
    delivery.add_route(here.organization, "second", "smtp+plain://127.0.0.1:1", now=NOW)
    verdict = RouteVerdict("dead", "suspended", {"host": "mail.example", "answer": "550 account closed"})
    delivery.condemn(here.route.pk, verdict, NOW)
    sentence = "Route “own-server” isn’t working"

    def mark() -> str:
        page = client.get(_home(here.organization)).content.decode()
        return page.split(sentence, 1)[0].rsplit('class="mark ', 1)[1].split('"', 1)[0]

    assert mark() == "care"
    delivery.pause_route(here.organization.routes.get(name="second"), now=NOW)
    assert mark() == "stop"


def test_the_audience_adds_up(here: House, desk: Desk) -> None:
    """How many are subscribed now, and the chart that ends there."""
    actions.add_subscriber(here.organization, "new@post.example", here.list, consent="yes", now=timezone.now())
    page = desk("viewer").get(_home(here.organization)).content.decode()
    figures = re.findall(r"<dd>([+−]?[\d,]+)</dd>", page.split('id="h-g"', 1)[1])
    (largest,) = [view for view in queries.lists(here.organization) if view.id == here.list.id]
    assert figures[0] == str(largest.totals["subscribed"])
    joined, left = int(figures[1].strip("+")), int(figures[2].strip("−"))
    assert (joined, left) != (0, 0) and f"to {largest.totals['subscribed']}." in page


def test_the_size_of_a_list_is_drawn_from_its_first_day_to_its_last() -> None:
    chart = charts.size_chart([0, 4, 4, 10], NOW.date())
    assert chart is not None and (chart.first, chart.last) == (0, 10)
    assert chart.path.startswith("M52.0 122") and chart.path.endswith(f"L{chart.end[0]} {chart.end[1]}")
    assert all(charts.SIZE_TOP <= y <= charts.SIZE_GROUND for y, _text, _size in chart.lines) and chart.lines
    assert charts.size_chart([0, 0], NOW.date()) is None


@pytest.mark.parametrize(("hour", "greeting"), [(5, "morning"), (12, "afternoon"), (18, "evening"), (0, "morning")])
def test_people_are_greeted_by_the_hour(hour: int, greeting: str) -> None:
    assert _greeting(hour, "Clara") == f"Good {greeting}, Clara"


def test_lost_answers_ask_until_somebody_decides(here: House, desk: Desk) -> None:
    from samizdat.campaigns.models import Campaign

    finished = {"state": "finished", "unsure": 1, "pending": 0, "unsure_policy": "hold"}
    Campaign.objects.filter(pk=here.sent.pk).update(**finished)
    asked = "“The winter list”: 1 email with unknown outcome"
    assert asked in desk("editor").get(_home(here.organization)).content.decode()
    delivery.settle(here.sent, "hold", now=NOW)
    assert asked not in desk("editor").get(_home(here.organization)).content.decode()


def test_a_letter_that_was_taken_back_is_none_of_the_last_ones(here: House, desk: Desk) -> None:
    delivery.cancel(here.sent, now=NOW)
    assert "Recent campaigns" not in desk("editor").get(_home(here.organization)).content.decode()


def test_a_status_that_its_records_do_not_say_is_a_flaw_until_it_is_put_right(here: House, desk: Desk) -> None:
    from samizdat.audience import consistency

    consistency.tell(here.organization, 2000, 3, 0, NOW)
    flaw = "The status of 3 subscribers doesn’t match the consent records"
    page = reverse("consistency", args=[here.organization.slug])
    assert flaw in (home := desk("viewer").get(_home(here.organization)).content.decode()) and page in home
    assert desk("editor").post(page).status_code == 403
    assert "Don’t send until this is fixed." in desk("editor").get(page).content.decode()
    told = desk("admin").post(page, follow=True).content.decode()
    assert "Statuses are being fixed" in told and "Fix statuses" not in told
    consistency.mend_all(here.organization, NOW)
    assert flaw not in desk("admin").get(_home(here.organization)).content.decode()
    assert "All statuses match the consent records." in desk("admin").get(page).content.decode()


def test_import_and_export_are_one_place_in_the_menu(here: House, desk: Desk) -> None:
    """With a tab for each; an editor, who exports nothing, sees the import alone."""
    for role, both in (("admin", True), ("editor", False)):
        page = desk(role).get(reverse("imports", args=[here.organization.slug])).content.decode()
        assert (reverse("exports", args=[here.organization.slug]) in page) is both
        assert ("Import and export" in page) is both
    exports = desk("admin").get(reverse("exports", args=[here.organization.slug])).content.decode()
    menu = exports.split('<nav class="side"', 1)[1].split("</nav>", 1)[0]
    assert re.search(r'aria-current="page">\s*Import and export', menu), "the menu says where one is"


@pytest.mark.parametrize(
    ("page", "group"), [("home", "Audience"), ("lists", "Audience"), ("routes", "Sending"), ("team", "Settings")]
)
def test_the_group_of_this_page_stands_open_in_the_menu(here: House, desk: Desk, page: str, group: str) -> None:
    shown = desk("admin").get(reverse(page, args=[here.organization.slug])).content.decode()
    menu = shown.split('<nav class="side"', 1)[1].split("</nav>", 1)[0]
    assert re.findall(r"<details open>\s*<summary>\s*(\w+)", menu) == [group]


def test_the_page_of_imports_opens_the_newest_alone(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each plan weighs up to hundreds of kilobytes, and anybody on a team may upload thousands of files."""
    monkeypatch.setattr(imports_page, "LISTED", 2)
    rows = [actions.begin_upload(here.organization, here.list, now=NOW, by=None) for _each in range(3)]
    page = desk("editor").get(reverse("imports", args=[here.organization.slug])).content.decode()
    links = [reverse("import", args=[here.organization.slug, row.pk]) in page for row in rows]
    assert links == [False, True, True]
