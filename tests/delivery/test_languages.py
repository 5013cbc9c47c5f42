"""One letter in several languages: each reader gets theirs, everybody else the fallback, and the books add up."""

from datetime import timedelta
from email import message_from_bytes
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.audience.actions import new_list
from samizdat.audience.models import Subscriber, row_id
from samizdat.campaigns import ab_test, translations
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns.ab_test import BadTest, VersionChange
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError, ContentHasProblems, NotADraft
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.queries import newest
from samizdat.campaigns.translations import BadLanguage
from samizdat.delivery.actions import cancel, release, releasing, resend
from samizdat.delivery.actions.due import retry_due
from samizdat.delivery.actions.language_choice import books
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import NotReleasable
from samizdat.delivery.models import Chunk, Retry, VariantTotal
from samizdat.delivery.queries import recount
from samizdat.delivery.recipients_breakdown import shares
from tests.delivery.conftest import House, run_until_still
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

# Of the readers from 1001 on.
SPOKEN = ("ru", "ru-UA", "fa", "", "en", "de", "fa")


def in_languages(house: House, *codes: str) -> Campaign:
    """A letter with a version in each of these languages; subject and text say which."""
    campaign = house.draft()
    for code in codes or ("ru", "fa"):
        version = translations.add(campaign, code, by=None, now=dbclock.now())
        words = draft_of(version).with_(subject=f"News in {code}", body=f"In {code}: {{{{ archive }}}}\n")
        campaigns.save(version, words, version=1, by=None, now=dbclock.now())
    return campaign


def speaking(house: House, spoken: tuple[str, ...] = SPOKEN) -> None:
    house.people(len(spoken))
    for place, code in enumerate(spoken):
        Subscriber.objects.filter(id=row_id(house.organization.id, 1001 + place)).update(language=code)


def by_subject(server: ScriptedServer) -> dict[str, set[int]]:
    """Subject -> the last digits of the readers who got it."""
    found: dict[str, set[int]] = {}
    for caught in server.messages:
        subject = str(message_from_bytes(caught.content)["Subject"])
        found.setdefault(subject, set()).add(last(caught.recipient))
    return found


def last(address: str) -> int:
    return int(address.partition("@")[0].removeprefix("reader")) - 1000


def test_each_reader_gets_their_language_and_the_rest_the_letter_itself(house: House, server: ScriptedServer) -> None:
    speaking(house)
    house.route(server)
    campaign = in_languages(house)
    told = [(one.version.language, one.people, one.otherwise) for one in shares(campaign, dbclock.now())]
    assert told == [("en", 3, 2), ("ru", 2, 0), ("fa", 2, 0)]
    campaign = release(campaign, now=dbclock.now())
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert by_subject(server) == {"News": {4, 5, 6}, "News in ru": {1, 2}, "News in fa": {3, 7}}
    assert set(server.counts().values()) == {1}
    books_balance(campaign)
    assert recount(campaign).accepted == 7
    edition = Edition.objects.get(campaign=campaign)
    assert edition.languages == "en,ru,fa"
    assert list(edition.variants.order_by("variant_no").values_list("language", "people")) == [("ru", 2), ("fa", 2)]
    persian = next(caught.content for caught in server.messages if caught.recipient.startswith("reader1003@"))
    text = persian.replace(b"=\r\n", b"").replace(b"=3D", b"=").decode()
    assert f"/a/{edition.archive_slug}-fa" in text and 'lang="fa"' in text and 'dir="rtl"' in text
    assert message_from_bytes(persian)["List-Unsubscribe"].rstrip(">").endswith("?fa")
    assert message_from_bytes(persian)["From"] == message_from_bytes(server.messages[0].content)["From"]


def test_who_is_tried_again_gets_the_same_version(house: House, server: ScriptedServer) -> None:
    speaking(house)
    house.route(server)
    for number, domain in ((1001, 0), (1003, 2), (1004, 3)):
        server.on("rcpt", "451 4.2.2 Later", recipient=f"reader{number}@mail{domain}.example", times=1)
    campaign = release(in_languages(house), now=dbclock.now())
    run_until_still(campaign.pk)
    told = {one.language: one.counts for one in books(campaign)}
    assert [told[code].get("deferred") for code in ("en", "ru", "fa")] == [1, 1, 1] and add_up(campaign)
    # Whatever they read by now: a second try is the same message.
    Subscriber.objects.filter(id=row_id(house.organization.id, 1003)).update(language="de")
    Retry.objects.filter(edition__campaign=campaign).update(due=dbclock.now())
    assert retry_due(dbclock.now()) == 3
    assert sorted(Chunk.objects.filter(retry=True).values_list("variant", "size")) == [(0, 1), (1, 1), (2, 1)]
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert by_subject(server) == {"News": {4, 5, 6}, "News in ru": {1, 2}, "News in fa": {3, 7}}
    books_balance(campaign)
    assert [(one.language, one.counts) for one in books(campaign)] == [
        ("en", {"accepted": 3}),
        ("ru", {"accepted": 2}),
        ("fa", {"accepted": 2}),
    ]


def add_up(campaign: Campaign) -> bool:
    """The books of the versions are those of the letter."""
    campaign.refresh_from_db()
    found = books(campaign)
    states = ("pending", "deferred", "accepted", "refused", "unsure", "suppressed", "cancelled")
    sums = {state: sum(one.counts.get(state, 0) for one in found) for state in states}
    return sums == {state: getattr(campaign, state) for state in states} and all(
        sum(one.counts.values()) == one.people for one in found
    )


