"""Letters, pictures, templates, looks, rules and settings in an export of our own format, and in another house."""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from samizdat.accounts import actions as accounts
from samizdat.accounts import sealed_settings
from samizdat.accounts.actions import change_settings
from samizdat.accounts.errors import AccountError
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions.consent_texts import put_wording
from samizdat.audience.errors import FormRefused
from samizdat.audience.models import ConsentText, Import, ImportIdMap, List, Subscriber
from samizdat.campaigns import ab_test, brand, edition_details, folders, sealed_clicks, translations
from samizdat.campaigns.actions import create, save
from samizdat.campaigns.archive import web_corrections
from samizdat.campaigns.drafts import comments, revisions
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Campaign, Comment, Edition, Picture, Template
from samizdat.campaigns.released import released
from samizdat.campaigns.templates import import_template, layout_store
from samizdat.campaigns.templates.import_template import save_as_template
from samizdat.campaigns.templates.layout_store import arrangement_of, sealed
from samizdat.core.content.templates.layout import LayoutChanges, WrittenRegion
from samizdat.core.mail.ledger import State
from samizdat.delivery import actions as delivery
from samizdat.delivery import dkim_keys
from samizdat.delivery import queries as delivery_queries
from samizdat.delivery.actions import digest_rounds, digests, domains
from samizdat.delivery.engine.edition_loader import open_edition
from samizdat.delivery.models import MinuteTotal, ProviderTotal, Route, RouteTotal, SmtpReply
from samizdat.delivery.queries import report, status
from samizdat.portability import read
from samizdat.portability.canary_alarms import planted_in_exports
from samizdat.portability.errors import ExportRefused
from samizdat.portability.parts import base
from samizdat.portability.parts import delivery as delivery_part
from samizdat.portability.parts.campaigns import campaigns, extras
from samizdat.portability.parts.campaigns.drafts import Comments
from samizdat.portability.parts.delivery import TOTALS
from samizdat.portability.parts.retention import RetentionPart
from samizdat.portability.request import ExportRequest
from samizdat.portability.restore.keys import take_hosts
from samizdat.privacy.actions import retention
from samizdat.publicdb.models import Page
from samizdat.publicdb.models import PublicPicture as Shown
from samizdat.worker.schedule.event_handlers import follow
from tests.clicks import clicked
from tests.conftest import NOW, PASSWORD, TODAY
from tests.portability.test_export import _changed, in_another_house, made
from tests.web.conftest import png
from tests.web_copies import web_copy_of


@pytest.fixture
def written(lantern: Any, remembered: Callable[..., Any]) -> Any:
    """A reader, a letter that went to them, one on its way, one for later, and a draft with a picture in a template."""

    def work() -> None:
        list_ = audience.new_list(lantern, "The Thursday Letter", now=NOW)
        audience.add_subscriber(lantern, "ada@post.example", list_, consent="At the fair.", tags=["press"], now=NOW)
        change_settings(lantern, by=None, now=NOW, public_url="https://lantern.example", quiet_hours="22:00-07:00")
        picture = library.take_in(lantern, png(), NOW, name="The river")
        template = import_template.take_in(
            lantern, "Ours", b"<html><body>*|MC:SUBJECT|*</body></html>", by=None, now=NOW
        ).template
        brand.keep(lantern, brand.BrandSettings(link="#003366", logo=picture.slug), by=None, now=NOW)
        retention.retain(list_, retention.RetentionRules(left_days=400), now=NOW)

        def letter(subject: str, **how: Any) -> Campaign:
            words = Draft(
                subject=subject,
                from_name="Lantern",
                from_email="letter@lantern.example",
                body=f"Hello.\n\n![]({library.url_of(lantern, picture)})\n",
            )
            return create(lantern, list_, words, by=None, now=NOW, **how)

        draft = letter("A draft", template=template, tag=queries.tag_named(lantern, "press"))
        draft.places_sealed = sealed(draft, LayoutChanges({"main": WrittenRegion(f"<p>{picture.slug}</p>")}))
        draft.save(update_fields=["places_sealed"])
        sent, going = (delivery.release(letter(subject), now=NOW) for subject in ("Sent", "Going"))
        over = {"state": "finished", "accepted": 1, "pending": 0, "finished": NOW, "unsubscribes": 1}
        Campaign.objects.filter(pk=sent.pk).update(**over)
        delivery.release(letter("Later"), now=NOW, at=NOW + timedelta(days=2))
        letter("To those not reached", resend_of=going)

    remembered(work, lantern)
    return lantern


def _bring(organization: Organization, *hosts: object) -> None:
    opened: Any = SimpleNamespace(table=lambda _file: {"hosts": [*hosts]})
    with transaction.atomic():
        take_hosts(organization, opened)


