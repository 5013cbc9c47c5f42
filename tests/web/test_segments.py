"""Segments at the desk."""

import html
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse

from samizdat.audience import actions as audience
from samizdat.audience import read_limits
from samizdat.audience.models import Segment, Subscriber
from samizdat.audience.segment_conditions.consent import ConsentCondition
from samizdat.audience.segment_conditions.days import DayCondition
from samizdat.audience.segment_conditions.field import FieldCondition
from samizdat.audience.segment_conditions.fundraising import FundraisingCondition
from samizdat.audience.segment_conditions.language import LanguageCondition
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.audience.segment_conditions.provider import ProviderCondition
from samizdat.audience.segment_conditions.share import ShareCondition
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.audience.segments import describe, lookup
from samizdat.campaigns.models import Campaign
from samizdat.core import segment
from samizdat.core.segment import Not, registry
from samizdat.web.audience import segment_builder
from samizdat.web.audience.segment_labels import segment_word
from samizdat.web.read_limits import segment_mark
from tests.conftest import NOW
from tests.core.test_segment import CONDITIONS
from tests.web.conftest import House

Desk = Callable[[str], Client]


def at(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


@pytest.fixture
def volunteers(here: House) -> Segment:
    tag = TagCondition(audience.tags_for(here.organization, ["volunteer"])["volunteer"])
    return audience.add_segment(here.organization, "Volunteers", tag, now=NOW)


@pytest.fixture
def strangers(here: House, volunteers: Segment) -> Segment:
    tag = TagCondition(audience.tags_for(here.organization, ["volunteer"])["volunteer"])
    return audience.add_segment(here.organization, "Strangers", segment.Not(tag), now=NOW)


def letter(here: House, **more: Any) -> dict[str, Any]:
    return {
        "version": 1, "subject": "What the river took", "from_name": "Lantern", "from_email": "letter@lantern.example",
        "list": here.list.pk, "language": "en", "format": "markdown", "body": "The water came at four.", **more,
    }  # fmt: skip


# -- in a campaign --


def test_a_letter_is_narrowed_to_a_segment_and_the_page_adds_up(here: House, desk: Desk, strangers: Segment) -> None:
    client, address = desk("editor"), at(here, "campaign", here.campaign.pk)
    assert "Everyone on the list</option><option value=" not in client.get(address).content.decode()
    client.post(address, letter(here, segment=strangers.pk))
    assert Campaign.objects.get(pk=here.campaign.pk).segment == strangers
    page = client.get(at(here, "send", here.campaign.pk)).content.decode()
    assert "not in the segment" in page and "No recipients" in page
    assert "Everyone who doesn’t have the tag “volunteer”." in page


def test_a_removed_segment_stays_chosen_until_somebody_chooses_anew(
    here: House, desk: Desk, volunteers: Segment
) -> None:
    client, address = desk("editor"), at(here, "campaign", here.campaign.pk)
    client.post(address, letter(here, segment=volunteers.pk))
    audience.remove_segment(volunteers, now=NOW)
    assert "a deleted segment" in client.get(address).content.decode()
    client.post(address, letter(here, segment=volunteers.pk, version=2))  # as the form has it
    assert Campaign.objects.get(pk=here.campaign.pk).segment == volunteers
    page = client.get(at(here, "send", here.campaign.pk)).content.decode()
    assert "This segment was deleted. Choose another one, or none." in page
    refused = client.post(at(here, "send", here.campaign.pk), {"when": "now"})
    assert refused.status_code == 422 and Campaign.objects.get(pk=here.campaign.pk).state == "draft"


def test_a_send_page_that_counts_long_is_there_at_once_and_fills_itself_in(
    here: House, desk: Desk, strangers: Segment, monkeypatch: Any
) -> None:
    client, address = desk("editor"), at(here, "send", here.campaign.pk)
    client.post(at(here, "campaign", here.campaign.pk), letter(here, segment=strangers.pk))
    monkeypatch.setattr("samizdat.delivery.audience_size.ASKED_AT_ONCE", 0)
    monkeypatch.setattr("samizdat.web.delivery.views.release.whom", None)  # Nobody is counted for this one.
    page = client.get(address).content.decode()
    assert 'hx-get="?counted=1"' in page and 'href="?counted=1"' in page
    monkeypatch.undo()
    assert "not in the segment" in client.get(address, {"counted": "1"}).content.decode()


def test_a_segment_of_another_organization_cannot_be_chosen(here: House, there: House, desk: Desk) -> None:
    foreign = audience.add_segment(there.organization, "Theirs", segment.EVERYBODY, now=NOW)
    address = at(here, "campaign", here.campaign.pk)
    page = desk("editor").post(address, letter(here, segment=foreign.pk), follow=True).content.decode()
    assert "Deleted in the meantime and not selected" in page
    here.campaign.refresh_from_db()
    assert here.campaign.segment is None and here.campaign.state == "draft"


# -- the builder --


def shown(page: str) -> str:
    """The panel that says who is in it, as words."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition('id="found"')[2].partition("</section>")[0]).split())


def group(kind: str = "all") -> dict[str, str]:
    return {"0-kind": kind, "0-in": "0"}


def row(number: int, kind: str, a: str = "", b: str = "", c: str = "", above: int = 0) -> dict[str, str]:
    told = {"kind": kind, "in": str(above), "a": a, "b": b, "c": c}
    return {f"{number}-{name}": value for name, value in told.items()}


def whole(*parts: dict[str, str], **more: str) -> dict[str, str]:
    """A form as the page sends it, which says how many conditions it has."""
    form = {name: value for part in parts for name, value in part.items()}
    return form | {"of": str(sum(name.endswith("-kind") for name in form))} | more


def _on_the_suppression_list(here: House) -> dict[str, str]:
    audience.suppress(here.organization, "manual", subscriber=here.ada, now=NOW)
    return {"suppressed": "any", "list": str(here.list.pk)}


FILTERS: dict[str, Callable[[House], dict[str, str]]] = {
    "status": lambda here: {"status": "unsubscribed"},
    "status of a list": lambda here: {"list": str(here.list.pk), "status": "subscribed"},
    "list": lambda here: {"list": str(here.list.pk)},
    "tag": lambda here: {"tag": str(here.organization.tags.get().pk)},
    "language": lambda here: {"language": "ru"},
    "provider": lambda here: {"provider": "other"},
    "day": lambda here: {"since": NOW.date().isoformat(), "until": NOW.date().isoformat()},
    "day before": lambda here: {"until": "2020-01-01"},
    "appeals": lambda here: {"appeals": "yes"},
    "suppressed": _on_the_suppression_list,
}


@pytest.mark.parametrize("name", FILTERS)
def test_the_filters_of_the_list_are_saved_as_a_segment_of_the_same_subscribers(
    name: str, here: House, desk: Desk
) -> None:
    client, query = desk("editor"), FILTERS[name](here)
    audience.add_subscriber(here.organization, "eva@gmail.com", here.list, consent="yes", language="ru", now=NOW)
    listed = client.get(at(here, "subscribers"), query).context
    assert listed["asked"].values == query, "understood"
    page = html.unescape(client.get(at(here, "subscribers"), query).content.decode())
    link = re.search(r'href="([^"]+)">Save as segment', page)
    assert link
    built = client.get(link[1])
    assert built.context["found"].count == len(listed["page"].rows)
    assert built.context["left_out"] is False
    name_and_form = typed_in(built.content.decode()) | {"name": "Of the list", "do": "save"}
    assert client.post(at(here, "new-segment"), name_and_form).status_code == 302
    (saved,) = [one for one in lookup.segments(here.organization) if one.name == "Of the list"]
    assert saved.tree == built.context["found"].tree


def typed_in(page: str) -> dict[str, str]:
    """What the form of a segment sends."""
    form = page.partition('id="segment"')[2].partition("</form>")[0]
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))
    texts = re.findall(r'<input class="input" id="[^"]+" name="([^"]+)" value="([^"]*)"', form)
    chosen = re.findall(r'<select[^>]* name="(\d+-(?:kind|[abc]))".*?<option value="([^"]*)" selected', form, re.DOTALL)
    return hidden | dict(texts) | dict(chosen)


def test_what_a_segment_cannot_ask_for_is_named_and_a_viewer_saves_none(here: House, desk: Desk) -> None:
    for query in ({"source": "desk"}, {"tag": "987654321"}):
        page = " ".join(desk("editor").get(at(here, "new-segment"), query).content.decode().split())
        assert "One filter can’t be part of a segment" in page, query
    assert "Save as segment" not in desk("viewer").get(at(here, "subscribers") + "?status=subscribed").content.decode()
    assert desk("viewer").get(at(here, "new-segment"), {"status": "subscribed"}).status_code == 403


def test_a_new_segment_begins_with_everybody_and_grows_by_buttons(here: House, desk: Desk) -> None:
    client, address = desk("editor"), at(here, "new-segment")
    assert "Everyone. 2 subscribers." in shown(client.get(address).content.decode())
    page = client.post(address, whole(group(), {"0-new": "tag"}, do="add-0")).content.decode()
    assert "Complete this to see the count:" in shown(page) and 'name="1-b"' in page and 'class="wrong"' not in page
    tag = str(here.organization.tags.get().pk)
    page = client.post(address, whole(group(), row(1, "tag", "", tag), do="count")).content.decode()
    assert "Everyone who has the tag “volunteer”. 1 subscriber." in shown(page)
    page = client.post(address, whole(group(), row(1, "tag", "!", tag), do="wrap-1")).content.decode()
    assert 'name="2-in" value="1"' in page and "who doesn’t have the tag" in shown(page)
    page = client.post(address, whole(group(), row(1, "tag", "!", tag), do="remove-1")).content.decode()
    assert "Everyone. 2 subscribers." in shown(page)
    assert not Segment.objects.filter(organization=here.organization).exclude(pk=here.segment).exists()


def test_a_segment_does_not_spell_what_one_subscriber_is_called(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: 1000.0)
    client, address, city = desk("editor"), at(here, "new-segment"), f"field:{here.field}"

    def count(begins: str) -> int:
        return client.post(address, whole(group(), row(1, city, "begins", begins), do="count")).status_code

    assert {count("R") for _again in range(read_limits.AT_ONCE + 5)} == {200}, "the same question is answered again"
    seen = [count(f"R{n}") for n in range(read_limits.AT_ONCE + 1)]
    assert seen == [200] * (read_limits.AT_ONCE - 2) + [429] * 3, "its answer was paid for twice"
    tag = whole(group(), row(1, "tag", "", str(here.organization.tags.get().pk)), do="count")
    assert client.post(address, tag).status_code == 200, "without a field it tells nothing of the kind"


def test_the_count_of_an_audience_does_not_spell_it_either(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: 1000.0)
    client, draft = desk("editor"), at(here, "campaign", here.campaign.pk)
    city = audience.add_segment(
        here.organization, "City", FieldCondition(here.field, "begins", "R"), now=NOW, by=here.people["editor"]
    )
    client.post(draft, letter(here, segment=city.pk))

    def narrow(begins: str) -> None:
        city.refresh_from_db()
        tree = FieldCondition(here.field, "begins", begins)
        audience.change_segment(city, "City", tree, version=city.version, now=NOW)

    def count(page: str, begins: str) -> int:
        narrow(begins)
        return client.get(at(here, page, here.campaign.pk)).status_code

    seen = [count("send", f"R{n}") for n in range(read_limits.AT_ONCE + 1)]
    assert seen == [200] * read_limits.AT_ONCE + [429]
    narrow("Ri")
    written = client.get(draft)
    assert written.status_code == 200 and "counted before sending" in written.content.decode()
    data = {"format": "csv", "segment": city.pk, "seal": "plain", "reason": "For the printer.", "recipients": ""}
    admin = desk("admin")
    asked = [
        narrow(f"S{n}") or admin.post(at(here, "exports"), data).status_code for n in range(read_limits.AT_ONCE + 1)
    ]
    assert asked == [200] * read_limits.AT_ONCE + [429]


def test_the_same_question_of_others_under_its_tag_is_not_answered_for_ever(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody puts one after the other under a tag, and asks each time for that tag and a city."""
    monkeypatch.setattr("samizdat.audience.read_limits.dbclock.ticks", lambda: 1000.0)
    monkeypatch.setattr(read_limits, "REPEATS", 1)
    tag = str(here.organization.tags.get().pk)
    form = whole(group(), row(1, "tag", "", tag), row(2, f"field:{here.field}", "is", "Riga"), do="count")
    client = desk("editor")
    seen = [client.post(at(here, "new-segment"), form).status_code for _again in range(2 * read_limits.AT_ONCE + 1)]
    assert seen == [200] * 2 * read_limits.AT_ONCE + [429]


def test_a_count_goes_on_where_it_was_and_from_no_row_that_somebody_chose(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the row of one subscriber on it would tell whether they are in it, one after the other, for one question."""
    form = whole(group(), row(1, f"field:{here.field}", "filled"))
    mark = segment_mark(segment_builder.to_tree(segment_builder.read(QueryDict(urlencode(form)))))
    client, address, last = desk("editor"), at(here, "new-segment"), Subscriber.objects.latest("pk").pk
    page = shown(client.post(address, form).content.decode())
    for there in (
        f"{last}:0:0:{mark}",
        json.dumps([last, 0, 0, mark, here.organization.pk, here.people["editor"].pk]),
    ):
        assert shown(client.post(address, form | {"on": there}).content.decode()) == page


def test_a_segment_is_saved_and_opened_as_it_was(here: House, desk: Desk) -> None:
    client = desk("editor")
    city = f"field:{here.field}"
    form = whole(
        group("any"),
        row(1, "list", "", str(here.list.pk), "unsubscribed"),
        {"2-kind": "none", "2-in": "0"},
        row(3, city, "contains", "Ri", above=2),
        row(4, "joined_ago", "!last", "30", above=2),
        row(5, "share", "", "10", "77"),
        row(6, "appeals", "!", str(here.list.pk)),
    )
    refused = client.post(at(here, "new-segment"), form | {"name": "", "do": "save"})
    assert refused.status_code == 422 and 'value="Ri"' in refused.content.decode()
    answer = client.post(at(here, "new-segment"), form | {"name": "Of all kinds", "version": "0", "do": "save"})
    assert answer.headers["Location"] == at(here, "segments")
    (one,) = [one for one in lookup.segments(here.organization) if one.name == "Of all kinds"]
    assert one.tree == segment.Any((
        ListCondition(here.list.pk, "unsubscribed"),
        Not(segment.Any((
            FieldCondition(here.field, "contains", "Ri"), Not(DayCondition("joined", "last", days=30)),
        ))),
        ShareCondition(10, 77),
        Not(FundraisingCondition(here.list.pk)),
    ))  # fmt: skip
    page = client.get(at(here, "segment", one.id)).content.decode()
    for kept in (
        'value="contains" selected',
        'value="!last" selected',
        'name="5-c" value="77"',
        'value="none" selected',
    ):
        assert kept in page
    sentence = (
        "Everyone who unsubscribed from “The Thursday Letter” or for whom this isn’t true: (whose “City” contains “Ri”"
    )
    assert sentence in html.unescape(client.get(at(here, "segments")).content.decode())
    changed = whole(group(), name="Of all kinds", version="1", do="save")
    client.post(at(here, "segment", one.id), changed)
    assert (
        "Someone else changed this segment since you opened it"
        in client.post(at(here, "segment", one.id), changed).content.decode()
    )


def test_a_condition_that_is_none_does_not_make_it_everybody(here: House, desk: Desk) -> None:
    client = desk("editor")
    for odd in ({"1-kind": "opened", "1-in": "0"}, {"2-kind": "share", "2-in": "0"}, {"1-kind": ""}):
        form = whole(group(), odd, name="Odd", version="0", do="save")
        shown = client.post(at(here, "new-segment"), form, follow=True).content.decode()
        assert "The conditions didn’t arrive as they were" in shown
    assert not [one for one in lookup.segments(here.organization) if one.name == "Odd"]


def test_a_form_without_some_of_its_conditions_leaves_the_segment_as_it_was(here: House, desk: Desk) -> None:
    client = desk("editor")
    full = whole(group(), row(1, "list", "", str(here.list.pk), "subscribed"), row(2, "share", "", "10", "77"))
    ends = {"name": "Odd", "version": "1", "do": "save"}
    without = [{name: value for name, value in full.items() if not name.startswith("2-")} | ends]
    without += [{name: value for name, value in full.items() if name != lost} | ends for lost in ("1-c", "of")]
    # In another group it would mean something else.
    without += [full | {"2-in": place} | ends for place in ("7", "1", "x", "")]
    before = lookup.segments(here.organization)
    for address in (at(here, "segment", here.segment), at(here, "new-segment")):
        for form in (ends, *without):
            assert (
                "The conditions didn’t arrive as they were" in client.post(address, form, follow=True).content.decode()
            )
    assert lookup.segments(here.organization) == before


@pytest.mark.parametrize(
    "tree",
    [
        segment.EVERYBODY,
        Not(segment.All((LanguageCondition("ru"), LanguageCondition("")))),
        Not(Not(ProviderCondition("gmail"))),
        segment.Any((DayCondition("confirmed", "before", NOW.date()), Not(ConsentCondition(0, "left")))),
    ],
)
def test_every_segment_goes_into_the_form_and_back(tree: segment.Tree, lantern: Any) -> None:
    root = segment_builder.from_tree(tree)
    laid_out = segment_builder.Builder(lantern, describe.Names(lantern)).laid_out(root)
    above = {part.number: node.number for node in laid_out.nodes() for part in node.parts}
    form = {}
    for node in laid_out.nodes():
        form |= row(node.number, node.kind, node.a, *[*node.values, "", ""][:2], above=above.get(node.number, 0))
    again = segment_builder.to_tree(segment_builder.read(whole(form)))
    facts = segment.SubscriberFacts(language="ru", lists={1: ("unsubscribed", "left")}, confirmed=[NOW.date()])
    for each in (facts, segment.SubscriberFacts(provider="gmail", joined=NOW.date())):
        assert segment.matches(again, each, NOW.date()) == segment.matches(tree, each, NOW.date())


@pytest.mark.parametrize("leaf", CONDITIONS, ids=repr)
@pytest.mark.parametrize("no", [False, True])
def test_every_condition_stands_in_the_form_with_what_it_asks(leaf: segment.Condition, no: bool, lantern: Any) -> None:
    builder = segment_builder.Builder(lantern, describe.Names(lantern))
    root = builder.laid_out(segment_builder.from_tree(Not(leaf) if no else leaf))
    (node,) = [node for node in root.nodes() if not node.is_group]
    ways, *asked = node.inputs
    assert node.title and ways.options and node.a in dict(ways.options)
    assert [control.value for control in asked] == node.values
    assert segment_builder.to_tree(root) == segment.All((Not(leaf) if no else leaf,))
    kinds = [kind for _heading, options in builder.offered for kind, _word in options]
    assert node.kind in kinds or ":" in node.kind


def test_a_new_condition_asks_for_what_is_not_chosen_yet(lantern: Any) -> None:
    builder = segment_builder.Builder(lantern, describe.Names(lantern))
    for kind in registry.forms():
        root = segment_builder.BuilderNode("all")
        segment_builder.press(root, "add-0", {"0-new": kind})
        for control in builder.laid_out(root).parts[0].inputs[1:]:
            assert control.options is None or control.value in dict(control.options)


def test_a_consent_that_was_not_checked_yet_stays_asked_for(lantern: Any) -> None:
    tree = ConsentCondition(0, "not_asked_yet")
    builder = segment_builder.Builder(lantern, describe.Names(lantern, segment_word))
    (node,) = builder.laid_out(segment_builder.from_tree(tree)).parts
    assert dict(node.inputs[1].options or ())["not_asked_yet"] == "no: their consent hasn’t been checked yet"


def test_a_sealed_segment_is_counted_in_several_looks(here: House, desk: Desk, monkeypatch: Any) -> None:
    monkeypatch.setattr("samizdat.audience.segments.members.PAGE", 1)
    monkeypatch.setattr("samizdat.web.audience.views.segments.COUNTING", 0)
    client, address = desk("editor"), at(here, "new-segment")
    form = whole(group(), row(1, f"field:{here.field}", "!filled"))
    page = client.post(address, form).content.decode()
    # Their numbers are drawn: where they lie side by side one look finds both.
    assert re.search(r"(\d) of the \1 subscribers checked so far\.|\b2 subscribers\.", shown(page))
    for _look in range(3):
        on = re.search(r'name="on" value="([^"]+)"', page)
        if on is None:
            break
        page = client.post(address, form | {"on": on[1]}).content.decode()
    assert "2 subscribers." in shown(page)
    other = client.post(address, form | {"on": "1:500:500:of another tree"}).content.decode()
    assert not re.search(r"\b500 (of|subscribers)", shown(other))


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"0-kind": "nonsense"},
        {"0-kind": "tag", "0-b": "1"},
        row(0, "all") | row(1, "tag", "", "9" * 400),
        row(0, "all") | row(1, "field:99999999999", "is", "x"),
        row(0, "all") | row(1, "joined", "around", "yesterday"),
        row(0, "all") | row(1, "share", "", "500", "-1"),
        {f"{at}-kind": "any" for at in range(100)} | {f"{at}-in": str(at - 1) for at in range(1, 100)},
        {"do": "remove-0"},
        {"do": "add-77", "0-new": "tag"},
        {"on": "1:2:3"},
    ],
)  # fmt: skip
def test_no_form_breaks_the_builder(here: House, desk: Desk, form: dict[str, str]) -> None:
    answer = desk("editor").post(at(here, "new-segment"), whole(form))
    assert answer.status_code in (200, 302)
    saving = desk("editor").post(at(here, "new-segment"), whole(form) | {"do": "save", "name": "X"})
    assert saving.status_code in (302, 422)


def test_a_segment_whose_field_was_removed_says_so_and_can_be_mended(here: House, desk: Desk) -> None:
    made = audience.add_segment(here.organization, "City", FieldCondition(here.field, "filled"), now=NOW)
    audience.remove_field(here.organization, here.field, now=NOW)
    client = desk("editor")
    assert "Can’t be used" in client.get(at(here, "segments")).content.decode()
    page = client.get(at(here, "segment", made.pk)).content.decode()
    assert "uses a field that was deleted" in shown(page) and "a deleted field" in page
    client.post(at(here, "segment", made.pk), whole(group(), name="City", version="1", do="save"))
    assert "Can’t be used" not in client.get(at(here, "segments")).content.decode()


def test_a_segment_is_removed_after_the_drafts_were_named(here: House, desk: Desk, volunteers: Segment) -> None:
    client = desk("editor")
    client.post(at(here, "campaign", here.campaign.pk), letter(here, segment=volunteers.pk))
    assert "What the river took" in client.get(at(here, "remove-segment", volunteers.pk)).content.decode()
    client.post(at(here, "remove-segment", volunteers.pk))
    assert client.get(at(here, "segment", volunteers.pk)).status_code == 404
    assert desk("viewer").get(at(here, "segments")).status_code == 200


# -- tags --


def test_a_tag_is_removed_after_who_carries_it_and_what_uses_it_were_named(
    here: House, desk: Desk, volunteers: Segment
) -> None:
    number = audience.tags_for(here.organization, ["volunteer"])["volunteer"]
    client, address, campaign = desk("editor"), at(here, "remove-tag", number), at(here, "campaign", here.campaign.pk)
    client.post(campaign, letter(here, tag=number))
    page = client.get(address).content.decode()
    assert "1 subscriber has it." in page and "What the river took" in page and "Volunteers" in page
    client.post(address)
    assert f"/tags/{number}/remove" not in client.get(at(here, "tags")).content.decode()
    # Its draft stays with nobody until somebody chooses anew: saving it as it is changes nothing of that.
    assert "a deleted tag" in client.get(campaign).content.decode()
    client.post(campaign, letter(here, tag=number, version=2))
    assert Campaign.objects.get(pk=here.campaign.pk).tag_id == number
    send = client.get(at(here, "send", here.campaign.pk)).content.decode()
    assert "The tag of the audience was deleted." in send and "Audience no longer exists" in send
