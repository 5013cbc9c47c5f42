"""The export of a whole account: what becomes of campaigns, templates and images, killed and twice."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience import queries
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import ownership
from samizdat.audience.imports.documents import NO_OPTIONS
from samizdat.audience.models import Import
from samizdat.campaigns.archive import sent_elsewhere
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign, Edition, Picture, Template
from samizdat.campaigns.released import released, web_versions
from samizdat.campaigns.templates.layout_store import text_of
from samizdat.core.content.render import archive_html
from samizdat.events.models import Event
from samizdat.portability.account import export
from samizdat.portability.account.documents import SOURCE
from samizdat.portability.account.writer import AccountImportTotals, AccountWriter
from tests.conftest import NOW
from tests.importers.accounts import ACCOUNT, OTHER, USER, page, picture, written

pytestmark = pytest.mark.django_db


@pytest.fixture
def account(tmp_path: Path) -> Path:
    return written(tmp_path / "account.zip", ACCOUNT)


@pytest.fixture
def bring(lantern: Any) -> Callable[..., AccountImportTotals]:
    def brought(path: Path, *, listed: bool = False, usual: str = "") -> AccountImportTotals:
        plan = export.plan_of(lantern, path, {}, usual)
        return export.bring(lantern, path, plan, options=NO_OPTIONS, basis="", listed=listed, now=lambda: NOW)

    return brought


def test_a_sent_campaign_stands_in_the_archive_with_its_own_day_and_without_books(
    bring: Any, account: Path, lantern: Any
) -> None:
    bring(account)
    sent = Campaign.objects.get(state="finished")
    assert sent.released == sent.finished == datetime(2019, 5, 19, 18, 0, tzinfo=UTC)
    assert (sent.frozen, sent.accepted, sent.archive_hidden) == (0, 0, True), "nothing of it was delivered from here"
    details = released(edition := Edition.objects.get(campaign=sent))
    assert details is not None and details.to_all and details.unlisted
    [version] = web_versions(edition, details)
    html = archive_html(version.content, now=NOW)
    assert "Dear" in html and "*|" not in html
    kept = sent_elsewhere.of(sent)
    assert kept is not None and (kept.service, kept.totals["delivered"]) == ("Mailchimp", 1_108)
    assert Event.objects.filter(organization=lantern, kind="campaigns.restored").count() == 1


def test_images_of_the_account_are_shown_from_here_and_those_of_others_from_where_they_are(
    bring: Any, account: Path
) -> None:
    totals = bring(account)
    slug = Picture.objects.get().slug
    sent, draft = (draft_of(Campaign.objects.get(state=state)) for state in ("finished", "draft"))
    assert f"/m/{slug}.png" in sent.body and "mcusercontent" not in sent.body
    assert f"mcusercontent.com/{OTHER}/images/logo.png" in draft.body and slug not in draft.body
    template = text_of(Template.objects.get())
    assert (template.name, f"/m/{slug}.png" in template.source + template.sample) == ("Base frame", True)
    assert totals.elsewhere == 0


def test_an_image_that_the_export_lacks_is_counted_and_stays_where_it_is(bring: Any, tmp_path: Path) -> None:
    files = {**ACCOUNT, "12345/campaigns_content/102_third.html": page(USER, "gone.png")}
    assert bring(written(tmp_path / "account.zip", files)).elsewhere == 1


@pytest.mark.parametrize("after", range(4))
def test_wherever_it_is_killed_it_goes_on_and_nothing_is_doubled(
    bring: Any, account: Path, lantern: Any, monkeypatch: Any, after: int
) -> None:
    take, taken = AccountWriter.take, list[str]()

    def dying(writer: AccountWriter, item: Any) -> None:
        if len(taken) == after:
            raise KeyboardInterrupt
        take(writer, item)
        taken.append(item.kind)

    monkeypatch.setattr(AccountWriter, "take", dying)
    with pytest.raises(KeyboardInterrupt):
        bring(account)
    Import.objects.filter(state="stopped").update(state="running", owner=f"{ownership.myself().split('-')[0]}-1-0")
    monkeypatch.setattr(AccountWriter, "take", take)
    totals = bring(account)
    assert totals.added.total() + totals.here.total() == 4 and totals.here.total() == after
    assert (Picture.objects.count(), Template.objects.count(), Campaign.objects.count()) == (1, 1, 2)
    assert Import.objects.filter(source=SOURCE, state="finished").count() == 1
    assert Import.objects.filter(source="mailchimp").count() == 2, "no audience is read again"
    html = draft_of(Campaign.objects.get(state="finished")).body
    assert f"/m/{Picture.objects.get().slug}.png" in html


def test_a_later_export_adds_what_is_new_and_what_was_thrown_away(bring: Any, account: Path, tmp_path: Path) -> None:
    bring(account)
    Template.objects.all().delete()
    files = {**ACCOUNT, "12345/gallery/second.png": picture("red")}
    later = bring(written(tmp_path / "later.zip", files))
    assert dict(later.added) == {"image": 1, "template": 1}
    assert dict(later.here) == {"image": 1, "draft": 1, "sent": 1}


def test_what_cannot_be_read_is_named_and_the_rest_comes_in(bring: Any, tmp_path: Path) -> None:
    files = {
        **ACCOUNT,
        "12345/gallery/broken.png": b"\x89PNG no",
        "12345/templates/deep.html": "<div>" * 500,
        "12345/campaigns_content/103_cyrillic.html": "<p>Письмо</p>".encode("cp1251"),
    }
    totals = bring(written(tmp_path / "account.zip", files))
    assert {name for name, _reason in totals.refused} == {"broken.png", "deep"}
    assert all(reason.endswith(".") for _name, reason in totals.refused)
    assert dict(totals.added) == {"image": 1, "template": 1, "draft": 2, "sent": 1}


_TAGGED = "Email Address,First Name,{more},TAGS\nada@post.example,Ada,{cell},{tag}\n"


def _with_people(path: Path, tag: str, more: str = "City", cell: str = "Riga") -> Path:
    people = _TAGGED.format(tag=f'"""{tag}"",""Press"""', more=more, cell=cell)
    return written(path / "account.zip", {**ACCOUNT, "12345/lists/members/members_777_News.csv": people})


def test_tags_of_donors_stay_out_and_are_named_and_all_else_comes_in(bring: Any, lantern: Any, tmp_path: Path) -> None:
    path = _with_people(tmp_path, "Donor monthly")
    plan = export.plan_of(lantern, path, {})
    export.look(lantern, path, plan, options=NO_OPTIONS, now=NOW)
    assert any("TAGS: Donor monthly" in warning for warning in plan.audiences[0].warnings)
    assert [people.counts["rows"] for people in bring(path).people] == [2, 1]
    assert [name for _number, name in queries.tags(lantern)] == ["Press"]


def test_a_tag_that_says_who_left_counts_and_is_named(bring: Any, lantern: Any, tmp_path: Path) -> None:
    [news, _alarm] = bring(_with_people(tmp_path, "unsubscribed by phone")).people
    assert any("TAGS (unsubscribed by phone)" in warning for warning in news.warnings)
    assert (news.counts.get("unsubscribed"), news.counts.get("subscribed")) == (2, 0)


def test_what_only_a_person_can_say_is_asked_where_one_can_answer(bring: Any, tmp_path: Path) -> None:
    with pytest.raises(ImportRefused, match="Unpack the export"):
        bring(_with_people(tmp_path, "Press", "Do not email", "maybe"))


def test_an_unpacked_folder_is_the_same_as_its_zip(bring: Any, tmp_path: Path) -> None:
    for name, data in ACCOUNT.items():
        path = tmp_path / "account" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
    assert bring(tmp_path / "account").added.total() == 4


def test_campaigns_go_to_the_list_of_their_audience(bring: Any, account: Path, lantern: Any) -> None:
    from samizdat.audience import queries

    bring(account)
    assert {view.name for view in queries.lists(lantern)} >= {"News", "Alarm"}
    assert queries.name_of(Campaign.objects.get(state="finished").list) == "News"
    assert queries.count(lantern, queries.list_named(lantern, "News"), "unsubscribed") == 1
    assert queries.count(lantern, queries.list_named(lantern, "Alarm"), "subscribed") == 1


def test_an_export_of_another_account_than_the_list_came_from_is_told_of_before_it_comes_in(
    bring: Any, account: Path, lantern: Any, tmp_path: Path
) -> None:
    bring(account)
    assert not any(held.warnings for held in export.plan_of(lantern, account, {}).audiences)
    files = {name: data.replace(USER, "c" * 25) if isinstance(data, str) else data for name, data in ACCOUNT.items()}
    other = export.plan_of(lantern, written(tmp_path / "other.zip", files), {"Alarm": "Elsewhere"})
    export.look(lantern, tmp_path / "other.zip", other, options=NO_OPTIONS, now=NOW)
    warned = {held.list_name: [one for one in held.warnings if "another account" in one] for held in other.audiences}
    assert [len(warned["News"]), len(warned["Elsewhere"])] == [1, 0], "a new list mixes nobody"
