"""A link for somebody without an account: it shows one letter, ends, and takes words that bind to what was read."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.campaigns import seeds, sharing
from samizdat.campaigns.actions import create, save
from samizdat.campaigns.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, SeedList, ShareAnswer, ShareLink
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter(lantern: Any) -> Any:
    from samizdat.audience.actions import new_list

    draft = Draft(subject="River", from_email="a@lantern.example", body="Hello")
    return create(lantern, new_list(lantern, "Letter", now=NOW), draft, by=None, now=NOW)


def say(letter: Any, token: str, text: str, *, yes: bool = False, now: Any = NOW) -> None:
    link = sharing.opened(token, now)
    sharing.answer(link, name="Pavel", text=text, yes=yes, mark=sharing.mark_of(link), now=now)


def test_a_link_opens_for_seven_days_unless_it_is_withdrawn_or_the_letter_leaves(letter: Any) -> None:
    first, second = (sharing.share(letter, "For Pavel", now=NOW, by=None) for _ in range(2))
    assert sharing.opened(first, NOW + timedelta(days=6, hours=23)).campaign == letter
    with pytest.raises(sharing.LinkGone):
        sharing.opened(first, NOW + timedelta(days=7))
    assert sharing.withdraw(letter, sharing.links(letter, NOW)[0].number, now=NOW, by=None)
    for token in (first, "", "x" * 32):
        with pytest.raises(sharing.LinkGone):
            sharing.opened(token, NOW)
    Campaign.objects.filter(pk=letter.pk).update(state="sending")
    with pytest.raises(sharing.LinkGone):
        sharing.opened(second, NOW)


def test_what_is_kept_of_a_link_opens_nothing_and_names_nobody(letter: Any) -> None:
    token = sharing.share(letter, "For Pavel", now=NOW, by=None)
    say(letter, token, "The river is called Aiviekste")
    link, given = ShareLink.objects.get(), ShareAnswer.objects.get()
    row = b"".join(map(bytes, (link.token_hash, link.note_sealed, given.sealed)))
    assert not any(word in row for word in (token.encode(), b"Pavel", b"Aiviekste"))


def test_a_yes_stands_for_the_letter_as_it_was_read(letter: Any) -> None:
    token = sharing.share(letter, "For Pavel", now=NOW, by=None)
    say(letter, token, "", yes=True)
    [given] = sharing.answers(letter)
    assert (given.note, given.name, given.yes, given.stands) == ("For Pavel", "Pavel", True, True)
    read = sharing.mark_of(sharing.opened(token, NOW))
    save(letter, draft_of(letter).with_(body="Changed"), version=letter.version, by=None, now=NOW)
    assert not sharing.answers(letter)[0].stands
    with pytest.raises(sharing.Changed):
        sharing.answer(sharing.opened(token, NOW), name="", text="", yes=True, mark=read, now=NOW)
    with pytest.raises(CampaignError, match="should be different"):
        say(letter, token, " ")


def test_a_link_takes_few_answers_a_minute_and_not_many_in_all(letter: Any) -> None:
    token = sharing.share(letter, "", now=NOW, by=None)
    for _ in range(sharing.MOST_A_MINUTE):
        say(letter, token, "x")
    with pytest.raises(sharing.TooMany):
        say(letter, token, "x")
    link = ShareLink.objects.get()
    ShareAnswer.objects.bulk_create(ShareAnswer(link=link, sealed=b"", at=NOW) for _ in range(sharing.MOST_ANSWERS))
    with pytest.raises(sharing.TooMany):
        say(letter, token, "x", now=NOW + timedelta(hours=1))


def test_the_seed_list_is_kept_sealed_and_each_address_once(lantern: Any) -> None:
    kept = seeds.keep(lantern, ["Ada@Lantern.example", "", "ada@lantern.example", "b@x.example"], now=NOW, by=None)
    assert seeds.seeds(lantern) == kept and len(kept) == 2
    assert b"lantern" not in bytes(SeedList.objects.get().sealed)
    with pytest.raises(seeds.BadSeeds, match="Line 2"):
        seeds.keep(lantern, ["a@x.example", "no address"], now=NOW, by=None)
    with pytest.raises(seeds.BadSeeds, match="20"):
        seeds.keep(lantern, [f"a{n}@x.example" for n in range(21)], now=NOW, by=None)
