"""From a released letter to the sums of its links: one address for all readers, each box added up once."""

import itertools
import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext
from msgspec import structs

from samizdat.audience import actions as audience
from samizdat.campaigns import ab_test, actions, counted_links, edition_details, freezing, sealed_clicks
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.errors import ContentHasProblems
from samizdat.campaigns.models import Campaign, Edition, EditionClicks
from samizdat.core.content.message import loads
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealBroken
from samizdat.delivery import actions as delivery
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb import queries
from samizdat.publicdb.models import Intake, LinkTarget
from samizdat.vault import keyring
from samizdat.worker.inbox import clicks as worker
from samizdat.worker.inbox import inbox
from tests.conftest import NOW
from tests.web_copies import web_copy_of
from tests.worker.conftest import say

pytestmark = pytest.mark.django_db

QUESTION = {
    "type": "doc",
    "content": [
        {"type": "paragraph", "content": [{"type": "text", "text": "Dear readers,"}]},
        {"type": "question", "attrs": {"question": "Thursdays?", "answers": ["Yes", "", "No"]}},
    ],
}
ONE, TWO = "https://paper.example/one", "https://paper.example/two"
TODAY = NOW.date()


def box(organization: Any, day: Any, counts: Any, at: datetime = NOW, process: str = "aa" * 8) -> None:
    """As a public process puts it down."""
    say(organization, "pressed", at=at.isoformat(), process=process, day=day, counts=counts)


@pytest.fixture
def letter(lantern: Any, thursday: Any, low_floor: None) -> Campaign:
    """A released letter to five readers with two counted links, in two versions."""
    for number in range(5):
        audience.add_subscriber(lantern, f"ada{number}@post.example", thursday, consent="So.", now=NOW)
    draft = Draft(
        subject="News",
        from_name="Lantern",
        from_email="letter@lantern.example",
        body=f"[One]({ONE}) and [two]({TWO}), {{{{ FNAME }}}}.",
        links="counted",
    )
    campaign = actions.create(lantern, thursday, draft, by=None, now=NOW)
    at = NOW + timedelta(hours=1)
    ab_test.plan(campaign, [ab_test.VersionChange(subject="B")], share=80, way="clicks", at=at, by=None, now=NOW)
    return delivery.release(campaign, now=NOW)


def codes(edition: Edition, place: int) -> list[str]:
    """As they stand in what every reader of this version gets."""
    row: Any = edition if place == 0 else edition.variants.get(variant_no=place)
    label = "compiled" if place == 0 else f"compiled {place}"
    keys = keyring.keys(edition.organization)
    compiled = loads(keys.open(bytes(row.compiled_sealed), "edition", label, edition.pk))
    text = b"".join(compiled.parts).replace(b"=\r\n", b"").decode()
    assert ONE not in text and TWO not in text
    return list(dict.fromkeys(re.findall(r"https://lantern\.example/l/([a-z2-7]{52})", text)))


def test_what_the_letter_says_is_found_in_the_publicdb_and_summed_by_link_version_and_day(letter: Campaign) -> None:
    edition, lantern = letter.edition, letter.organization
    first, second = codes(edition, 0), codes(edition, 1)
    assert len({*first, *second}) == 4
    for code, url in zip(first + second, [ONE, TWO] * 2, strict=True):
        found = queries.target(code, "lantern.example", tokens.target_key(keyring.keys(lantern).link))
        assert found is not None and found[1] == {"to": url}
    later, tomorrow = NOW + timedelta(minutes=15), TODAY + timedelta(days=1)
    box(lantern, TODAY.isoformat(), {first[0]: 3, second[1]: 2})
    box(lantern, tomorrow.isoformat(), {first[0]: 4}, at=later)
    assert worker.take(later) == 2
    told = {(one.place, one.url): dict(one.days) for one in counted_links.pressed(edition)}
    assert told == {
        (0, ONE): {TODAY: 3, tomorrow: 4},
        (0, TWO): {},
        (1, ONE): {},
        (1, TWO): {TODAY: 2},
    }
    assert counted_links.presses(edition) == {0: 7, 1: 2} and counted_links.presses(edition, TWO) == {0: 0, 1: 2}
    assert not Intake.objects.exists()