def test_the_books_of_the_versions_are_those_of_the_letter_whatever_happens(
    house: House, server: ScriptedServer
) -> None:
    speaking(house)
    house.route(server)
    server.on("rcpt", "550 5.1.1 No such user", recipient="reader1003@mail2.example")
    server.on("rcpt", "451 4.2.2 Later", recipient="reader1001@mail0.example")
    server.on("rcpt", "451 4.2.2 Later", recipient="reader1004@mail3.example")
    campaign = release(in_languages(house), now=dbclock.now())
    assert add_up(campaign) and books(campaign)[2].counts == {"pending": 2}
    run_until_still(campaign.pk)
    assert add_up(campaign) and books(campaign)[2].counts == {"accepted": 1, "refused": 1}
    cancel(campaign, now=dbclock.now())
    assert add_up(campaign)
    assert [one.counts.get("cancelled", 0) for one in books(campaign)] == [1, 1, 0]
    VariantTotal.objects.filter(variant=1).delete()
    assert [one.counts for one in books(campaign)] == [{}, {}, {}], "kept in part, as before this was counted"
    assert [one.people for one in books(campaign)] == [3, 2, 2]


def test_a_version_that_is_empty_or_flawed_keeps_the_letter_from_going(house: House) -> None:
    speaking(house)
    campaign = in_languages(house)
    version = translations.versions(campaign)[1]
    campaigns.save(version, draft_of(version).with_(body=" "), version=2, by=None, now=dbclock.now())
    with pytest.raises(ContentHasProblems, match="Persian: This campaign can’t be sent yet"):
        release(campaign, now=dbclock.now())
    campaign.refresh_from_db()
    assert campaign.state == "draft" and not Chunk.objects.exists()
    translations.remove(version, by=None, now=dbclock.now())
    assert release(campaign, now=dbclock.now()).frozen == 7


def test_what_is_written_in_a_version_during_a_release_stops_it(house: House, monkeypatch: Any) -> None:
    speaking(house)
    campaign, owe = in_languages(house), releasing.owe

    def meanwhile(*args: Any, **more: Any) -> int:
        version = translations.versions(campaign)[0]
        campaigns.save(version, draft_of(version).with_(subject="New"), version=2, by=None, now=dbclock.now())
        return owe(*args, **more)

    monkeypatch.setattr(releasing, "owe", meanwhile)
    with pytest.raises(NotReleasable, match="changed while"):
        release(campaign, now=dbclock.now())
    monkeypatch.undo()
    release(campaign, now=dbclock.now())
    version = translations.versions(campaign)[0]
    with pytest.raises(NotADraft):
        campaigns.save(version, draft_of(version), version=3, by=None, now=dbclock.now())
    with pytest.raises(NotADraft):
        translations.add(campaign, "de", by=None, now=dbclock.now())
    with pytest.raises(NotADraft):
        translations.remove(version, by=None, now=dbclock.now())


def test_a_letter_has_either_a_test_or_languages_and_each_language_once(house: House) -> None:
    house.people(20)
    now, campaign = dbclock.now(), in_languages(house, "ru")
    test: dict[str, Any] = {"share": 40, "way": "hand", "at": now + timedelta(days=365), "by": None, "now": now}
    with pytest.raises(BadTest, match="either"):
        ab_test.plan(campaign, [VersionChange(subject="B")], **test)
    for wrong in ("ru", "RU", "en", "no such", ""):
        with pytest.raises(BadLanguage):
            translations.add(campaign, wrong, by=None, now=now)
    with pytest.raises(CampaignError, match="already"):
        campaigns.save(campaign, draft_of(campaign), version=1, by=None, now=now, language="ru")
    version = translations.versions(campaign)[0]
    with pytest.raises(BadLanguage):
        translations.add(version, "de", by=None, now=now)
    with pytest.raises(NotReleasable, match="Send the campaign it belongs to, No"):
        release(version, now=now)
    other = house.draft()
    ab_test.plan(other, [VersionChange(subject="B")], **test)
    with pytest.raises(BadLanguage, match="either"):
        translations.add(other, "ru", by=None, now=now)
    Campaign.objects.filter(pk=campaign.pk).update(test_share=40, ab_metric="hand", test_at=test["at"])  # Both at once.
    with pytest.raises(CampaignError):
        release(campaign, now=now)
    assert version.pk not in {row.campaign.pk for row in newest(house.organization)}


def test_a_version_goes_where_its_letter_goes_and_along_with_its_copies(house: House, server: ScriptedServer) -> None:
    speaking(house)
    house.route(server)
    campaign = in_languages(house)
    words = draft_of(campaign).with_(from_name="The new desk")
    other = new_list(house.organization, "Others", now=dbclock.now())
    campaigns.save(campaign, words, version=1, by=None, now=dbclock.now(), list=other)
    assert {one.list_id for one in translations.versions(campaign)} == {other.pk}
    assert {draft_of(one).from_name for one in translations.versions(campaign)} == {"The new desk"}
    campaigns.save(campaign, words, version=2, by=None, now=dbclock.now(), list=house.list)
    release(campaign, now=dbclock.now(), wave=releasing.ReleaseWave(percent=50))
    assert set(Chunk.objects.values_list("wave", flat=True)) == {1, 2}
    run_until_still(campaign.pk)
    cancel(campaign, now=dbclock.now())
    again = resend(campaign, now=dbclock.now())
    copied = copy(again, by=None, now=dbclock.now())
    assert [one.language for one in translations.versions(copied)] == ["ru", "fa"]
    assert draft_of(translations.versions(copied)[0]).subject == "News in ru"
    campaigns.delete_draft(copied, by=None, now=dbclock.now())
    assert not Campaign.objects.filter(version_of=copied.pk).exists()
    got = set.union(*by_subject(server).values())
    left = [sum(number not in got for number in some) for some in ((4, 5, 6), (1, 2), (3, 7))]
    assert [one.people for one in shares(again, dbclock.now())] == left and sum(left) > 0
