"""The welcome email of a list at the desk: written, looked through, switched on, counted, switched off."""

from django.utils import timezone

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.campaigns.actions import save
from samizdat.campaigns.approval import bond_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.delivery.actions import welcome
from tests.conftest import NOW
from tests.web.conftest import House
from tests.web.test_release import Desk, _to, quiet_names  # noqa: F401 - a fixture


def written(here: House) -> Campaign:
    draft = welcome.begin(here.list, now=timezone.now())
    words = draft_of(draft).with_(
        subject="Welcome aboard", from_email="letter@lantern.example", body="We write on Fridays.\n", format="markdown"
    )
    save(draft, words, version=draft.version, by=None, now=timezone.now())
    return Campaign.objects.get(pk=draft.pk)


def owed(here: House, local: str) -> None:
    """Somebody who has just confirmed, as their press on the link writes it."""
    newcomer = audience.sign_up(here.organization, f"{local}@example.org", here.list, wording="w", now=timezone.now())
    newcomers = welcome.Newcomers()
    assert newcomers.is_first(newcomer, here.list)
    audience.confirm(newcomer, here.list, now=timezone.now())
    newcomers.add(newcomer, here.list)
    newcomers.owe(timezone.now())


def test_it_is_written_in_the_editor_and_switched_on_from_its_list(here: House, desk: Desk) -> None:
    clara = desk("editor")
    page = clara.get(_to(here, "list", here.list.id)).content.decode()
    assert "Write a welcome email" in page and "Switch off" not in page
    editor = clara.post(_to(here, "list-welcome", here.list.id), follow=True).content.decode()
    assert "everyone who confirms their subscription to this list gets it, once" in editor
    assert 'name="tag"' not in editor
    draft = Campaign.objects.latest("pk")
    assert draft.welcome and "can’t be switched on yet" in clara.get(_to(here, "send", draft.pk)).content.decode()
    refused = clara.post(_to(here, "send", draft.pk))
    assert refused.status_code == 422 and welcome.status(here.list).on is None
    draft = written(here)
    page = clara.get(_to(here, "send", draft.pk)).content.decode()
    assert "btn final" in page and "Schedule" not in page
    page = clara.post(_to(here, "send", draft.pk), {"seen": bond_of(open_campaign(draft))}, follow=True).content
    assert "The welcome email is on." in page.decode() and "Welcome aboard" in page.decode()
    assert welcome.status(here.list).state == "on"


def test_what_it_did_stands_on_the_page_of_its_list(here: House, desk: Desk) -> None:
    clara = desk("editor")
    welcome.switch_on(written(here), now=timezone.now())
    owed(here, "eva")
    owed(here, "fedor")
    page = clara.get(_to(here, "list", here.list.id)).content.decode()
    assert "Edit a copy" in page and ">waiting" in "".join(page.split()) and "<td>2</td>" in page
    home = clara.get(_to(here, "home")).content.decode()
    assert "Welcome aboard" in home
    page = clara.post(_to(here, "list-welcome-off", here.list.id), follow=True).content.decode()
    assert "2 subscribers were waiting for it and won’t get it." in page and "dropped" in page
    page = clara.post(_to(here, "list-welcome-off", here.list.id), follow=True).content.decode()
    assert "no welcome email that is on" in page


def test_one_that_nobody_waits_for_is_no_news_at_home(here: House, desk: Desk) -> None:
    welcome.switch_on(written(here), now=timezone.now())
    assert "Welcome aboard" not in desk("editor").get(_to(here, "home")).content.decode()


def test_its_report_says_what_it_is(here: House, desk: Desk) -> None:
    campaign = welcome.switch_on(written(here), now=timezone.now())
    page = desk("viewer").get(_to(here, "report", campaign.pk)).content.decode()
    assert "everyone who confirms their subscription to this list gets it, once" in page
    assert "as a digest" not in page
    assert "Switched on. The text is locked." in page and "recipients are locked" not in page


def test_a_viewer_only_looks(here: House, desk: Desk) -> None:
    viewer = desk("viewer")
    assert "Write a welcome email" not in viewer.get(_to(here, "list", here.list.id)).content.decode()
    for name in ("list-welcome", "list-welcome-off"):
        assert viewer.post(_to(here, name, here.list.id)).status_code == 403
    draft = written(here)
    assert viewer.post(_to(here, "send", draft.pk)).status_code == 403


def test_its_text_needs_a_second_person_where_the_organization_asks_for_that(here: House, desk: Desk) -> None:
    change_settings(here.organization, by=None, now=NOW, requires_approval=True)
    clara, vera = desk("editor"), desk("admin")
    draft = written(here)
    seen = bond_of(open_campaign(draft))
    assert clara.post(_to(here, "send", draft.pk), {"seen": seen}).status_code == 422
    clara.post(_to(here, "request-approval", draft.pk))
    page = vera.get(_to(here, "send", draft.pk)).content.decode()
    assert "The approval covers its text." in page
    vera.post(_to(here, "approve", draft.pk), {"seen": seen, "people": "0"})
    assert clara.post(_to(here, "send", draft.pk), {"seen": seen}).status_code == 302
    assert welcome.status(here.list).state == "on"


def test_it_is_no_campaign_of_the_day_for_the_checks_of_others(here: House, desk: Desk) -> None:
    welcome.switch_on(written(here), now=timezone.now())
    owed(here, "eva")
    page = desk("editor").get(_to(here, "send", here.campaign.pk)).content.decode()
    assert "Welcome aboard" not in page
