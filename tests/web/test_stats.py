"""Results without spying: a report as a file, letters side by side, the search over past letters."""

import csv
import io
import json
import re
from datetime import date
from typing import Any

import pytest
from click.testing import CliRunner
from django.db import transaction

from samizdat.audience.actions import suppress
from samizdat.campaigns import actions, edition_details, queries, sealed_clicks, translations
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign, Edition, EditionVariant
from samizdat.cli import bootstrap
from samizdat.cli.__main__ import samizdat
from samizdat.cli.campaign.status import status_of
from samizdat.core.bounce.report import KINDS
from samizdat.core.mail.ledger import State
from samizdat.delivery.actions import release
from samizdat.delivery.models import Chunk, VariantTotal
from samizdat.incoming import intake
from samizdat.incoming.models import MailReport
from tests.clicks import clicked
from tests.conftest import NOW
from tests.web.conftest import House, make_campaign
from tests.web.test_release import Desk, _to, quiet_names  # noqa: F401 - a fixture


def _sent(here: House, subject: str, accepted: int, refused: int, left: int) -> int:
    number = make_campaign(here, subject).pk
    told = {"accepted": accepted, "refused": refused, "unsubscribes": left}
    Campaign.objects.filter(pk=number).update(state="finished", released=NOW, frozen=accepted + refused, **told)
    return number


def _cells(answer: Any) -> list[list[str]]:
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    text: str = answer.content.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_letters_stand_side_by_side_and_small_numbers_are_not_said(here: House, desk: Desk) -> None:
    flood, frost = _sent(here, "Flood", 2000, 19, 40), _sent(here, "=Frost()", 1000, 0, 7)
    few = _sent(here, "To a few", 19, 0, 1)
    page = desk("viewer").get(_to(here, "compare"))
    rates = {row["campaign"].pk: row["rate"] for row in page.context["rows"]}
    assert rates == {flood: 20.0, frost: None} and few not in page.context["chosen"]
    text = page.content.decode()
    assert "2,000" in text and text.count("not enough data") == 2 and "To a few" not in text
    _heads, *rows = _cells(desk("viewer").get(_to(here, "compare") + "?as=csv"))
    assert [row[1:2] + row[5:7] + row[10:11] for row in rows] == [
        ["'=Frost()", "1000", "0", "<20"],
        ["Flood", "2000", "<20", "40"],
    ]
    chosen = desk("viewer").get(_to(here, "compare") + f"?c={flood}&c={few}&c=x")
    assert [row["campaign"].pk for row in chosen.context["rows"]] == [flood]


def test_a_report_is_had_as_a_file_without_small_numbers(here: House, desk: Desk) -> None:
    number = _sent(here, "Flood", 2000, 19, 40)
    rows = _cells(desk("viewer").get(_to(here, "report-csv", number)))
    assert ["campaign", "accepted", "2000"] in rows and ["campaign", "bounced", "<20"] in rows
    assert ["campaign", "unsubscribed", "40"] in rows
    Campaign.objects.filter(pk=number).update(unsubscribes=3)
    page = desk("viewer").get(_to(here, "live", number)).content.decode()
    assert re.search(r"<dt>Unsubscribed</dt>\s*<dd>3</dd>", page), "exactly, to the team"
    assert status_of(Campaign.objects.select_related("organization").get(pk=number))["left_by_letter"] is None


def test_past_letters_are_found_by_words_of_their_subject(here: House, there: House, desk: Desk) -> None:
    _sent(here, "The flood of the Düna", 100, 0, 0)
    make_campaign(here, "What a FLOOD leaves")
    make_campaign(there, "Their flood")
    client, address = desk("viewer"), _to(here, "campaigns")

    def found(query: str) -> list[str]:
        return [row.subject for row, _names in client.get(address + query).context["rows"]]

    assert found("?q=flood") == ["What a FLOOD leaves", "The flood of the Düna"]
    assert found("?q=d%C3%BC+flood&show=finished") == ["The flood of the Düna"]
    assert found("?q=lood") == []
    assert "No campaigns found. Try other words." in client.get(address + "?q=lood").content.decode()


def test_a_search_through_many_letters_can_go_further_back(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "LOOKED_THROUGH", 1)
    make_campaign(here, "Newest")
    rows, further = queries.searched(here.organization, "river")
    while further and not rows:
        rows, further = queries.searched(here.organization, "river", before=further)
    assert [row.subject for row in rows] == ["What the river took"]


def _count(edition: Edition, places: str) -> None:
    with transaction.atomic():
        edition_details.change(edition, counted_places=places)