def _prove(organization: Organization, name: str) -> None:
    row = domains.add_domain(organization, name, now=NOW, algorithms=("ed25519",))
    texts = {key.name: [key.text] for key in dkim_keys.domain_row(row).keys}
    domains.look(row, now=NOW, look_up=lambda place: texts.get(place, []))


def test_no_neighbor_takes_the_host_that_links_of_a_group_lead_to_that_came_back(lantern: Any, vault: Any) -> None:
    change_settings(lantern, by=None, now=NOW, public_url="https://lantern.example")
    bell = accounts.found_organization("Harbour Bell", source=vault, today=TODAY)
    _bring(bell, "news.bell.example")
    vera = accounts.add_person("vera@lantern.example", password=PASSWORD, today=TODAY)
    with pytest.raises(AccountError, match="is already in use"):
        change_settings(lantern, by=vera, now=NOW, public_url="https://news.bell.example")
    change_settings(bell, by=vera, now=NOW, public_url="https://news.bell.example")
    for wrong in ("news.bell.example", ["a/b"], ["a@b.example"], [7], ["x.example"] * 21):
        opened: Any = SimpleNamespace(table=lambda _file, hosts=wrong: {"hosts": hosts})
        with pytest.raises(ExportRefused):
            take_hosts(bell, opened)


def test_hosts_that_a_file_was_made_up_with_are_kept_from_nobody_who_has_them(lantern: Any, vault: Any) -> None:
    change_settings(lantern, by=None, now=NOW, public_url="https://old.lantern.example")
    change_settings(lantern, by=None, now=NOW, public_url="https://lantern.example")
    bell = accounts.found_organization("Harbour Bell", source=vault, today=TODAY)
    vera = accounts.add_person("vera@lantern.example", password=PASSWORD, today=TODAY)
    _bring(bell, "old.lantern.example", "lantern.example", "next.lantern.example")
    for name in ("old", "next"):
        with pytest.raises(AccountError, match="add the record at your DNS provider"):
            change_settings(
                bell if name == "old" else lantern, by=vera, now=NOW, public_url=f"https://{name}.lantern.example"
            )
    change_settings(lantern, by=vera, now=NOW, public_url="https://old.lantern.example")
    _prove(lantern, "lantern.example")
    change_settings(lantern, by=vera, now=NOW, public_url="https://next.lantern.example")
    _bring(bell, *(f"x{n}.example" for n in range(20)))
    assert len(sealed_settings.brought_hosts(bell)) == 20, "and no more, by however many files"


def test_a_group_that_came_back_late_gets_its_host_with_a_proof_and_nobody_else_does(lantern: Any, vault: Any) -> None:
    bell = accounts.found_organization("Harbour Bell", source=vault, today=TODAY)
    vera = accounts.add_person("vera@lantern.example", password=PASSWORD, today=TODAY)
    _bring(bell, "letters.lantern.example")
    _bring(lantern, "letters.lantern.example")
    for organization in (bell, lantern):
        with pytest.raises(AccountError, match="is already in use"):
            change_settings(organization, by=vera, now=NOW, public_url="https://letters.lantern.example")
    _prove(lantern, "lantern.example")
    change_settings(lantern, by=vera, now=NOW, public_url="https://letters.lantern.example")


@pytest.mark.parametrize(
    ("source", "places"),
    [
        ("<!--repeat:a|-->{text}<!--/repeat-->", {"copies": {"a": [[str(n), 0] for n in range(9_000)]}}),
        ("<!--repeat:a|-->{text}<!--/repeat-->", {"copies": {"a": [[str(n), 0] for n in range(50)]}}),
        (
            "".join(f"<!--repeat:{part}|-->" for part in "abc") + "x" + "<!--/repeat-->" * 3,
            {"copies": {part: [[str(n), 0] for n in range(50)] for part in "abc"}},
        ),
        ("<!--place:a-->x<!--/place-->", {"texts": {"b": ["x" * 700_000, ""]}}),
        ("<!--hide:a-->" * 5_000 + "<!--/hide-->" * 5_000, {}),
        ("{text}" * 7, {}),
    ],
    ids=["copies", "long copies", "copies of copies", "words", "depth", "template"],
)
def test_an_export_whose_letter_makes_gigabytes_of_its_template_is_refused_whole(
    written: Any, vault: Any, tmp_path: Path, source: str, places: dict[str, Any]
) -> None:
    data = made(written, ExportRequest("samizdat"))
    with pytest.raises(ExportRefused):
        in_another_house(_filled(data, source.replace("{text}", "x" * 100_000), places), tmp_path, vault)
    assert not Campaign.objects.exclude(organization=written).exists()
    assert not Template.objects.exclude(organization=written).exists()


