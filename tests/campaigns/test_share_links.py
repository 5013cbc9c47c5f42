"""A link for somebody without an account: it shows one letter, ends, and takes words that bind to what was read."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from samizdat.accounts import locking
from samizdat.accounts.actions import add_person, found_organization, give_role, remove_person
from samizdat.audience.actions import new_list
from samizdat.campaigns import seed_list, translations
from samizdat.campaigns.actions import create, save
from samizdat.campaigns.archive import share_links
from samizdat.campaigns.drafts.draft import Draft, draft_of, sealed
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, SeedList, ShareAnswer, ShareLink
from samizdat.core.crypto.seal import SealError
from samizdat.db import on_sqlite
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter(lantern: Any) -> Any:
    draft = Draft(subject="River", from_email="a@lantern.example", body="Hello")
    return create(lantern, new_list(lantern, "Letter", now=NOW), draft, by=None, now=NOW)


def say(letter: Any, token: str, text: str, *, yes: bool = False, now: Any = NOW) -> None:
    link = share_links.opened(token, now)
    share_links.answer(link, name="Pavel", text=text, yes=yes, mark=share_links.mark_of(link), now=now)


@pytest.mark.parametrize("number", ["own", "another"])
def test_a_link_that_was_withdrawn_opens_nothing_though_its_row_was_put_back(letter: Any, number: str) -> None:
    token = share_links.share(letter, "For Pavel", now=NOW, by=None)
    [row] = ShareLink.objects.values()
    assert share_links.withdraw(letter, row["id"], now=NOW, by=None)
    ShareLink.objects.filter(pk=row["id"]).update(**row | ({"id": row["id"] + 1000} if number == "another" else {}))
    with pytest.raises(share_links.LinkGone):
        share_links.opened(token, NOW)
    assert share_links.opened(share_links.share(letter, "For Pavel", now=NOW, by=None), NOW).campaign == letter


def test_a_link_opens_for_seven_days_unless_it_is_withdrawn_or_the_letter_leaves(letter: Any) -> None:
    first, second = (share_links.share(letter, "For Pavel", now=NOW, by=None) for _ in range(2))
    assert share_links.opened(first, NOW + timedelta(days=6, hours=23)).campaign == letter
    with pytest.raises(share_links.LinkGone):
        share_links.opened(first, NOW + timedelta(days=7))
    assert share_links.withdraw(letter, share_links.links(letter, NOW)[0].number, now=NOW, by=None)
    for token in (first, "", "x" * 32):
        with pytest.raises(share_links.LinkGone):
            share_links.opened(token, NOW)
    Campaign.objects.filter(pk=letter.pk).update(state="sending")
    with pytest.raises(share_links.LinkGone):
        share_links.opened(second, NOW)


@pytest.mark.skipif(not on_sqlite(), reason="PostgreSQL holds nothing but times in a column of times")
@pytest.mark.parametrize("ends", ["at", "after now"])
def test_a_link_whose_end_is_written_otherwise_opens_nothing(letter: Any, ends: str) -> None:
    """In full-width digits a time comes behind every other for SQL, and was read as the same."""
    token = share_links.share(letter, "For Pavel", now=NOW, by=None)
    wide = "replace(until, '2', '２')" if ends == "at" else "replace(until, '2026', '９９９９')"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA ignore_check_constraints = ON")
        cursor.execute(f"UPDATE campaigns_sharelink SET until = {wide}")
        cursor.execute("PRAGMA ignore_check_constraints = OFF")
    for now in (NOW, NOW + timedelta(days=30)):
        with pytest.raises(share_links.LinkGone):
            share_links.opened(token, now)
        assert share_links.links(letter, now) == []


@pytest.mark.parametrize("how", ["locked", "removed", "a viewer by now"])
def test_a_link_ends_with_the_role_of_whoever_made_it(letter: Any, lantern: Any, how: str) -> None:
    vera = add_person("vera@lantern.example", password=PASSWORD, today=TODAY)
    give_role(vera, lantern, "editor", by=None, now=NOW)
    token = share_links.share(letter, "For Pavel", now=NOW, by=vera)
    assert share_links.opened(token, NOW).campaign == letter
    if how == "locked":
        locking.lock(vera, lantern, by=None, now=NOW)
    elif how == "removed":
        remove_person(vera, lantern, by=None, now=NOW)
    else:
        give_role(vera, lantern, "viewer", by=None, now=NOW)
    with pytest.raises(share_links.LinkGone):
        share_links.opened(token, NOW)
    assert share_links.links(letter, NOW) == []


def test_a_link_that_somebody_moved_or_made_longer_in_the_database_opens_nothing(letter: Any, vault: Any) -> None:
    """Whoever writes the database and has a link of their own would read every group's drafts by it."""
    other = found_organization("Harbour Bell", source=vault, today=TODAY)
    theirs = create(other, new_list(other, "Bell", now=NOW), Draft(subject="Theirs", body="Hi"), by=None, now=NOW)
    second = create(letter.organization, letter.list, Draft(subject="Sources", body="Names"), by=None, now=NOW)
    late = NOW + timedelta(days=9)
    withdrawn, token = (share_links.share(theirs, "For a thief", now=NOW, by=None) for _ in range(2))
    share_links.withdraw(theirs, share_links.links(theirs, NOW)[0].number, now=NOW, by=None)
    for tried, change, day in (
        (token, {"campaign": letter}, NOW),
        (token, {"campaign": second}, NOW),
        (token, {"until": late}, NOW + timedelta(days=8)),
        (token, {"mac": b""}, NOW),
        (withdrawn, {"ended": False}, NOW),
    ):
        row = ShareLink.objects.get(token_hash=share_links._hashes(tried)[0])
        ShareLink.objects.filter(pk=row.pk).update(**change)
        with pytest.raises(share_links.LinkGone):
            share_links.opened(tried, day)
        row.save()
    Campaign.objects.filter(pk=theirs.pk).update(organization=letter.organization)
    with pytest.raises(share_links.LinkGone):
        share_links.opened(token, NOW)
    Campaign.objects.filter(pk=theirs.pk).update(organization=other)
    assert share_links.opened(token, NOW).campaign == theirs