def _counted(here: House, presses: list[dict[int, int]], people: int = 260) -> int:
    """A finished letter to so many people who have long been subscribed, with a counted link for each of `presses`:
    day of November -> how often.
    """
    body = " ".join(f"[Link](https://paper.example/{at})" for at in range(len(presses)))
    campaign = make_campaign(here, "Counted")
    draft = draft_of(campaign).with_(body=body, links="counted", format="markdown")
    actions.save(campaign, draft, version=campaign.version, by=None, now=NOW)
    campaign = release(Campaign.objects.get(pk=campaign.pk), now=NOW)
    Campaign.objects.filter(pk=campaign.pk).update(state="finished", pending=0, frozen=people, accepted=people)
    _count(campaign.edition, "0")
    days = [(link, day, count) for link, days in enumerate(presses) for day, count in days.items()]
    sealed_clicks.begin(campaign.edition, date(2026, 11, 24))
    clicked(campaign, [(0, link, date(2026, 11, day), count) for link, day, count in days])
    return campaign.pk


@pytest.mark.django_db
def test_clicks_are_sums_and_a_small_one_is_not_said(here: House, desk: Desk) -> None:
    number = _counted(here, [{24: 230, 25: 3, 26: 221, 27: 4}, {24: 19}, {}])
    client = desk("viewer")
    text = client.get(_to(here, "report", number)).content.decode()
    assert "https://paper.example/0" in text and "Totals only" in text
    assert text.count("not enough data") == 1 and "or who clicked: clicks per link are totals" in text
    rows = [row[1:] for row in _cells(client.get(_to(here, "report-csv", number))) if row[0].startswith("link")]
    assert rows == [
        ["1: https://paper.example/0", "460"],
        ["2: https://paper.example/1", "<20"],
        ["3: https://paper.example/2", "0"],
        # The 25th stands with the 26th, the 27th with both, so that no small number is the difference of two others.
        ["1: 2026-11-24 – 2026-11-24", "230"],
        ["1: 2026-11-25 – 2026-11-27", "230"],
    ]


@pytest.mark.django_db
def test_the_command_line_says_the_same_sums(here: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "open_house", lambda: None)  # The test has opened it.

    def said(number: int, *more: str) -> Any:
        return CliRunner().invoke(samizdat, ["campaign", "report", str(number), *more])

    number = _counted(here, [{24: 230, 25: 3, 26: 221, 27: 4}, {24: 19}, {}])
    suppress(here.organization, "complaint", address="loud@post.example", now=NOW)
    told = json.loads(said(number, "--json").stdout)
    first, then = ("2026-11-24", "2026-11-24", 230), ("2026-11-25", "2026-11-27", 230)
    days = [[tuple(day.values()) for day in link["days"]] for link in told["links"]]
    assert days == [[first, then], [], []]
    assert [(link["count"], link["few"]) for link in told["links"]] == [(460, False), (None, True), (0, False)]
    assert told["replies"] == {"count": None, "few": False}
    assert told["complaints_by_any_letter"] == {"count": None, "few": True}
    lines = said(number).stdout
    assert "460  clicks  1. https://paper.example/0" in lines and "few  clicks  2." in lines
    spoken = json.loads(said(_in_languages(here, {"en": 400, "ru": 60, "fa": 9}), "--json").stdout)["languages"]
    assert [(one["language"], one["people"], one["accepted"]["count"], one["refused"]["count"]) for one in spoken] == [
        ("English", 400, 399, None), ("Persian, Russian", 69, 67, None),
    ]  # fmt: skip
    draft = said(here.campaign.pk, "--json")
    assert draft.exit_code == 1 and json.loads(draft.stdout)["error"] == "not_released"


@pytest.mark.django_db
def test_of_a_letter_to_few_no_press_is_said_however_many_there_are(here: House, desk: Desk) -> None:
    """Whoever writes to Ada alone and presses the link twenty times themselves learns nothing of Ada."""
    number = _counted(here, [{24: 30}, {}], people=1)
    client = desk("admin")
    text = client.get(_to(here, "report", number)).content.decode()
    assert text.count("not enough data") == 2 and "By day" not in text
    rows = [row[1:] for row in _cells(client.get(_to(here, "report-csv", number))) if row[0].startswith("link")]
    assert rows == [["1: https://paper.example/0", "<20"], ["2: https://paper.example/1", "<20"]]


@pytest.mark.django_db
def test_a_sum_moves_by_tens_and_days_of_few_presses_are_not_said(here: House, desk: Desk) -> None:
    """Nobody who looks every minute sees the minute in which one more reader pressed."""
    number, client = _counted(here, [{24: 31, 25: 33}]), desk("viewer")

    def said() -> list[list[str]]:
        rows = _cells(client.get(_to(here, "report-csv", number)))
        return [row[1:] for row in rows if row[0].startswith("link")]

    assert said() == [["1: https://paper.example/0", "60"]]
    campaign = Campaign.objects.select_related("edition").get(pk=number)
    clicked(campaign, [(0, 0, date(2026, 11, 25), 1)])
    assert "By day" not in client.get(_to(here, "report", number)).content.decode()
    assert said() == [["1: https://paper.example/0", "70"]]
    clicked(campaign, [(0, 0, date(2026, 11, 25), 9)])
    assert said() == [["1: https://paper.example/0", "70"]]