def test_a_letter_that_repeats_a_part_of_its_template_comes_back_so(written: Any, vault: Any, tmp_path: Path) -> None:
    copies = {"copies": {"a": [[str(n), 0] for n in range(50)]}}
    data = _filled(made(written, ExportRequest("samizdat")), "<!--repeat:a|-->x<!--/repeat-->", copies)
    there, _counts = in_another_house(data, tmp_path, vault)
    edition = Edition.objects.get(organization=there, campaign__state="finished", campaign__template__isnull=False)
    details = released(edition)
    assert details is not None and details.content is not None and details.content.template.count("x") == 50


def _filled(data: bytes, source: str, places: dict[str, Any]) -> bytes:
    """An export whose letter that was sent makes this of such a template."""
    numbers: list[int] = []

    def spoiled_templates(entries: Any) -> Any:
        numbers.append(entries[0]["number"])
        entries[0]["source"] = "{{ content }}" + source
        return entries

    def spoiled_letters(rows: Any) -> Any:
        for row in rows:
            if row["draft"]["subject"] == "Sent":
                row |= {"template": numbers[0], "places": {"texts": {}, "copies": {}, "hidden": []} | places}
        return rows

    return forged(forged(data, "templates.json", spoiled_templates), "letters/1.json", spoiled_letters)


def test_what_an_admin_brings_in_has_nobody_erased_sooner_from_a_list_that_was_here(lantern: Any) -> None:
    list_ = audience.new_list(lantern, "The Thursday Letter", now=NOW)
    audience.add_subscriber(lantern, "ada@post.example", list_, consent="At the fair.", now=NOW)
    vera = accounts.add_person("vera@lantern.example", password=PASSWORD, today=TODAY)
    opened: Any = SimpleNamespace(
        lists=[{"number": 7}], table=lambda _file: [{"list": 7, "left_days": 7, "delivery_months": None}]
    )
    for age, kept in ((30, None), (0, 7)):
        list_.created = TODAY - timedelta(days=age)
        list_.save(update_fields=["created"])
        places: Any = SimpleNamespace(
            by=vera, now=NOW, lists={7: list_.pk}, here=lambda *_: None, put=lambda *_: None, all=lambda _: {}
        )
        RetentionPart().take(opened, places)
        assert retention.rules_of(list_).left_days == kept


def letters_of(organization: Any) -> dict[str, Campaign]:
    return {
        draft_of(row).subject: row
        for row in Campaign.objects.select_related("organization", "template").filter(organization=organization)
    }


def test_letters_and_all_that_they_are_made_of_come_into_another_house(
    written: Any, vault: Any, tmp_path: Path
) -> None:
    save_as_template(letters_of(written)["A draft"], "Saved", by=None, now=NOW)
    there, counts = in_another_house(made(written, ExportRequest("samizdat", keys=True)), tmp_path, vault)
    assert (counts["letters"], counts["pictures"], counts["templates"]) == (4, 1, 2)
    before, after = letters_of(written), letters_of(there)
    assert {subject: row.state for subject, row in after.items()} == {
        "A draft": "draft", "Sent": "finished", "Going": "finished", "Later": "draft",
    }  # fmt: skip
    draft = after["A draft"]
    assert draft.tag == queries.tag_named(there, "press") and layout_store.name_of(draft.template) == "Ours"  # type: ignore[arg-type]
    books = {name: status(after["Sent"])[name] for name in ("frozen", "accepted", "pending", "left_by_letter")}
    assert books == {"frozen": 1, "accepted": 1, "pending": 0, "left_by_letter": 1}
    assert (after["Going"].cancelled, after["Going"].pending) == (1, 0)
    assert open_edition(after["Sent"].edition.pk).compiled == open_edition(before["Sent"].edition.pk).compiled
    assert not after["Sent"].edition.chunks.exists()
    (picture,) = Picture.objects.filter(organization=there)
    assert library.open_picture(picture) == library.open_picture(Picture.objects.get(organization=written))
    assert library.facts_of(picture).name == "The river"
    saved = layout_store.text_of(Template.objects.filter(organization=there).latest("pk"))
    assert (saved.name, saved.format) == ("Saved", "markdown")
    assert picture.slug in saved.body and picture.slug in saved.places.texts["main"].html
    # Somebody of this house has its name already: texts and looks say the new one.
    assert picture.slug in arrangement_of(draft).texts["main"].html
    assert picture.slug in draft_of(draft).body and brand.brand_of(there).logo == picture.slug
    assert brand.brand_of(there).link == "#003366"
    list_ = queries.list_named(there, "The Thursday Letter")
    assert retention.rules_of(list_) == retention.RetentionRules(left_days=400)
    there.refresh_from_db()
    assert (there.quiet_hours, there.public_url) == ("22:00-07:00", "")