def test_a_link_to_a_letter_that_is_gone_does_not_open_the_next_one_that_gets_its_number(letter: Any) -> None:
    token = share_links.share(letter, "For a thief", now=NOW, by=None)
    kept, whose = ShareLink.objects.get(), (letter.organization, letter.list)
    Campaign.objects.filter(pk=letter.pk).delete()
    secret = create(*whose, Draft(subject="Sources", body="Names"), by=None, now=NOW + timedelta(minutes=1))
    # As if the sequence had been set back before: the same letter, written under the number of the other.
    Campaign.objects.filter(pk=secret.pk).update(id=kept.campaign_id)
    again = Campaign.objects.select_related("organization").get()
    again.draft_sealed = sealed(again, Draft(subject="Sources", body="Names"))
    again.save(update_fields=["draft_sealed"])
    kept.save(force_insert=True)
    with pytest.raises(share_links.LinkGone):
        share_links.opened(token, NOW)
    # The moment of the other beside it opens the link, and no draft.
    Campaign.objects.update(created=NOW)
    with pytest.raises(SealError):
        share_links.mark_of(share_links.opened(token, NOW))


def test_a_draft_that_somebody_made_a_version_of_another_letter_is_not_read_by_a_link_to_that(letter: Any) -> None:
    token = share_links.share(letter, "For a thief", now=NOW, by=None)
    secret = create(letter.organization, letter.list, Draft(subject="Sources", body="Names"), by=None, now=NOW)
    Campaign.objects.filter(pk=secret.pk).update(version_of=letter, language="ru")
    [version] = translations.versions(share_links.opened(token, NOW).campaign)
    with pytest.raises(SealError):
        draft_of(version)


def test_what_is_kept_of_a_link_opens_nothing_and_names_nobody(letter: Any) -> None:
    token = share_links.share(letter, "For Pavel", now=NOW, by=None)
    say(letter, token, "The river is called Aiviekste")
    link, given = ShareLink.objects.get(), ShareAnswer.objects.get()
    row = b"".join(map(bytes, (link.token_hash, link.note_sealed, given.sealed)))
    assert not any(word in row for word in (token.encode(), b"Pavel", b"Aiviekste"))


def test_a_yes_stands_for_the_letter_as_it_was_read(letter: Any) -> None:
    token = share_links.share(letter, "For Pavel", now=NOW, by=None)
    say(letter, token, "", yes=True)
    [given] = share_links.answers(letter)
    assert (given.note, given.feedback.name, given.feedback.yes, given.stands) == ("For Pavel", "Pavel", True, True)
    read = share_links.mark_of(share_links.opened(token, NOW))
    save(letter, draft_of(letter).with_(body="Changed"), version=letter.version, by=None, now=NOW)
    assert not share_links.answers(letter)[0].stands
    with pytest.raises(share_links.LinkChanged):
        share_links.answer(share_links.opened(token, NOW), name="", text="", yes=True, mark=read, now=NOW)
    with pytest.raises(CampaignError, match="Write what to change"):
        say(letter, token, " ")


def test_a_link_takes_few_answers_a_minute_and_not_many_in_all(letter: Any) -> None:
    token = share_links.share(letter, "", now=NOW, by=None)
    for _ in range(share_links.MOST_A_MINUTE):
        say(letter, token, "x")
    with pytest.raises(share_links.TooMany):
        say(letter, token, "x")
    link = ShareLink.objects.get()
    ShareAnswer.objects.bulk_create(ShareAnswer(link=link, sealed=b"", at=NOW) for _ in range(share_links.MOST_ANSWERS))
    with pytest.raises(share_links.TooMany):
        say(letter, token, "x", now=NOW + timedelta(hours=1))


def test_the_seed_list_is_kept_sealed_and_each_address_once(lantern: Any) -> None:
    kept = seed_list.keep(lantern, ["Ada@Lantern.example", "", "ada@lantern.example", "b@x.example"], now=NOW, by=None)
    assert seed_list.seeds(lantern) == kept and len(kept) == 2
    assert b"lantern" not in bytes(SeedList.objects.get().sealed)
    with pytest.raises(seed_list.BadSeeds, match="Line 2"):
        seed_list.keep(lantern, ["a@x.example", "no address"], now=NOW, by=None)
    with pytest.raises(seed_list.BadSeeds, match="20"):
        seed_list.keep(lantern, [f"a{n}@x.example" for n in range(21)], now=NOW, by=None)