def test_links_of_a_letter_are_written_a_few_in_a_transaction_and_a_killed_release_goes_on(
    letter: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite whoever unsubscribes waits for the end of each."""
    monkeypatch.setattr(publicdb, "TARGETS", 1)
    LinkTarget.objects.all().delete()
    with transaction.atomic(using="publicdb"), CaptureQueriesContext(connections["publicdb"]) as begun:
        counted_links.lay_out(letter.edition)
    written = [query["sql"] for query in begun if query["sql"].startswith("INSERT") and "linktarget" in query["sql"]]
    assert LinkTarget.objects.count() == len(written) == 4
    kept = LinkTarget.objects.order_by("name").last()
    LinkTarget.objects.exclude(pk=kept.pk).delete()
    counted_links.lay_out(letter.edition)
    assert LinkTarget.objects.count() == 4 and LinkTarget.objects.get(pk=kept.pk).box == kept.box
    LinkTarget.objects.update(signature=b"")
    counted_links.lay_out(letter.edition)
    key = tokens.target_key(keyring.keys(letter.organization).link)
    assert all(queries.target(code, "lantern.example", key) for code in codes(letter.edition, 0))


def test_a_letter_of_more_links_than_are_counted_is_not_released_and_says_what_to_do(
    lantern: Any, thursday: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All versions together: each is bytes that are written 96 times a day."""
    monkeypatch.setattr(freezing, "MOST", 3)
    for number in range(5):
        audience.add_subscriber(lantern, f"ada{number}@post.example", thursday, consent="So.", now=NOW)
    draft = Draft("News", "", "Lantern", "letter@lantern.example", "", f"[One]({ONE}) [two]({TWO})", links="counted")
    campaign = actions.create(lantern, thursday, draft, by=None, now=NOW)
    at, versions = NOW + timedelta(hours=1), [ab_test.VersionChange(subject="B")]
    ab_test.plan(campaign, versions, share=80, way="replies", at=at, by=None, now=NOW)
    with pytest.raises(ContentHasProblems, match=r"Clicks on more than 3 links .* don’t count clicks"):
        delivery.release(campaign, now=NOW)
    assert not Edition.objects.exists() and not LinkTarget.objects.exists()
    monkeypatch.setattr(freezing, "MOST", 4)
    delivery.release(campaign, now=NOW)
    assert LinkTarget.objects.count() == 4


def test_forged_sums_and_days_do_nothing(lantern: Any, letter: Campaign) -> None:
    keys, edition = keyring.keys(lantern), letter.edition
    assert keys.link is not None
    real, told = codes(edition, 0)[0], TODAY.isoformat()
    forged = tokens.make(keys.link, "leave", edition.pk, 0)
    elsewhere = tokens.make(keys.link, "click", 77, 0)
    box(lantern, told, {forged: 5, "a" * 52: 5, elsewhere: 5, real: -3})
    box(lantern, told, {real: "9"})
    box(lantern, told, [real])
    box(lantern, told, {real: 9}, at=NOW + timedelta(days=2))
    box(lantern, told, {real: 9}, process="short")
    say(lantern, "pressed", day=told, counts={real: 9})
    assert worker.take(NOW) == 4 and not Intake.objects.exists() and not any(counted_links.presses(edition).values())
    box(lantern, "2031-01-01", {real: 1}, at=NOW + timedelta(minutes=15))
    worker.take(NOW)
    assert [press.days for press in counted_links.pressed(edition) if press.total] == [{TODAY: 1}]


def test_a_crash_before_the_box_is_thrown_away_counts_nothing_twice(
    lantern: Any, letter: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    box(lantern, TODAY.isoformat(), {codes(letter.edition, 0)[0]: 3})
    with monkeypatch.context() as power:
        power.setattr(publicdb, "done_with", lambda _rows: (_ for _ in ()).throw(OSError))
        with pytest.raises(OSError):
            worker.take(NOW)
    assert worker.take(NOW) == 1
    assert counted_links.presses(letter.edition) == {0: 3, 1: 0}


def test_a_box_that_is_put_in_again_counts_nothing(lantern: Any, letter: Campaign) -> None:
    """By whoever writes the database: a box of the hour in which one reader clicked would become twenty clicks."""
    code, later = codes(letter.edition, 0)[0], NOW + timedelta(minutes=15)
    box(lantern, TODAY.isoformat(), {code: 1})
    copied = [(row.place_id, bytes(row.box)) for row in Intake.objects.all()]
    assert worker.take(NOW) == 1
    box(lantern, TODAY.isoformat(), {code: 1}, at=later)
    for at in range(30):
        box(lantern, TODAY.isoformat(), {}, at=NOW - timedelta(hours=1), process=f"{at:016x}")
    while worker.take(later):
        pass
    Intake.objects.bulk_create(Intake(place_id=place, box=sealed, kind="pressed") for place, sealed in copied * 3)
    assert worker.take(later) == 3
    assert counted_links.presses(letter.edition) == {0: 2, 1: 0}


def test_the_database_looks_alike_whether_a_reader_clicked_or_not(lantern: Any, letter: Campaign) -> None:
    """Whoever writes it may have had one reader alone get the letter that day."""
    another_edition(letter)

    def rows() -> dict[int, tuple[Any, ...]]:
        return {
            row.pk: (row.until, bytes(row.reached_sealed), bytes(row.sums_sealed))
            for row in EditionClicks.objects.all()
        }

    def after(counts: dict[str, int], minutes: int) -> list[tuple[Any, ...]]:
        """What a box has changed: of each edition its row but for the sums, their length, and whether they differ."""
        before = rows()
        box(lantern, TODAY.isoformat(), counts, at=NOW + timedelta(minutes=minutes))
        assert worker.take(NOW + timedelta(minutes=minutes)) == 1
        return [(pk, *row[:2], len(row[2]), row[2] != before[pk][2]) for pk, row in sorted(rows().items())]

    nobody, somebody = after({}, 15), after({codes(letter.edition, 0)[0]: 1}, 30)
    everybody = after(dict.fromkeys(codes(letter.edition, 0) + codes(letter.edition, 1), 119_999), 45)
    assert nobody == somebody == everybody and [row[-1] for row in nobody] == [True, True]
    assert counted_links.presses(letter.edition) == {0: 239_999, 1: 239_998}
    assert {field.name for field in EditionClicks._meta.fields} == {"edition", "until", "sums_sealed", "reached_sealed"}


def test_the_sums_of_many_letters_are_written_a_few_at_a_time_and_in_their_order(
    lantern: Any, letter: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another organization may have as many as it likes: on SQLite all others wait for a transaction's end, and for
    their turn."""
    monkeypatch.setattr(sealed_clicks, "TOGETHER", 1)
    monkeypatch.setattr(worker, "SECONDS", 0)
    other, code = another_edition(letter), codes(letter.edition, 0)[0]
    quarter = timedelta(minutes=15)
    older = min(other, letter.edition, key=lambda edition: edition.pk)
    before = bytes(EditionClicks.objects.get(pk=max(other.pk, letter.edition.pk)).sums_sealed)
    box(lantern, TODAY.isoformat(), {code: 3})
    assert worker.take(NOW) == 0 and Intake.objects.count() == 1
    assert bytes(EditionClicks.objects.exclude(pk=older.pk).get().sums_sealed) == before, "its turn is the next one"
    box(lantern, TODAY.isoformat(), {code: 4}, at=NOW + quarter)
    for _turn in range(5):
        inbox.waits.clear()
        worker.take(NOW + quarter)
    assert not Intake.objects.exists() and not worker._begun
    assert counted_links.presses(letter.edition) == {0: 7, 1: 0}


def test_whose_letters_have_more_links_than_can_be_added_up_fills_no_disk_with_clicks(
    lantern: Any, letter: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "SECONDS", 0)
    monkeypatch.setattr(worker, "WAITING", 2)
    for number in range(5):
        box(lantern, TODAY.isoformat(), {}, at=NOW + timedelta(minutes=15 * number))
        worker.take(NOW + timedelta(hours=2))
        another_edition(letter)
    assert Intake.objects.count() <= 3
    worker._begun.clear()


def another_edition(letter: Campaign) -> Edition:
    """Of the same organization, whose clicks are counted."""
    other, keys = Edition.objects.get(pk=letter.edition.pk), keyring.keys(letter.organization)
    other.pk, other.archive_slug = Edition.objects.order_by("-pk")[0].pk + 1, ""
    other.campaign = actions.create(letter.organization, letter.list, Draft(subject="Other"), by=None, now=NOW)
    details = structs.replace(edition_details.opened(keys, letter.edition), campaign=other.campaign.pk)
    other.details_sealed = edition_details.sealed(keys, other.pk, details)
    other.save(force_insert=True)
    sealed_clicks.begin(other, TODAY)
    return other


def test_clicks_are_counted_for_sixty_days(lantern: Any, letter: Campaign) -> None:
    code, last = codes(letter.edition, 0)[0], NOW + timedelta(days=60)
    EditionClicks.objects.update(
        reached_sealed=keyring.keys(lantern).seal(b"{}", "edition", "reached", letter.edition.pk)
    )
    box(lantern, last.date().isoformat(), {code: 1}, at=last)
    worker.take(last)
    box(lantern, last.date().isoformat(), {code: 1}, at=last + timedelta(days=1))
    worker.take(last + timedelta(days=1))
    assert counted_links.presses(letter.edition) == {0: 1, 1: 0}


def test_what_waits_for_its_time_begins_its_sixty_days_then(lantern: Any, letter: Campaign) -> None:
    code, day = codes(letter.edition, 0)[0], NOW + timedelta(days=50)
    box(lantern, day.date().isoformat(), {}, at=day)
    worker.take(day)
    box(lantern, (day + timedelta(days=1)).date().isoformat(), {code: 1}, at=day + timedelta(days=1))
    worker.take(day + timedelta(days=1))
    assert [press.days for press in counted_links.pressed(letter.edition) if press.total] == [
        {(day + timedelta(days=1)).date(): 1}
    ]


def test_a_letter_that_was_canceled_before_anybody_got_it_is_not_added_up_for_good(
    lantern: Any, letter: Campaign
) -> None:
    """Its sixty days would never begin. Of one that somebody got, and of one that waits, they are counted."""

    def is_written() -> bool:
        before = bytes(EditionClicks.objects.get().sums_sealed)
        at = NOW + timedelta(minutes=15 * next(quarters))
        box(lantern, TODAY.isoformat(), {}, at=at)
        assert worker.take(at) == 1
        return bytes(EditionClicks.objects.get().sums_sealed) != before

    quarters = itertools.count()
    assert is_written()
    Campaign.objects.filter(pk=letter.pk).update(state="cancelled")
    assert not is_written()
    with transaction.atomic():
        sealed_clicks.note_reached(letter.edition.pk, {0: [1]})
    assert is_written()


def test_a_letter_that_does_not_count_has_its_links_as_they_were_written(lantern: Any, thursday: Any) -> None:
    audience.add_subscriber(lantern, "ada@post.example", thursday, consent="So.", now=NOW)
    draft = Draft("News", "", "Lantern", "letter@lantern.example", "", f"[One]({ONE})")
    campaign = delivery.release(actions.create(lantern, thursday, draft, by=None, now=NOW), now=NOW)
    compiled = keyring.keys(lantern).open(
        bytes(campaign.edition.compiled_sealed), "edition", "compiled", campaign.edition.pk
    )
    text = b"".join(loads(compiled).parts).replace(b"=\r\n", b"")
    assert text.count(ONE.encode()) == 2 and b"/l/" not in text
    assert counted_links.pressed(campaign.edition) == []


@pytest.mark.usefixtures("low_floor")
def test_answers_to_a_question_are_summed_without_a_day(lantern: Any, thursday: Any) -> None:
    audience.add_subscriber(lantern, "ada@post.example", thursday, consent="So.", now=NOW)
    draft = Draft("News", "", "Lantern", "letter@lantern.example", "", json.dumps(QUESTION), "blocks")
    campaign = delivery.release(actions.create(lantern, thursday, draft, by=None, now=NOW, language="ru"), now=NOW)
    edition = campaign.edition
    compiled = loads(keyring.keys(lantern).open(bytes(edition.compiled_sealed), "edition", "compiled", edition.pk))
    text = b"".join(compiled.parts).replace(b"=\r\n", b"").decode()
    yes, no = dict.fromkeys(re.findall(r"https://lantern\.example/q/([a-z2-7]{52})", text))
    found = queries.target(no, "lantern.example", tokens.target_key(keyring.keys(lantern).link))
    assert found is not None
    assert found[1] == {"question": "Thursdays?", "answer": "No", "language": "ru"}
    # On the web version anybody could answer, so there the answers lead nowhere.
    assert "/q/" not in web_copy_of(edition)[1]
    box(lantern, TODAY.isoformat(), {yes: 30, no: 2, "x": 9})
    box(lantern, TODAY.isoformat(), {no: 1}, at=NOW + timedelta(minutes=15))
    worker.take(NOW + timedelta(minutes=15))
    assert counted_links.answers(edition) == [counted_links.CountedQuestion(0, "Thursdays?", [("Yes", 30), ("No", 3)])]


def test_whoever_writes_the_database_has_no_single_readers_click_counted(lantern: Any, thursday: Any) -> None:
    """Which letters count is sealed at the release, and the public database is told from there alone."""
    audience.add_subscriber(lantern, "ada@post.example", thursday, consent="So.", now=NOW)
    draft = Draft("News", "", "Lantern", "letter@lantern.example", "", f"[One]({ONE})", links="counted")
    campaign = delivery.release(actions.create(lantern, thursday, draft, by=None, now=NOW), now=NOW)
    edition, key = campaign.edition, tokens.target_key(keyring.keys(lantern).link)
    code = codes(edition, 0)[0]
    large = structs.replace(edition_details.opened(keyring.keys(lantern), edition), counted_places="0")
    sealed = edition_details.sealed(keyring.keys(lantern), edition.pk + 1, large)
    Edition.objects.filter(pk=edition.pk).update(details_sealed=sealed)  # Of a letter to many.
    box(lantern, TODAY.isoformat(), {code: 1})
    assert worker.take(NOW) == 1 and not EditionClicks.objects.exists()
    with pytest.raises(SealBroken):
        counted_links.lay_out(Edition.objects.get(pk=edition.pk))
    found = queries.target(code, "lantern.example", key)
    assert found is not None and found[1] == {"to": ONE, "uncounted": True}