@pytest.mark.django_db(databases=["default", "publicdb"])
def test_numbers_that_stand_in_mailboxes_stay_where_nobody_has_them(written: Any, vault: Any, tmp_path: Path) -> None:
    data, sent = made(written, ExportRequest("samizdat")), letters_of(written)["Sent"]
    known = sent.edition.pk, sent.edition.archive_slug, Picture.objects.get().slug
    Campaign.objects.filter(resend_of__isnull=False).delete()
    _forget(written)
    there, _counts = in_another_house(data, tmp_path, vault)
    after = letters_of(there)["Sent"].edition
    assert (after.pk, after.archive_slug, Picture.objects.get().slug) == known
    change_settings(there, by=None, now=NOW, public_url="https://harbour.example")
    follow(NOW)
    assert Page.objects.filter(slug=known[1]).exists() and Shown.objects.filter(slug=known[2]).exists()


def _forget(organization: Any) -> None:
    from samizdat.campaigns.models import Edition
    from samizdat.delivery.models import Chunk

    Chunk.objects.all().delete()
    Edition.objects.all().delete()
    Campaign.objects.filter(organization=organization).delete()
    Picture.objects.filter(organization=organization).delete()


@pytest.fixture
def full(written: Any) -> Any:
    """The letter that was sent has all that can belong to one; the draft has a test, a comment and a history."""
    rows, by_route = letters_of(written), {"accepted": 1, "refused": 0, "deferred": 2, "unsure": 0}
    sent, draft = rows["Sent"], rows["A draft"]
    folder = folders.add(written, "Autumn", by=None, now=NOW)
    Campaign.objects.filter(pk=sent.pk).update(replies=7, folder=folder)
    Campaign.objects.filter(pk=draft.pk).update(planned=TODAY, archive_hidden=True, purpose=1)
    Campaign.objects.filter(pk=rows["Going"].pk).update(tag=draft.tag)
    web_corrections.correct(sent, "Hello.", "Good day.", by=None, now=NOW)
    with transaction.atomic():
        question = edition_details.Question("Thursdays?", ("Yes", "No", "Both"))
        links = tuple(f"https://paper.example/{at}" for at in range(3))
        edition_details.change(sent.edition, counted_places="0", counted=links, question=question)
    clicked(sent, [(0, 1, TODAY, 44), (0, 2, TODAY, 9)], [(0, 2, 31), (0, 1, 9)])
    route = Route.objects.create(
        organization=written, name="relay", settings_sealed=b"", scheme="smtp", changed=NOW, state="live"
    )
    RouteTotal.objects.create(edition=sent.edition, route=route, **by_route, unsubscribed=3)
    MinuteTotal.objects.create(edition=sent.edition, route=route, minute=NOW, accepted=1)
    ProviderTotal.objects.create(edition=sent.edition, provider=1, state=State.ACCEPTED, count=1, unsubscribed=2)
    comments.say(draft, comments.CommentText("Too long?", quote="Hello."), by=None, now=NOW)
    revisions.keep(draft, draft_of(draft).with_(body="Hello, all.\n"), number=1, by=None, at=NOW - timedelta(hours=1))
    other = create(written, draft.list, draft_of(draft).with_(subject="Other text"), by=None, now=NOW)
    changes = [ab_test.VersionChange(subject="Another subject"), ab_test.VersionChange(letter=other)]
    ab_test.plan(draft, changes, share=20, way="hand", at=NOW + timedelta(days=1), by=None, now=NOW)
    return written


@pytest.mark.usefixtures("low_floor")
def test_what_belongs_to_letters_comes_along_and_adds_up(full: Any, vault: Any, tmp_path: Path) -> None:
    data = made(full, ExportRequest("samizdat"))
    there, counts = in_another_house(data, tmp_path, vault)
    told = {"history": 1, "comments": 1, "corrections": 1, "clicks": 1, "answers": 1, "tests": 1, "results": 2}
    assert {name: counts[name] for name in told} == told
    assert {name: manifest_of(data)["counts"][name] for name in told} == told
    before, after = letters_of(full), letters_of(there)
    sent, draft = after["Sent"], after["A draft"]
    assert (sent.replies, folders.name_of(there, sent.folder)) == (7, "Autumn")  # type: ignore[arg-type]
    assert [(one.text.wrong, one.text.right, one.at) for one in web_corrections.corrections(sent.edition)] == [
        ("Hello.", "Good day.", NOW)
    ]
    assert "Good day." in web_copy_of(sent.edition)[1]
    # Neither what few pressed nor the day of it leaves the house; nor one more than others say.
    sums = sealed_clicks.sums_of(sent.edition)
    assert sums and (sums.days_of(0, 1), sums.days_of(0, 2)) == ({TODAY: 40}, {}) and sums.answers == {(0, 2): 30}
    was, now = report(before["Sent"]), report(sent)
    (route,) = Route.objects.filter(organization=there)
    assert route.state == "removed" and not route.settings_sealed
    mine = now.by_route[route.name] | {"state": "live"}
    assert mine == was.by_route["relay"] and route.name == f"relay ({route.pk})"
    assert [(minute[0], *minute[2:]) for minute in now.minutes] == [(minute[0], *minute[2:]) for minute in was.minutes]
    assert now.providers == was.providers
    left = [model.objects.get(edition=sent.edition).unsubscribed for model in (RouteTotal, ProviderTotal)]
    assert left == [3, 2]
    assert draft.planned == TODAY and draft.is_appeal and not sent.is_appeal
    unlisted = {subject for subject, row in after.items() if row.archive_hidden}
    assert unlisted == {"A draft", "Going"}, "as chosen, and one to few, whose tag may be gone there"
    (comment,) = comments.comments(draft)
    assert (comment.words, comment.at) == (comments.CommentText("Too long?", quote="Hello."), NOW)
    kept = revisions.version_of(draft, 1)
    assert kept is not None and kept.draft.body == "Hello, all.\n" and kept.places == arrangement_of(draft)
    versions = ab_test.versions(draft)
    assert [one.change.subject for one in versions] == ["", "Another subject", ""]
    assert versions[2].change.letter == after["Other text"] and (draft.test_share, draft.ab_metric) == (20, "hand")


