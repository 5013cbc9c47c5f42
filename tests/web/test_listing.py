"""Whether a letter stands in the archive: chosen in its envelope, and once more when it is out."""

import pytest

from samizdat.accounts import pending_changes
from samizdat.accounts.actions import change_settings
from samizdat.audience.actions.lists import tags_for
from samizdat.campaigns.archive.listing import CannotBeListed, put
from samizdat.campaigns.drafts import copy
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.delivery.actions import release
from samizdat.publicdb.models import Page
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW
from tests.web.conftest import House, make_campaign
from tests.web.test_campaigns import Desk, _answers, _to
from tests.web.test_release import leave_to_one


def _follow() -> None:
    while event_handlers.follow(NOW):
        pass


@pytest.mark.django_db(databases=["default", "publicdb"])
def test_a_letter_for_its_address_alone_is_listed_nowhere_until_somebody_says_so(here: House, desk: Desk) -> None:
    client, letter = desk("editor"), here.campaign
    client.post(_to(here, "campaign", letter.pk), _answers(here, archive="unlisted"))
    # A page without the question keeps what was chosen, and so does a copy.
    client.post(_to(here, "campaign", letter.pk), _answers(here, version="2", subject="Once more"))
    letter.refresh_from_db()
    assert letter.archive_hidden and copy.copy(letter, by=None, now=NOW).archive_hidden
    release(letter, now=NOW, by=here.people["editor"])
    _follow()
    assert not Page.objects.exists(), "as long as it waits for a route nobody reads it"
    leave_to_one(letter)
    _follow()
    page = Page.objects.get(edition=letter.edition.pk)
    assert not page.listed
    report, press = _to(here, "report", letter.pk), _to(here, "campaign-listing", letter.pk)
    assert (
        "Unlisted: only people with the link from the email can read it" in desk("viewer").get(report).content.decode()
    )
    assert desk("viewer").post(press, {"listed": "yes"}).status_code == 403
    for said, listed in (("yes", True), ("no", False)):
        assert client.post(press, {"listed": said}).headers["Location"] == f"{report}#archive"
        _follow()
        page.refresh_from_db()
        assert page.listed is listed
    assert "Removed from the archive." in client.get(report).content.decode()
    change_settings(here.organization, by=None, now=NOW, public_url="")
    assert (
        "Public: it appears in your archive and feed when sending starts" not in client.get(report).content.decode()
    ), "where there are none"


@pytest.mark.django_db(databases=["default", "publicdb"])
def test_where_a_second_person_agrees_to_letters_nobody_alone_shows_one_to_everybody(here: House, desk: Desk) -> None:
    """It was agreed to as one that is read by its address alone."""
    Campaign.objects.filter(pk=here.campaign.pk).update(archive_hidden=True)
    here.campaign.refresh_from_db()
    release(here.campaign, now=NOW, by=here.people["editor"])
    leave_to_one(here.campaign)
    change_settings(here.organization, by=None, now=NOW, requires_approval=True)
    press = _to(here, "campaign-listing", here.campaign.pk)
    desk("editor").post(press, {"listed": "yes"})
    (change,) = pending_changes.waiting(here.organization)
    assert pending_changes.sentence_of(change) == f"“{draft_of(here.campaign).subject}” is added to the public archive"
    _follow()
    assert not Page.objects.get(edition=here.campaign.edition.pk).listed
    pending_changes.approve(change, by=None, now=NOW)
    _follow()
    assert Page.objects.get(edition=here.campaign.edition.pk).listed
    desk("editor").post(press, {"listed": "no"})
    _follow()
    assert not Page.objects.get(edition=here.campaign.edition.pk).listed, "out of it nobody has to be asked"


def test_for_a_letter_to_few_it_is_decided(here: House, desk: Desk) -> None:
    client, letter = desk("editor"), here.campaign
    Campaign.objects.filter(pk=letter.pk).update(tag=tags_for(here.organization, ["crew"])["crew"])
    page = client.get(_to(here, "campaign", letter.pk)).content.decode()
    assert "Fixed: a campaign to part of the list isn’t added to the archive." in page
    # Made a letter to all, and left out of the archive, by one press.
    client.post(_to(here, "campaign", letter.pk), _answers(here, archive="unlisted"))
    letter.refresh_from_db()
    assert (letter.tag, letter.archive_hidden) == (None, True)


def test_a_draft_and_a_letter_to_few_are_put_nowhere(here: House) -> None:
    with pytest.raises(CannotBeListed):
        put(here.campaign, False, by=None, now=NOW)
    few = make_campaign(here, "To the crew")
    few.resend_of = here.sent
    with pytest.raises(CannotBeListed):
        put(few, True, by=None, now=NOW)
