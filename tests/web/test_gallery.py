"""What a new campaign begins with: own templates, starters, past campaigns; and a campaign as a template."""

import re

import pytest

from samizdat.campaigns import actions, queries
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import layout, layout_store, region_editor, starter_templates
from samizdat.campaigns.templates.layout_store import arrangement_of
from samizdat.core.content.render import fill
from samizdat.events.models import Event
from samizdat.web.campaigns.views.campaigns import _shown
from tests.conftest import NOW
from tests.web.conftest import House
from tests.web.test_release import Desk, _to

pytestmark = pytest.mark.django_db


def order(page: str, *words: str) -> bool:
    places = [page.index(word) for word in words]
    return places == sorted(places)


def test_own_templates_come_first_then_starters_then_past_campaigns_to_duplicate(here: House, desk: Desk) -> None:
    page = desk("editor").get(_to(here, "new-campaign")).content.decode()
    own = layout_store.name_of(here.organization.templates.get(pk=here.template))
    assert order(page, "Your templates", own, "Start from scratch", "Blank", "Newsletter", "Past campaigns")
    assert "The winter list" in page[page.index("Past campaigns") :] and "What the river took" not in page
    assert page.count('<svg class="thumb"') == page.count('name="begin"') >= 7, "each has a drawing"
    assert not re.search(r"<(?:rect|svg)[^>]* (?:style|fill)=", page), "the policy allows no inline style"


def test_one_click_makes_a_draft_in_blocks(here: House, desk: Desk) -> None:
    client = desk("editor")
    for begin in ("blank", *starter_templates.NAMES):
        assert client.post(_to(here, "new-campaign"), {"begin": begin}).status_code == 302
        made = Campaign.objects.latest("pk")
        assert (draft_of(made).format, made.list_id) == ("blocks", here.list.pk)


def test_a_campaign_becomes_a_template_that_others_begin_with(here: House, desk: Desk) -> None:
    client = desk("editor")
    client.post(_to(here, "new-campaign"), {"begin": "letter"})
    written = Campaign.objects.latest("pk")
    draft = draft_of(written)
    body = draft.body.replace("Dear friends,", "Dear readers,")
    actions.save(written, draft.with_(body=body, design="plain"), version=1, by=None, now=NOW)
    address = _to(here, "save-template", written.pk)
    refused = client.post(address, {"name": "  "})
    assert refused.status_code == 422 and "Enter a template name of up to 120 characters." in refused.content.decode()
    shown = client.post(address, {"name": "Thursday"}, follow=True).content.decode()
    template = here.organization.templates.latest("pk")
    assert "Template saved" in shown and "Thursday" in shown
    assert Event.objects.filter(kind="template.saved", about=template.pk).exists()
    page = client.get(_to(here, "new-campaign")).content.decode()
    assert "Thursday" in page and "Added " in page
    client.post(_to(here, "new-campaign"), {"begin": template.pk})
    begun = Campaign.objects.latest("pk")
    assert "Dear readers," in draft_of(begun).body
    source = fill(proof_of(begun, NOW).letter.html, {})
    assert "Arial" in source and "Georgia" not in source, "it stands in the design of the campaign it came from"
    assert "Dear readers," in client.get(_to(here, "template-preview", template.pk, "light")).content.decode()
    assert "Used 1 time" in client.get(_to(here, "templates")).content.decode()
    assert draft_of(Campaign.objects.get(pk=written.pk)).body == actions.checked(draft.with_(body=body)).body


def test_what_a_campaign_made_of_its_template_is_saved_with_it(here: House, desk: Desk) -> None:
    client, template = desk("editor"), here.organization.templates.get(pk=here.template)
    letter = here.campaign
    actions.save(letter, draft_of(letter), version=letter.version, by=None, now=NOW, template=template)
    letter.refresh_from_db()
    key = next(part.key for part in layout.parts(letter) if part.kind == "place")
    region_editor.write(letter, key, "html", "<b>Our own head</b>", version=letter.version, by=None, now=NOW)
    client.post(_to(here, "save-template", letter.pk), {"name": "With a head"})
    client.post(_to(here, "new-campaign"), {"begin": here.organization.templates.latest("pk").pk})
    begun = Campaign.objects.latest("pk")
    letter.refresh_from_db()
    assert arrangement_of(begun) == arrangement_of(letter)
    assert "Our own head" in fill(proof_of(begun, NOW).letter.html, {})


def test_the_design_is_chosen_where_templates_are_and_stays_with_the_draft(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    page = client.get(address).content.decode()
    for word in ("Carbon (built-in)", "Plain (built-in)", "Banner (built-in)"):
        assert word in page
    typed = {"version": "1", "subject": "S", "from_name": "L", "from_email": "letter@lantern.example",
             "list": here.list.pk, "language": "en", "format": "markdown", "body": "x"}  # fmt: skip
    assert client.post(address, typed | {"template": "banner"}).status_code == 302
    campaign = Campaign.objects.get(pk=here.campaign.pk)
    assert (draft_of(campaign).design, campaign.template_id) == ("banner", None)
    assert '<option value="banner" selected>' in client.get(address).content.decode()
    client.post(address, typed | {"version": str(campaign.version), "template": ""})
    assert draft_of(Campaign.objects.get(pk=here.campaign.pk)).design == "carbon"


def test_the_list_counts_campaigns_by_status_and_says_which_of_how_many_it_shows(here: House, desk: Desk) -> None:
    page = desk("viewer").get(_to(here, "campaigns")).content.decode()
    many = Campaign.objects.filter(version_of=None).count()
    drafts = Campaign.objects.filter(version_of=None, state="draft").count()
    assert re.search(rf"All\s*<span class=\"count-of\">{many}</span>", page)
    assert re.search(rf"Drafts\s*<span class=\"count-of\">{drafts}</span>", page)
    assert f"of {many}." not in page and "New campaign" not in page, "all of them are on the page"
    newest = queries.newest(here.organization, limit=1)
    assert _shown(newest, "", None, queries.counts(here.organization)) == f"1 to 1 of {many}."