def test_web_copies_say_in_another_house_what_was_released_in_each_language(
    written: Any, vault: Any, tmp_path: Path
) -> None:
    rows = letters_of(written)
    letter = create(
        written, rows["Sent"].list, draft_of(rows["Sent"]).with_(subject="Both"), by=None, now=NOW, archive_hidden=True
    )
    german = translations.add(letter, "de", by=None, now=NOW)
    text = draft_of(german).with_(subject="Beide", body="Guten Tag.\n")
    save(german, text, version=german.version, by=None, now=NOW)
    over = {"state": "finished", "accepted": 1, "pending": 0, "finished": NOW}
    Campaign.objects.filter(pk=delivery.release(letter, now=NOW).pk).update(**over)
    there, _counts = in_another_house(made(written, ExportRequest("samizdat")), tmp_path, vault)
    after = letters_of(there)
    assert [web_copy_of(after["Both"].edition, place)[0] for place in (0, 1)] == ["Both", "Beide"]
    assert "Guten Tag." in web_copy_of(after["Both"].edition, 1)[1]
    details = released(after["Both"].edition)
    assert details is not None
    assert (details.campaign, details.list) == (after["Both"].pk, after["Both"].list_id)
    assert details.to_all and details.unlisted and not details.purpose
    Edition.objects.filter(pk=after["Both"].edition.pk).update(campaign=after["A draft"])
    assert released(Edition.objects.get(pk=after["Both"].edition.pk)) is None


def test_a_version_that_no_editor_of_today_could_open_stays_behind_alone(full: Any, vault: Any, tmp_path: Path) -> None:
    draft = letters_of(full)["A draft"]
    old = {"format": "blocks", "body": "{}"}
    data = forged(
        made(full, ExportRequest("samizdat")),
        "history/1.json",
        lambda told: [row | {"draft": row["draft"] | old} if row["letter"] == draft.pk else row for row in told],
    )
    there, counts = in_another_house(data, tmp_path, vault)
    assert (counts["history"], counts["comments"]) == (0, 1) and not revisions.entries(letters_of(there)["A draft"])


def test_a_digest_that_waits_comes_with_its_readers_and_leaves_by_a_persons_press_alone(
    written: Any, vault: Any, tmp_path: Path
) -> None:
    digest = create(written, letters_of(written)["Sent"].list, draft_of(letters_of(written)["Sent"]).with_(
        subject="Lately"
    ), by=None, now=NOW)  # fmt: skip
    Campaign.objects.filter(pk=digest.pk).update(is_digest=True, digest_round=3)
    ada = Subscriber.objects.get(organization=written)
    digest_rounds.set_aside(digest, [ada.pk])
    there, _counts = in_another_house(made(written, ExportRequest("samizdat")), tmp_path, vault)
    come = letters_of(there)["Lately"]
    arrived = Subscriber.objects.get(organization=there)
    assert (come.state, come.reason, come.is_digest, come.digest_round) == ("draft", "digest", True, 3)
    assert digest_rounds.aside_of(come) == [[arrived.pk]] and arrived.number == ada.number
    change_settings(there, by=None, now=NOW, public_url="https://harbour.example")
    digests.make_due(NOW + timedelta(days=60))
    come.refresh_from_db()
    assert come.state == "draft"