@pytest.mark.django_db
def test_a_report_opens_the_sums_of_its_clicks_once(here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    number, client = _counted(here, [{24: 230}]), desk("viewer")
    genuine, opened = sealed_clicks._opened, []
    monkeypatch.setattr(sealed_clicks, "_opened", lambda *row: opened.append(row) or genuine(*row))
    assert client.get(_to(here, "report", number)).status_code == 200
    assert len(opened) == 1


@pytest.mark.django_db
def test_a_letter_whose_clicks_are_not_counted_says_why(here: House, desk: Desk) -> None:
    number = _counted(here, [{}])
    _count(Edition.objects.get(campaign=number), "")
    page = desk("viewer").get(_to(here, "report", number)).content.decode()
    assert "at least 200 people subscribed for 30 days" in page


@pytest.mark.django_db
def test_answers_are_sums_and_a_small_one_is_not_said(here: House, desk: Desk) -> None:
    campaign = make_campaign(here, "Asked")
    asked = {"type": "question", "attrs": {"question": "Thursdays?", "answers": ["Yes", "No", "=Both()"]}}
    body = json.dumps({"type": "doc", "content": [asked]})
    draft = draft_of(campaign).with_(body=body, format="blocks")
    actions.save(campaign, draft, version=campaign.version, by=None, now=NOW)
    edition = release(Campaign.objects.get(pk=campaign.pk), now=NOW).edition
    Campaign.objects.filter(pk=campaign.pk).update(state="finished", pending=0, frozen=260, accepted=260)
    _count(edition, "0")
    clicked(edition.campaign, answers=[(0, 0, 44), (0, 1, 19)])
    client = desk("viewer")
    shown = client.get(_to(here, "report", campaign.pk))
    assert shown.context["asked"][0]["total"] is None, "the sum would say what is not said"
    assert "Thursdays?" in shown.content.decode() and shown.content.decode().count("not enough data") == 1
    rows = [row for row in _cells(client.get(_to(here, "report-csv", campaign.pk))) if row[0] == "answer"]
    assert rows == [["answer", "Yes", "40"], ["answer", "No", "<20"], ["answer", "'=Both()", "0"]]


@pytest.mark.django_db
def test_a_version_that_nobody_got_has_no_links_and_no_question_in_the_report(here: House, desk: Desk) -> None:
    campaign = make_campaign(here, "Asked")
    for code, place in (("en", "0"), ("fa", "1")):
        letter = campaign if code == "en" else translations.add(campaign, code, by=None, now=NOW)
        blocks = [
            {"type": "question", "attrs": {"question": f"Thursdays in {code}?", "answers": ["Yes", "No"]}},
            {"type": "button", "attrs": {"text": "Read", "link": f"https://paper.example/{place}"}},
        ]
        body = json.dumps({"type": "doc", "content": blocks})
        draft = draft_of(letter).with_(body=body, format="blocks", links="counted")
        actions.save(letter, draft, version=letter.version, by=None, now=NOW)
    release(Campaign.objects.get(pk=campaign.pk), now=NOW)
    Campaign.objects.filter(pk=campaign.pk).update(state="finished", pending=0, frozen=60, accepted=60)
    client = desk("viewer")
    page = client.get(_to(here, "report", campaign.pk)).content.decode()
    assert "Thursdays in en?" in page and "Thursdays in fa?" not in page and "paper.example/1" not in page
    assert "paper.example/1" not in client.get(_to(here, "report-csv", campaign.pk)).content.decode()


def _in_languages(here: House, people: dict[str, int]) -> int:
    """A finished letter whose versions went to so many, one of each refused; the fallback first."""
    campaign, (first, *others) = make_campaign(here, "Spoken"), people
    for code in others:
        translations.add(campaign, code, by=None, now=NOW)
    edition = release(campaign, now=NOW).edition
    assert edition.languages == ",".join(people) and first == "en"
    total = sum(people.values())
    told = {"pending": 0, "frozen": total, "accepted": total - len(people), "refused": len(people)}
    Campaign.objects.filter(pk=campaign.pk).update(state="finished", **told)
    Chunk.objects.filter(edition=edition).update(remaining=0)
    for place, many in enumerate(people.values()):
        EditionVariant.objects.filter(edition=edition, variant_no=place).update(people=many)
        for state, count in ((State.ACCEPTED, many - 1), (State.REFUSED, 1)):
            VariantTotal.objects.create(edition=edition, variant=place, state=int(state), count=count)
    return campaign.pk


@pytest.mark.django_db
def test_by_language_numbers_add_up_and_none_is_of_fewer_than_twenty(here: House, desk: Desk) -> None:
    number, client = _in_languages(here, {"en": 400, "ru": 60, "fa": 9, "ka": 8}), desk("viewer")
    page = client.get(_to(here, "report", number))
    told = page.context["languages"]
    assert [(one["name"], one.get("people")) for one in told["rows"]] == [
        ("English", 400), ("Russian", None), ("Persian", None), ("Georgian", None),
    ]  # fmt: skip
    # Nine and eight are too few still, so the next larger one stands with them.
    assert (told["few"]["name"], told["few"]["people"]) == ("Persian, Georgian, Russian", 77)
    assert told["few"]["counts"] == [("accepted", 74), ("bounced", 3)]
    assert told["totals"] == [("accepted", 473), ("bounced", 4)]
    rows = [row[1:] for row in _cells(client.get(_to(here, "report-csv", number))) if row[0] == "language"]
    assert rows == [
        ["English: accepted", "399"],
        ["English: bounced", "<20"],
        ["Persian, Georgian, Russian: accepted", "74"],
        ["Persian, Georgian, Russian: bounced", "<20"],
    ]
    compared = client.get(_to(here, "compare")).content.decode()
    assert "accepted, by language: English 399; Persian, Georgian, Russian 74" in " ".join(compared.split())
    heads, *rows = _cells(client.get(_to(here, "compare") + "?as=csv"))
    at = heads.index("Language")
    assert [row[at : at + 3] for row in rows if row[1] == "Spoken"] == [
        ["", "473", "<20"], ["English", "399", "<20"], ["Persian, Georgian, Russian", "74", "<20"],
    ]  # fmt: skip


@pytest.mark.django_db
def test_of_two_languages_of_which_one_is_of_few_nothing_is_said_apart(here: House, desk: Desk) -> None:
    number, client = _in_languages(here, {"en": 400, "fa": 5}), desk("viewer")
    page = client.get(_to(here, "report", number))
    assert [one.get("people") for one in page.context["languages"]["rows"]] == [None, None]
    assert "not enough data" in page.content.decode()
    assert not [row for row in _cells(client.get(_to(here, "report-csv", number))) if row[0] == "language"]


@pytest.mark.django_db
def test_replies_are_what_somebody_counted_and_complaints_what_is_known(here: House, desk: Desk) -> None:
    number, client = _counted(here, [{}]), desk("editor")
    Campaign.objects.filter(pk=number).update(frozen=2000, accepted=2000)
    page = client.get(_to(here, "report", number)).content.decode()
    assert "Not counted yet" in page and "Complaints (all campaigns)" in page
    client.post(_to(here, "count-replies", number), {"replies": "7"})
    assert "fewer than 20" in desk("viewer").get(_to(here, "report", number)).content.decode()
    assert ["campaign", "replies", "<20"] in _cells(client.get(_to(here, "report-csv", number)))
    client.post(_to(here, "count-replies", number), {"replies": "31"})
    heads, *rows = _cells(client.get(_to(here, "compare") + "?as=csv"))
    assert [row[heads.index("replies")] for row in rows if row[1] == "Counted"] == ["31"]
    draft = make_campaign(here, "Not yet")
    client.post(_to(here, "count-replies", draft.pk), {"replies": "3"})
    assert Campaign.objects.get(pk=draft.pk).replies is None


def test_a_report_says_how_many_emails_bounced_later(here: House, desk: Desk) -> None:
    campaign, edition = here.sent, here.sent.edition
    here_page = desk("viewer").get(_to(here, "report", campaign.pk)).content.decode()
    assert "Bounced later" not in here_page
    intake.take(here.organization, b"Subject: Undelivered\r\n\r\n", (), NOW.date())
    for number, kind in enumerate(["hard", "hard", "soft", "complaint", *20 * ["reply"]]):
        MailReport.objects.create(
            organization=here.organization, mail=number, position=0, edition=edition, number=number,
            kind=KINDS.index(kind), day=NOW.date(),
        )  # fmt: skip
    page = desk("viewer").get(_to(here, "report", campaign.pk))
    assert page.context["returned"] == {"hard": 2, "soft": 1}
    assert page.context["few_complained"]  # One person's complaint is nobody's business.
    assert page.context["in_inbox"] == 20 and not page.context["few_in_inbox"]
    text = page.content.decode()
    assert "Bounced later: address doesn’t exist" in text and "Replies in the inbox" in text