@pytest.mark.parametrize(
    ("version", "told"),
    [
        (1, {"rows": 3, "consent": 6, "subscribed": 3, "letters": 0, "history": 0}),
        (2, {"rows": 1, "consent": 1, "subscribed": 1, "letters": 4, "history": 0, "results": 0}),
        (3, {"rows": 1, "letters": 5, "history": 1, "comments": 1, "tests": 1, "results": 2, "growth": 1}),
        (4, {"rows": 1, "letters": 5, "history": 1, "comments": 1, "results": 2, "conversations": 0}),
    ],
)
def test_a_file_that_an_older_samizdat_wrote_comes_in(
    lantern: Any, vault: Any, tmp_path: Path, version: int, told: dict[str, int]
) -> None:
    data = (Path(__file__).parents[1] / f"payloads/samizdat/version-{version}.zip").read_bytes()
    assert manifest_of(data)["version"] == version
    there, counts = in_another_house(data, tmp_path, vault)
    assert {name: counts[name] for name in told} == told
    assert queries.count(there) == told["rows"]


def test_letters_and_what_belongs_to_them_share_files_of_bounded_length(
    full: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = sorted(manifest_of(made(full, ExportRequest("samizdat")))["files"])
    assert [name for name in names if name.startswith(("letters/", "results/"))] == ["letters/1.json", "results/1.json"]
    monkeypatch.setattr(campaigns, "LONG", 1)
    data = made(full, ExportRequest("samizdat"))
    assert {"letters/5.json", "results/2.json"} <= set(manifest_of(data)["files"])
    _there, counts = in_another_house(data, tmp_path, vault)
    assert (counts["letters"], counts["results"], counts["history"]) == (5, 2, 1)


def manifest_of(data: bytes) -> Any:
    return json.loads(zipfile.ZipFile(io.BytesIO(data)).read("manifest.json"))


def test_the_same_file_again_brings_no_letter_twice(written: Any, vault: Any, tmp_path: Path) -> None:
    data = made(written, ExportRequest("samizdat"))
    there, _counts = in_another_house(data, tmp_path, vault)
    from samizdat.portability.restore import bring_back

    assert bring_back(there, tmp_path / "export.zip", now=lambda: NOW)["added"] == 0
    assert (
        Campaign.objects.filter(organization=there).count(),
        Template.objects.filter(organization=there).count(),
    ) == (4, 1)


def test_a_return_killed_between_two_letters_goes_on_behind_the_last(
    written: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.portability.restore import bring_back

    data = made(written, ExportRequest("samizdat"))
    made_anew, came = campaigns._make, []

    def killed(letter: Any, places: Any) -> Any:
        if len(came) == 2:
            raise KeyboardInterrupt
        came.append(letter.number)
        return made_anew(letter, places)

    with monkeypatch.context() as patch:
        patch.setattr(campaigns, "_make", killed)
        with pytest.raises(KeyboardInterrupt):
            in_another_house(data, tmp_path, vault)
    begun = Import.objects.get()
    there, known = begun.organization, base.Places(begun, NOW, None, {}, {}).load().all("letters")
    assert sorted(known) == sorted(map(str, came))
    # What one letter adds does not grow with those before it: 5,000 would be sealed 5,000 times.
    assert max(len(told) for told in begun.places.values_list("details_sealed", flat=True)) < 150

    another = Import.objects.create(organization=there, list=begun.list, state="reading", fingerprint=b"x", created=NOW)
    monkeypatch.setattr(base, "COPIED", 3)
    for _time in range(2):
        with CaptureQueriesContext(connection) as asked:
            base.copy_places(begun, another)
        inserted = [query for query in asked if query["sql"].startswith("INSERT")]
        assert len(inserted) == -(-begun.places.count() // 3) > 1, "a few at a time: there may be 100,000"
    assert another.places.count() == begun.places.count()
    assert base.Places(another, NOW, None, {}, {}).load().all("letters") == known
    another.delete()

    assert bring_back(there, tmp_path / "export.zip", now=lambda: NOW)["letters"] == 4
    assert Campaign.objects.filter(organization=there).count() == 4
    assert not ImportIdMap.objects.exists()


ANSWER = {"route": "relay", "answer": "accepted", "code": 250, "text": "Ok", "count": 1}


def with_details(edition: Any, **details: Any) -> Any:
    return edition | {"details": edition["details"] | details}


def with_versions(edition: Any, places: list[int]) -> Any:
    version = {"compiled": edition["compiled"], "details": edition["details"], "language": "", "people": 1}
    return edition | {"variants": [version | {"place": place} for place in places]}


def question(answers: int) -> Any:
    return {"question": "Thursdays?", "answers": ["Yes"] * answers}


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("pictures.json", lambda told: [told[0] | {"kind": "html"}]),
        ("pictures.json", lambda told: [told[0] | {"slug": "../../etc"}]),
        ("templates.json", lambda told: [{"number": 1}]),
        ("looks.json", lambda told: {"brand": {"logo_width": "wide"}}),
        ("keeping.json", lambda told: [{"list": 77, "left_days": 400, "delivery_months": None}]),
        ("settings.json", lambda told: told | {"quiet_hours": "always"}),
        ("letters/", lambda told: told | {"state": "flying"}),
        ("letters/", lambda told: told | {"books": told["books"] | {"frozen": 7}}),
        ("letters/", lambda told: told | {"edition": {"number": 1}}),
        ("letters/", lambda told: told | {"edition": told["edition"] | {"archive_slug": "../lantern/index"}}),
        (
            "letters/",
            lambda told: told | {"edition": with_details(told["edition"], counted=["https://a.example/"] * 2_001)},
        ),
        ("letters/", lambda told: told | {"edition": with_details(told["edition"], question=question(7))}),
        ("letters/", lambda told: told | {"edition": with_versions(told["edition"], [*range(1, 13)])}),
        ("letters/", lambda told: told | {"edition": with_versions(told["edition"], [1, 1])}),
        ("letters/", lambda told: []),
        ("letters/", lambda told: told | {"version": -1}),
        ("results/", lambda told: told | {"routes": [{"route": "relay"}]}),
        ("results/", lambda told: told | {"versions": [{"version": 1, "state": "flying", "count": 1}]}),
        ("results/", lambda told: told | {"letter": "1"}),
        ("results/", lambda told: told | {"answers": [ANSWER] * 1_001}),
    ],
)
def test_a_forged_letter_or_picture_is_refused_before_anybody_is_written(
    written: Any, vault: Any, tmp_path: Path, name: str, spoil: Any
) -> None:
    sent = letters_of(written)["Sent"].pk

    def spoil_rows(told: Any) -> Any:
        return [spoil(row) if row["number" if name == "letters/" else "letter"] == sent else row for row in told]

    data = made(written, ExportRequest("samizdat"))
    data = forged(data, f"{name}1.json", spoil_rows) if name.endswith("/") else forged(data, name, spoil)
    people = Subscriber.objects.count()
    with pytest.raises(ExportRefused) as refused:
        in_another_house(data, tmp_path, vault)
    assert refused.value.code == "altered_file"
    there = Organization.objects.order_by("-pk")[0]
    assert Subscriber.objects.count() == people and not Campaign.objects.filter(organization=there).exists()


@pytest.mark.usefixtures("low_floor")
@pytest.mark.parametrize(
    ("name", "most"), [("comments", 1_000), ("corrections", 100), ("answers", 72), ("tests", 1), ("results", 1)]
)
def test_a_file_with_more_of_one_letter_than_anybody_has_is_refused_before_a_row_is_written(
    full: Any, vault: Any, tmp_path: Path, name: str, most: int
) -> None:
    """All of it would come in while others wait."""
    data = forged(made(full, ExportRequest("samizdat")), f"{name}/1.json", lambda rows: rows[:1] * (most + 1))
    with pytest.raises(ExportRefused, match=f"{name}/1.json in this export has more than {most:,} entries for one"):
        in_another_house(data, tmp_path, vault)
    there = Organization.objects.order_by("-pk")[0]
    assert not Campaign.objects.filter(organization=there).exists()


def test_a_file_cannot_say_its_letters_in_turns_to_have_more_of_each(full: Any, vault: Any, tmp_path: Path) -> None:
    data = made(full, ExportRequest("samizdat"))
    data = forged(data, "comments/1.json", lambda rows: [*rows, rows[0] | {"letter": 0}, *rows])
    with pytest.raises(ExportRefused, match=r"comments/1.json in this export was changed"):
        in_another_house(data, tmp_path, vault)


def test_a_file_with_more_routes_than_anybody_has_is_refused(full: Any, vault: Any, tmp_path: Path) -> None:
    """Each name would be a row, made in one transaction."""
    routes = [{"route": f"relay {at}", "scheme": "smtp", **dict.fromkeys(TOTALS, 1)} for at in range(1_001)]
    data = made(full, ExportRequest("samizdat"))
    data = forged(data, "results/1.json", lambda rows: [row | {"routes": routes} for row in rows])
    with pytest.raises(ExportRefused, match=r"results/1.json in this export has more than 1,000 entries"):
        in_another_house(data, tmp_path, vault)


def test_what_belongs_to_a_letter_comes_in_a_few_rows_at_a_time_and_a_killed_import_goes_on(
    full: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On SQLite nobody signs in or unsubscribes while a transaction writes."""
    from samizdat.portability.restore import bring_back

    for number in range(6):
        comments.say(letters_of(full)["A draft"], comments.CommentText(str(number)), by=None, now=NOW)
    data, make, portions = made(full, ExportRequest("samizdat")), Comments.make, list[int]()
    monkeypatch.setattr(extras, "SLICE", extras.LETTER + 2)

    def killed(self: Comments, letter: Campaign, rows: list[Any], places: base.Places) -> None:
        if len(portions) == 2:
            raise KeyboardInterrupt
        make(self, letter, rows, places)
        portions.append(len(rows))

    with monkeypatch.context() as patch:
        patch.setattr(Comments, "make", killed)
        with pytest.raises(KeyboardInterrupt):
            in_another_house(data, tmp_path, vault)
    there = Import.objects.get().organization
    assert portions == [2, 2] and Comment.objects.filter(campaign__organization=there).count() == 4
    assert bring_back(there, tmp_path / "export.zip", now=lambda: NOW)["comments"] == 7
    said = sorted(view.words.text for view in comments.comments(letters_of(there)["A draft"]))
    assert said == ["0", "1", "2", "3", "4", "5", "Too long?"]


def test_what_servers_said_of_a_letter_comes_in_portions_and_adds_up(
    full: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [ANSWER | {"text": f"Queued as {at}", "route": f"relay {at % 3}"} for at in range(7)]
    minutes = [{"route": "relay", "minute": (NOW + at * timedelta(minutes=1)).isoformat()} for at in range(5)]
    minutes = [minute | {"accepted": 1, "refused": 0} for minute in minutes]
    data = made(full, ExportRequest("samizdat"))
    data = forged(data, "results/1.json", lambda rows: [row | {"answers": texts, "minutes": minutes} for row in rows])
    monkeypatch.setattr(delivery_part, "PIECES", delivery_part.PIECES | {"answers": 2, "minutes": 2})
    monkeypatch.setattr(extras, "SLICE", 1)
    there, counts = in_another_house(data, tmp_path, vault)
    assert counts["results"] == 2
    edition = letters_of(there)["Sent"].edition
    assert SmtpReply.objects.filter(edition=edition).count() == 7
    assert MinuteTotal.objects.filter(edition=edition).count() == 5
    monkeypatch.setattr(delivery_queries, "MOST_MINUTES", 2)
    newest = [NOW + at * timedelta(minutes=1) for at in (3, 4)]
    assert [minute[0] for minute in report(letters_of(there)["Sent"]).minutes] == newest, "a page shows no more"
    assert Route.objects.filter(organization=there).count() == 4
    assert RouteTotal.objects.get(edition=edition).accepted == 1


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("lists.json", "100"),
        ("fields.json", "200"),
        ("tags.json", "10,000"),
        ("forms.json", "50"),
        ("segments.json", "500"),
        ("wordings.json", "5,000"),
        ("planted.json", "5,000"),
        ("keeping.json", "100"),
        ("templates.json", "200"),
    ],
)
def test_a_file_with_more_of_a_kind_than_anybody_has_is_refused_before_a_row_is_written(
    written: Any, vault: Any, tmp_path: Path, name: str, most: str
) -> None:
    data = made(written, ExportRequest("samizdat", keys=True))
    data = forged(data, name, lambda told: [{}] * (int(most.replace(",", "")) + 1))
    with pytest.raises(ExportRefused, match=f"{name} in this export has more than {most} entries"):
        in_another_house(data, tmp_path, vault)
    there = Organization.objects.order_by("-pk")[0]
    assert not List.objects.filter(organization=there).exists()


def test_what_an_installation_exports_is_never_too_much_for_the_next(
    written: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may save a text, and make an export, as often as they like."""
    monkeypatch.setattr("samizdat.audience.actions.consent_texts.WORDINGS", 3)
    monkeypatch.setattr("samizdat.portability.native.MOST_PLANTED", 2)
    monkeypatch.setitem(read.MOST_ENTRIES, "wordings.json", 3)
    monkeypatch.setitem(read.MOST_ENTRIES, "planted.json", 2)
    mailing_list = List.objects.filter(organization=written)[0]
    for text in ("I agree.", "I do agree.", "I agree to it."):
        put_wording(mailing_list, text, language="en", now=NOW)
    with pytest.raises(FormRefused, match="at most 3 versions of consent texts"):
        put_wording(mailing_list, "I agree to all of it.", language="en", now=NOW)
    for _ in range(3):
        made(written, ExportRequest("csv"))
    in_another_house(made(written, ExportRequest("samizdat", keys=True)), tmp_path, vault)
    there = Organization.objects.order_by("-pk")[0]
    assert ConsentText.objects.filter(organization=there).count() == 3
    assert len(planted_in_exports(there)) == 2


def forged(data: bytes, name: str, spoil: Any) -> bytes:
    """With the right length and checksum: whoever forges it can count."""
    made = json.dumps(spoil(json.loads(zipfile.ZipFile(io.BytesIO(data)).read(name)))).encode()
    data = _changed(data, name, lambda _text: made)

    def told(text: bytes) -> bytes:
        manifest = json.loads(text)
        manifest["files"][name] |= {"bytes": len(made), "sha256": hashlib.sha256(made).hexdigest()}
        return json.dumps(manifest).encode()

    return _changed(data, "manifest.json", told)
