"""Leaving whole: what an export holds, to whom it is sealed, and that it comes back as it was."""

import base64
import csv
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from django.db.models import BinaryField

from samizdat.accounts.sealed_settings import keep_settings
from samizdat.audience import actions, queries
from samizdat.audience.filters import Filter
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import Subscriber
from samizdat.audience.segment_conditions.language import LanguageCondition
from samizdat.core import bounded_json, consent, zip_limits
from samizdat.core.crypto.seal import SealBroken
from samizdat.events.models import Event
from samizdat.portability import actions as exporting
from samizdat.portability import (
    age_decryption,
    age_passphrase,
    canary_alarms,
    native,
    own_format,
    permits,
    read,
    unpack,
)
from samizdat.portability.errors import ExportRefused
from samizdat.portability.models import Export, ExportPiece
from samizdat.portability.parts import growth
from samizdat.portability.request import ExportRequest, told_of
from samizdat.portability.spreadsheet_cells import escape, unescape
from samizdat.portability.subscribers import ExportedSubscriber
from tests.conftest import NOW

KEY = pyrage.x25519.Identity.generate()
# Three words and no export, sealed by “four words of hers” at the cost of a test instead of a second.
BY_PASSPHRASE = (
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCBMTFVucHBwLys4TEFpYmJUUUxnayt3IDQKZ0E4cHhEUDlLbTlkZjUyT0NtTm9ERmJBSUVw"
    "ZmVQOUpVVEt1a0E4V2tZQQotLS0gTEM2SitRU2JCQkJxZ2N5bnB6dWZNWXk5dWpHOXlzcmY2NjZZUVNuaVNpQQrd8c80akVtF3WocWMuSSwTUEt5"
    "nsAlJa3rImylAyHT3nlzVHWtrt2gpxuh86H4GCeFtcs="
)
REASON = "We move to another host."
WORDING = "I want the Thursday Letter."


@pytest.fixture
def audience(lantern: Any, letter: Any, remembered: Callable[..., Any]) -> Any:
    """Ada confirmed and has a tag, Boris left, Elena's mailbox is dead, Galina was erased; a second list with Ada."""

    def gathered() -> None:
        other = actions.new_list(lantern, "Courts, weekly", now=NOW, details=ListDetails(reminder="You asked."))
        ada = actions.add_subscriber(
            lantern, "ada@post.example", letter, consent=WORDING, now=NOW, values={"FNAME": "=Ada", "CITY": "Riga\nLV"},
            tags=["monthly", 'Книга, "том" 2'], language="ru",
        )  # fmt: skip
        actions.confirm(ada, letter, now=NOW, wording=WORDING)
        actions.add_subscriber(lantern, "ada@post.example", other, consent="By letter.", now=NOW)
        boris = actions.add_subscriber(lantern, "boris@post.example", letter, consent="At the fair.", now=NOW)
        actions.unsubscribe(boris, letter, now=NOW, reason="too many")
        elena = actions.add_subscriber(lantern, "+elena@post.example", letter, consent="At the fair.", now=NOW)
        actions.suppress(lantern, "bounce", subscriber=elena, now=NOW)
        actions.add_subscriber(lantern, "galina@post.example", letter, consent="At the fair.", now=NOW)
        actions.erase(lantern, address="galina@post.example", now=NOW)

    remembered(gathered, lantern, letter)
    return lantern


def made(organization: Any, wish: ExportRequest, reason: str = REASON, **options: Any) -> bytes:
    out = io.BytesIO()
    exporting.direct(organization, wish, out, reason="" if wish.recipients else reason, now=lambda: NOW, **options)
    return out.getvalue()


def rows_of(data: bytes, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        return list(csv.DictReader(io.StringIO(box.read(name).decode(), newline="")))


def test_our_own_format_holds_everything_with_counts_and_checksums(audience: Any) -> None:
    data = made(audience, ExportRequest("samizdat"))
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        assert box.testzip() is None
        manifest = json.loads(box.read("manifest.json"))
    assert manifest["counts"]["subscribers"] == 3
    assert manifest["counts"]["consent"] == 6
    assert manifest["counts"]["suppressions"] == {"of_subscribers": 1, "of_others": 0, "left_behind": 1}
    rows = rows_of(data, "subscribers.csv")
    assert len(rows) == manifest["files"]["subscribers.csv"]["rows"] + 1 == 4
    ada = next(row for row in rows if row["address"] == "ada@post.example")
    assert (ada["FNAME"], ada["CITY"], ada["language"]) == ("'=Ada", "Riga\nLV", "ru")
    assert len(ada["tags"].split()) == 2


def in_another_house(data: bytes, folder: Path, vault: Any, **options: Any) -> tuple[Any, dict[str, int]]:
    from samizdat.accounts.actions import found_organization
    from samizdat.portability.restore import bring_back
    from tests.conftest import TODAY

    organization = found_organization("Harbour Bell", source=vault, today=TODAY)
    path = folder / "export.zip"
    path.write_bytes(data)
    return organization, bring_back(organization, path, now=lambda: NOW, **options)


@pytest.mark.parametrize("url", ["http://203.0.113.7:8001", "http://[2001:db8::7]", "http://localhost:8001", ""])
def test_a_house_without_a_domain_of_its_own_leaves_as_well(audience: Any, url: str) -> None:
    audience.public_url = url
    audience.save(update_fields=["public_url"])
    keep_settings(audience, {"public_url": audience.public_url})
    addresses = {
        row["address"].rpartition("@")[2]
        for row in rows_of(made(audience, ExportRequest("samizdat")), "subscribers.csv")
    }
    assert f"{audience.slug}.invalid" in addresses


def test_what_comes_back_is_what_left(audience: Any, vault: Any, tmp_path: Path) -> None:
    data = made(audience, ExportRequest("samizdat"))
    there, counts = in_another_house(data, tmp_path, vault)
    assert (counts["rows"], counts["added"], counts["consent"]) == (3, 3, 6)
    for organization in (audience, there):
        assert queries.count(organization) == 3
    for name in ("The Thursday Letter", "Courts, weekly"):
        for status in ("subscribed", "unsubscribed"):
            here, then = queries.list_named(audience, name), queries.list_named(there, name)
            assert queries.count(there, then, status) == queries.count(audience, here, status)
    assert queries.count(there, tag='Книга, "том" 2') == 2
    for address in ("ada@post.example", "boris@post.example", "+elena@post.example"):
        before, after = (
            queries.card(queries.subscriber_at(house, address), NOW)  # type: ignore[arg-type]
            for house in (audience, there)
        )
        assert (after.number, after.values, after.tags) == (before.number, before.values, before.tags)
        assert (after.suppressed, after.language, after.joined) == (before.suppressed, before.language, before.joined)
        assert _log(after) == _log(before)
        assert _standing(after) == _standing(before)


def _log(card: Any) -> list[tuple[str, ...]]:
    return [(of.kind, of.at, of.way, of.wording, of.reason, of.list_name) for of in card.timeline]


def _standing(card: Any) -> dict[str, tuple[str, str]]:
    return {of.name: (of.status, of.verdict.reason) for of in card.lists}


def test_segments_and_wordings_come_along_by_name(audience: Any, vault: Any, tmp_path: Path) -> None:
    from samizdat.audience.actions.consent_texts import put_wording
    from samizdat.audience.consent_texts import wordings
    from samizdat.audience.segments import lookup, portable_json

    letter = queries.list_named(audience, "The Thursday Letter")
    put_wording(letter, "Old words.", language="en", now=NOW)
    put_wording(letter, WORDING, language="en", now=NOW)
    told = {"all": [{"tag": "monthly"}, {"appeals": {"list": "Courts, weekly"}}]}
    tree = portable_json.read(audience, told)
    actions.add_segment(audience, "Courts", tree, now=NOW)
    there, counts = in_another_house(made(audience, ExportRequest("samizdat")), tmp_path, vault)
    (segment,) = lookup.segments(there)
    assert (segment.name, portable_json.dump(there, segment.tree)) == ("Courts", told)
    assert counts["segments"] == 1
    words = wordings(queries.list_named(there, "The Thursday Letter"))
    assert [(one.version, one.text) for one in words] == [(1, "Old words."), (2, WORDING)]


def test_forms_digests_sums_of_growth_and_how_they_came_go_along(audience: Any, vault: Any, tmp_path: Path) -> None:
    from samizdat.audience.actions.forms import FormFacts, facts_of, forms_of, make_form
    from samizdat.audience.models import Growth, List, SignUpForm

    letter = queries.list_named(audience, "The Thursday Letter")
    List.objects.filter(pk=letter.pk).update(digest_when="mon", digest_round=7)
    city = next(one.number for one in queries.fields(audience) if one.tag == "CITY")
    tag = {name: id for id, name in queries.tags(audience)}["monthly"]
    asked = FormFacts("Letters", "en", (letter.id,), WORDING, fields=(city,), required=(city,), topics=(tag,))
    form = make_form(audience, asked, now=NOW)
    number, slug = form.pk, form.slug
    data = made(audience, ExportRequest("samizdat"))
    grown = set(Growth.objects.values_list("list", "day", "metric", "channel", "count"))
    form.delete()  # As in another house: nobody has its number and its address there.
    there, counts = in_another_house(data, tmp_path, vault)
    (view,) = forms_of(there)
    assert (view.id, view.slug, counts["forms"]) == (number, slug, 1)
    told = facts_of(SignUpForm.objects.select_related("organization").get(pk=number))
    assert (told.title, told.wording) == ("Letters", WORDING)
    assert [one.tag for one in view.fields] == ["CITY"] and list(view.topics.values()) == ["monthly"]
    here = queries.list_named(there, "The Thursday Letter")
    assert (here.digest_when, here.digest_round) == ("mon", 7)
    assert {
        (*row[1:],) for row in Growth.objects.filter(list=here).values_list("list", "day", "metric", "channel", "count")
    } == {row[1:] for row in grown if row[0] == letter.pk}
    for organization in (audience, there):
        assert queries.count_filtered(organization, Filter(source="desk"))[0] == 3


def test_the_growth_of_many_lists_in_many_years_comes_back_however_long_it_is(
    audience: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.audience.models import Growth

    # As with 1,500,000 values of a file and two million days, ways and lists.
    monkeypatch.setattr(read, "VALUES", 400)
    monkeypatch.setattr(growth, "SLICE", 30)
    letter = queries.list_named(audience, "The Thursday Letter")
    days = [(NOW - timedelta(days=back)).date() for back in range(200)]
    Growth.objects.bulk_create(
        Growth(list=letter, day=day, metric=what, channel=64, count=7) for day in days for what in range(2)
    )
    columns = ("day", "metric", "channel", "count")
    before = sorted(Growth.objects.filter(list=letter).values_list(*columns))
    there, counts = in_another_house(made(audience, ExportRequest("samizdat")), tmp_path, vault)
    here = queries.list_named(there, "The Thursday Letter")
    assert sorted(Growth.objects.filter(list=here).values_list(*columns)) == before
    assert counts["growth"] == Growth.objects.filter(list__organization=audience).count() > 400


def test_a_killed_import_counts_no_day_of_growth_twice(
    audience: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.accounts.models import Organization
    from samizdat.audience.models import Growth
    from samizdat.portability.restore import bring_back

    class Killed(Exception):
        pass

    def once(rows: Any) -> None:
        if Growth.objects.filter(list__organization__slug="harbour-bell").exists():
            raise Killed
        add(rows)

    monkeypatch.setattr(growth, "SLICE", 2)
    add = growth.audience_sql.add_growth
    grown = sorted(Growth.objects.values_list("day", "metric", "channel", "count"))
    assert len(grown) > 2
    data = made(audience, ExportRequest("samizdat"))
    monkeypatch.setattr(growth.audience_sql, "add_growth", once)
    with pytest.raises(Killed):
        in_another_house(data, tmp_path, vault)
    monkeypatch.setattr(growth.audience_sql, "add_growth", add)
    there = Organization.objects.get(slug="harbour-bell")
    bring_back(there, tmp_path / "export.zip", now=lambda: NOW)
    rows = Growth.objects.filter(list__organization=there)
    assert sorted(rows.values_list("day", "metric", "channel", "count")) == grown


def test_a_sign_up_that_waits_goes_along_and_is_forgotten_there_or_confirmed(
    audience: Any, vault: Any, tmp_path: Path
) -> None:
    from samizdat.audience.actions import forms
    from samizdat.audience.models import ConsentRecord, SignUp

    letter = queries.list_named(audience, "The Thursday Letter")
    city = next(one.number for one in queries.fields(audience) if one.tag == "CITY")
    tag = {name: id for id, name in queries.tags(audience)}["monthly"]
    view = forms.view_of(
        forms.make_form(
            audience, forms.FormFacts("F", "en", (letter.id,), WORDING, fields=(city,), topics=(tag,)), now=NOW
        )
    )
    for name in ("boris", "zoya"):
        said = forms.FormChoices((letter.id,), {city: f"{name}ville"}, (tag,))
        forms.sign_up_by_form(audience, f"{name}@post.example", view, said, now=NOW)
    there, _ = in_another_house(made(audience, ExportRequest("samizdat")), tmp_path, vault)
    assert SignUp.objects.filter(record__organization=there).count() == 2
    here = queries.list_named(there, "The Thursday Letter")
    zoya, boris = (queries.subscriber_at(there, f"{name}@post.example") for name in ("zoya", "boris"))
    signed_up = queries.waiting_at(there, "zoya@post.example")
    assert zoya is not None and boris is not None and signed_up is not None
    number = forms.number_of(view.id, view.facts, (letter.id,), NOW.date())
    actions.confirm(signed_up, here, now=NOW, signed_up=NOW.date())
    forms.take_told(zoya, [here], number, now=NOW)
    zoya.refresh_from_db()
    # Numbers of tags are other ones there: what a reader chose is what they get.
    assert queries.values_of(zoya)["CITY"] == "zoyaville" and queries.card(zoya, NOW).tags == ["monthly"]
    late = NOW + timedelta(days=9)
    while actions.forget_unconfirmed(late) is not None:
        continue
    of = ConsentRecord.objects.filter(organization=there, kind=0).exclude(sealed=b"")
    assert [row.subscriber_id for row in of] == [zoya.id]
    assert queries.waiting_at(there, "boris@post.example") is None
    assert queries.card(boris, late).lists[0].status == "unsubscribed"


@pytest.mark.parametrize("app", ["audience", "incoming"])
def test_every_table_of_the_audience_and_the_inbox_is_said_to_go_along_or_not(app: str) -> None:
    from django.apps import apps

    said = (Path(__file__).parents[2] / "docs" / "export-format.md").read_text()
    missing = {model.__name__ for model in apps.get_app_config(app).get_models()}
    assert {name for name in missing if f"`{name}`" not in said} == set()


def test_the_same_export_again_changes_nothing_and_another_one_finds_the_place_taken(
    audience: Any, vault: Any, tmp_path: Path
) -> None:
    from samizdat.portability.restore import bring_back

    there, _ = in_another_house(made(audience, ExportRequest("samizdat")), tmp_path, vault)
    again = bring_back(there, tmp_path / "export.zip", now=lambda: NOW)
    assert (again["added"], again["unchanged"]) == (0, 3)
    (tmp_path / "other.zip").write_bytes(made(audience, ExportRequest("samizdat")))
    with pytest.raises(ExportRefused, match="never had a subscriber"):
        bring_back(there, tmp_path / "other.zip", now=lambda: NOW)


@pytest.mark.parametrize("keys", [True, False])
def test_who_said_no_stays_known_by_each_spelling_in_another_house(
    audience: Any, vault: Any, tmp_path: Path, keys: bool
) -> None:
    letter = queries.list_named(audience, "The Thursday Letter")
    actions.add_subscriber(audience, "john.smith@gmail.com", letter, consent="x", now=NOW)
    actions.suppress(audience, "complaint", address="john.smith@gmail.com", now=NOW)
    actions.suppress(audience, "manual", address="nobody+news@post.example", now=NOW)
    there, _ = in_another_house(made(audience, ExportRequest("samizdat", keys=keys)), tmp_path, vault)
    assert queries.suppression_of(there, "johnsmith@gmail.com") == "complaint"
    assert queries.suppression_of(there, "nobody@post.example") == ("manual" if keys else None)


def test_keys_that_came_along_open_old_links_and_keep_the_erased_out(audience: Any, vault: Any, tmp_path: Path) -> None:
    from samizdat.audience.errors import AddressErased
    from samizdat.core.crypto import tokens
    from samizdat.vault import keyring

    ada = queries.subscriber_at(audience, "ada@post.example")
    assert ada is not None
    token = tokens.make(keyring.keys(audience).link, "leave", 7, ada.number)
    there, counts = in_another_house(made(audience, ExportRequest("samizdat", keys=True)), tmp_path, vault)
    found = tokens.read(keyring.keys(there).links, "leave", token)
    assert queries.address_of(queries.subscriber_numbered(there, found.number)) == "ada@post.example"  # type: ignore[arg-type]
    assert counts["others_suppressed"] == 1
    letter = queries.list_named(there, "The Thursday Letter")
    with pytest.raises(AddressErased):
        actions.add_subscriber(there, "galina@post.example", letter, consent="x", now=NOW)


def test_no_file_takes_the_links_of_another_organization(audience: Any, vault: Any, tmp_path: Path) -> None:
    """The number of a key stands in every letter; with a secret made up for it that one's readers could not leave."""
    from samizdat.portability.restore import keys
    from samizdat.vault import keyring
    from samizdat.worker.inbox.link_keys import reader_links

    key = keyring.keys(audience).link
    there, _counts = in_another_house(made(audience, ExportRequest("samizdat", keys=True)), tmp_path, vault)
    assert keys._is_anothers(there, key.number, bytes(32))
    assert not keys._is_anothers(there, key.number, key.secret), "a true copy comes in"
    owners = {row["number"]: row["organization"] for row in reader_links(vault)}
    assert owners[key.number] == bytes(audience.uid).hex(), "and whose letters they are says where the links lead"


@pytest.mark.parametrize(("kind", "most"), [("links", 300), ("index", 20)])
def test_an_export_brings_no_more_keys_than_an_organization_is_looked_after_with(
    audience: Any, vault: Any, tmp_path: Path, kind: str, most: int
) -> None:
    """Each address is looked for by all keys of the index, and the public process is told all keys of links."""
    from samizdat.accounts.models import Organization
    from samizdat.audience.models import List
    from samizdat.portability.restore import bring_back

    data = made(audience, ExportRequest("samizdat", keys=True))

    def with_keys(count: int) -> bytes:
        def spoil(text: bytes) -> bytes:
            keys = json.loads(text)
            more = [{"number": 7_000 + at, "secret": f"{at:064x}"} for at in range(count - len(keys[kind]))]
            return json.dumps(keys | {kind: keys[kind] + more}).encode()

        return _forged(data, "keys.json", spoil)

    with pytest.raises(ExportRefused, match=r"more than 300 link keys or 20 index keys. Export again"):
        in_another_house(with_keys(most), tmp_path, vault)  # It has one of its own.
    there = Organization.objects.get(slug="harbour-bell")
    assert not List.objects.filter(organization=there).exists()
    (tmp_path / "export.zip").write_bytes(with_keys(most - 1))
    assert bring_back(there, tmp_path / "export.zip", now=lambda: NOW)["added"] == 3


def test_a_plain_export_takes_no_keys_unless_it_is_told_to(audience: Any) -> None:
    with zipfile.ZipFile(io.BytesIO(made(audience, ExportRequest("samizdat")))) as box:
        assert "keys.json" not in box.namelist()


# -- sealed -----------------------------------------------------------------------------------------------------


def test_a_sealed_export_opens_with_its_key_alone_and_comes_back(audience: Any, vault: Any, tmp_path: Path) -> None:
    data = made(audience, ExportRequest("samizdat", recipients=(str(KEY.to_public()),)))
    assert data.startswith(b"age-encryption.org/v1") and b"ada@post.example" not in data
    assert zipfile.ZipFile(io.BytesIO(pyrage.decrypt(data, [KEY]))).testzip() is None
    with pytest.raises(ExportRefused, match="This file is encrypted to another key"):
        in_another_house(data, tmp_path, vault, identity=str(pyrage.x25519.Identity.generate()))
    there, counts = _again(data, tmp_path, identity=f"# a comment\n{KEY}\n")
    assert counts["added"] == 3 and queries.count(there) == 3


def _again(data: bytes, folder: Path, **options: Any) -> tuple[Any, dict[str, int]]:
    """Into Harbour Bell, which was founded before."""
    from samizdat.accounts.models import Organization
    from samizdat.portability.restore import bring_back

    organization = Organization.objects.get(slug="harbour-bell")
    (folder / "export.zip").write_bytes(data)
    return organization, bring_back(organization, folder / "export.zip", now=lambda: NOW, **options)


@pytest.mark.parametrize(
    ("key", "code"),
    [("age1notakey", "bad_recipient"), (str(KEY), "secret_key"), ("", "no_reason"), ("   ", "no_recipient")],
    ids=["no key", "secret", "no reason", "blank"],
)
def test_a_wrong_recipient_is_one_sentence_and_no_row(audience: Any, key: str, code: str) -> None:
    with pytest.raises(ExportRefused) as refused:
        made(audience, ExportRequest("samizdat", recipients=(key,) if key else ()), reason=" ")
    assert refused.value.code == code
    assert not Export.objects.exists()


# -- the planted address ----------------------------------------------------------------------------------------


def test_each_export_has_an_address_of_its_own_that_nobody_counts_and_the_house_knows(
    audience: Any, tmp_path: Path, vault: Any
) -> None:
    before = queries.count(audience)
    found = [_planted(made(audience, ExportRequest("samizdat"))) for _ in range(3)]
    assert len(set(found)) == 3
    assert queries.count(audience) == before == Subscriber.objects.filter(organization=audience).count()
    rows = [exporting.export_with_address(audience, address, now=NOW) for address in found]
    assert [row.pk for row in rows if row] == list(Export.objects.order_by("id").values_list("pk", flat=True))
    assert exporting.export_with_address(audience, "ada@post.example", now=NOW) is None


def _planted(data: bytes) -> str:
    known = {"ada@post.example", "boris@post.example", "'+elena@post.example"}
    (address,) = {row["address"] for row in rows_of(data, "subscribers.csv")} - known
    return address


def test_the_planted_one_is_like_the_others(audience: Any) -> None:
    data = made(audience, ExportRequest("samizdat"))
    address = _planted(data)
    assert address.endswith("@lantern.example")
    row = next(row for row in rows_of(data, "subscribers.csv") if row["address"] == address)
    assert any(one["number"] == row["number"] for one in rows_of(data, "subscriptions.csv"))
    assert any(one["number"] == row["number"] and one["at"] for one in rows_of(data, "consent.csv"))
    numbers = [int(row["number"]) for row in rows_of(data, "subscribers.csv")]
    assert numbers == sorted(numbers)


def test_an_empty_house_has_nobody_to_be_like(lantern: Any, letter: Any) -> None:
    assert rows_of(made(lantern, ExportRequest("samizdat")), "subscribers.csv") == []
    assert told_of(Export.objects.get()).blind == b""


# -- other layouts ----------------------------------------------------------------------------------------------


def test_mailchimps_layout_comes_back_with_equal_counts_and_without_the_planted_one(
    audience: Any, tmp_path: Path, vault: Any
) -> None:
    from samizdat.accounts.actions import found_organization
    from tests.conftest import TODAY

    letter = queries.list_named(audience, "The Thursday Letter")
    data = made(audience, ExportRequest("mailchimp", lists=(letter.id,)))
    (tmp_path / "audience.zip").write_bytes(data)
    there = found_organization("Harbour Bell", source=vault, today=TODAY)
    to = actions.new_list(there, "Letter", now=NOW)
    run = actions.direct(there, to, [str(tmp_path / "audience.zip")], now=lambda: NOW)
    assert (run.counts["subscribed"], run.counts["unsubscribed"], run.counts["cleaned"]) == (1, 1, 1)
    assert (run.counts["rows"], run.counts["rejected"]) == (3, 0)
    card = queries.card(queries.subscriber_at(there, "ada@post.example"), NOW)  # type: ignore[arg-type]
    assert card.tags == ["monthly", 'Книга, "том" 2'] or set(card.tags) == {"monthly", 'Книга, "том" 2'}
    assert card.language == "ru"
    elena = queries.card(queries.subscriber_at(there, "+elena@post.example"), NOW)  # type: ignore[arg-type]
    assert elena.suppressed == "bounce"


def test_a_house_takes_no_planted_address_of_its_own_whatever_file_it_stands_in(audience: Any, tmp_path: Path) -> None:
    table = made(audience, ExportRequest("csv", zipped=False))
    # With its own heading it would be refused as a table of ours.
    (tmp_path / "subscribers.csv").write_bytes(table.replace(b",Consent,", b",Record,", 1))
    other = actions.new_list(audience, "Another", now=NOW)
    answers = (["The Thursday Letter=ignore", "Suppressed=ignore", "Record=ignore"], [])
    run = actions.direct(
        audience, other, [str(tmp_path / "subscribers.csv")], status="subscribed", answers=answers, now=lambda: NOW
    )
    assert (run.counts["rows"], run.counts["here"]) == (3, 3)
    assert [where for _when, where, _by in canary_alarms.raised(Export.objects.get())] == ["import"]


def test_its_own_plant_is_known_in_mailchimps_layout_too(audience: Any, tmp_path: Path) -> None:
    letter = queries.list_named(audience, "The Thursday Letter")
    (tmp_path / "audience.zip").write_bytes(made(audience, ExportRequest("mailchimp", lists=(letter.id,))))
    seen = actions.look(audience, letter, [str(tmp_path / "audience.zip")], now=NOW)
    assert canary_alarms.exports_of(audience, seen.planted) == [Export.objects.get()]


def test_whoever_writes_the_database_makes_nobody_forget_a_planted_address(audience: Any) -> None:
    made(audience, ExportRequest("csv"))
    row = Export.objects.get()
    open_columns = [field.name for field in Export._meta.fields if isinstance(field, BinaryField)]
    open_columns.remove("details_sealed")
    Export.objects.update(**dict.fromkeys(open_columns, b""))
    assert exporting.export_with_address(audience, told_of(row).planted.address, now=NOW) == row
    Export.objects.update(details_sealed=b"")
    with pytest.raises(SealBroken):
        exporting.export_with_address(audience, told_of(row).planted.address, now=NOW)


def test_a_house_that_moved_knows_what_was_planted_before(audience: Any, vault: Any, tmp_path: Path) -> None:
    made(audience, ExportRequest("csv"))
    planted = told_of(Export.objects.get()).planted.address
    there, _ = in_another_house(made(audience, ExportRequest("samizdat", keys=True)), tmp_path, vault)
    found = exporting.export_with_address(there, planted, now=NOW)
    assert found is not None
    assert (found.organization, found.format, found.state, found.created) == (there, "csv", "elsewhere", NOW)


@pytest.mark.parametrize("text", ["=1+1", "+49", "-x", "@a", "\tx", "\rx", "'", "'=x", "''+1", "Ada", "", "a=b"])
def test_a_formula_is_escaped_and_comes_back_as_it_was(text: str) -> None:
    assert escape(text)[:1] not in set("=+-@\t\r")
    assert unescape(escape(text)) == text


def test_a_table_and_mailchimps_layout_can_be_of_a_segment(audience: Any) -> None:
    made_of = actions.add_segment(audience, "Russian", LanguageCondition("ru"), now=NOW)
    rows = rows_of(made(audience, ExportRequest("csv", segment=made_of.pk)), "subscribers.csv")
    cells = {cell for row in rows for cell in row.values()}
    assert "ada@post.example" in cells and "boris@post.example" not in cells
    with zipfile.ZipFile(io.BytesIO(made(audience, ExportRequest("mailchimp", segment=made_of.pk)))) as box:
        text = "".join(box.read(name).decode() for name in box.namelist())
    assert text.count("ada@post.example") == 2 and "boris@post.example" not in text
    with pytest.raises(ExportRefused, match="The Samizdat format always includes all subscribers"):
        made(audience, ExportRequest("samizdat", segment=made_of.pk))


def test_csv_and_workbook_have_a_row_each_and_no_formula(audience: Any) -> None:
    import openpyxl

    ada = queries.subscriber_at(audience, "ada@post.example")
    assert actions.agree_to_appeals_of(
        ada, [queries.list_named(audience, "The Thursday Letter")], wording="Yes.", now=NOW
    )
    with zipfile.ZipFile(io.BytesIO(made(audience, ExportRequest("csv")))) as box:
        text = box.read("subscribers.csv").decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    book = openpyxl.load_workbook(io.BytesIO(made(audience, ExportRequest("xlsx"))), read_only=True)
    sheet = [[cell or "" for cell in row] for row in book.worksheets[0].iter_rows(values_only=True)]
    assert sheet[0] == rows[0] and len(sheet) == len(rows) == 5
    for row in [*rows, *sheet]:
        assert not any(cell[:1] in ("=", "+", "-", "@") for cell in row)
    ada = dict(zip(rows[0], next(row for row in rows if row[0] == "ada@post.example"), strict=True))
    assert ada["The Thursday Letter"] == ada["Courts, weekly"] == "subscribed"
    assert WORDING in ada["Consent"] and ada["Fundraising appeals"] == "yes"
    assert [row[rows[0].index("Fundraising appeals")] for row in rows[1:]].count("yes") <= 2, "Ada, and the planted one"
    bare = made(audience, ExportRequest("csv", zipped=False))
    assert bare.startswith("\ufeffEmail address".encode())


# -- by the worker ----------------------------------------------------------------------------------------------


def test_the_worker_makes_it_it_is_fetched_once_and_lies_nowhere_in_plain(audience: Any) -> None:
    row = exporting.ask(audience, ExportRequest("samizdat"), reason=REASON, now=NOW, by=None)
    assert exporting.waiting(NOW) == [row.pk]
    row = exporting.run(row.pk, now=lambda: NOW)
    assert row.state == "ready" and exporting.waiting(NOW) == []
    assert all(b"PK" not in bytes(blob)[:64] for blob in ExportPiece.objects.values_list("blob", flat=True))
    data = b"".join(exporting.fetch(row, now=lambda: NOW, by=None))
    assert len(data) == row.bytes and len(rows_of(data, "subscribers.csv")) == 4
    row.refresh_from_db()
    assert row.state == "fetched" and not ExportPiece.objects.exists()
    with pytest.raises(ExportRefused, match="Request a new one"):
        exporting.fetch(row, now=lambda: NOW, by=None)
    assert Event.objects.filter(kind=permits.FETCHED).count() == 1


@pytest.mark.parametrize("end", ["fetched", "dropped", "swept"])
def test_a_file_that_is_over_is_not_fetched_again_because_its_row_and_pieces_were_put_back(
    audience: Any, end: str
) -> None:
    asked = exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None)
    row = exporting.run(asked.pk, now=lambda: NOW)
    then, pieces, later = Export.objects.values().get(), list(ExportPiece.objects.all()), NOW
    if end == "fetched":
        list(exporting.fetch(row, now=lambda: NOW, by=None))
    elif end == "dropped":
        exporting.cancel(row, now=NOW, by=None)
    else:
        later = NOW + timedelta(hours=25)
        exporting.sweep(later)
    assert not ExportPiece.objects.exists()
    Export.objects.update(**then)
    ExportPiece.objects.bulk_create(pieces)
    with pytest.raises(ExportRefused, match="Request a new one"):
        exporting.fetch(row, now=lambda: later, by=None)


def test_a_file_that_somebody_wrote_into_the_database_as_ready_is_not_fetched(audience: Any) -> None:
    asked = exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None)
    row = exporting.run(asked.pk, now=lambda: NOW)
    for written in ({"plain": not row.plain}, {"created": NOW + timedelta(hours=9)}, {"mac": b""}):
        before = Export.objects.values().get()
        Export.objects.update(**written)
        with pytest.raises(ExportRefused, match="Request a new one"):
            exporting.fetch(row, now=lambda: NOW, by=None)
        Export.objects.update(**before)
    assert b"".join(exporting.fetch(row, now=lambda: NOW, by=None))


def test_a_broken_line_leaves_the_file_to_be_fetched_again(audience: Any) -> None:
    row = exporting.run(
        exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None).pk, now=lambda: NOW
    )
    half = exporting.fetch(row, now=lambda: NOW, by=None)
    next(half)
    half.close()  # type: ignore[attr-defined]
    row.refresh_from_db()
    assert row.state == "ready" and ExportPiece.objects.exists()


def test_of_three_who_fetch_a_file_at_once_one_gets_it(audience: Any) -> None:
    row = exporting.run(
        exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None).pk, now=lambda: NOW
    )
    first = exporting.fetch(row, now=lambda: NOW, by=None)
    for _other in range(2):
        with pytest.raises(ExportRefused, match="being downloaded"):
            exporting.fetch(row, now=lambda: NOW, by=None)
    assert len(b"".join(first)) == row.bytes
    assert Event.objects.filter(kind=permits.FETCHED).count() == 1
    with pytest.raises(ExportRefused, match="Request a new one"):
        exporting.fetch(row, now=lambda: NOW, by=None)


def test_who_breaks_off_begins_again_at_once_and_who_was_killed_after_a_minute(audience: Any) -> None:
    row = exporting.run(
        exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None).pk, now=lambda: NOW
    )
    broken = exporting.fetch(row, now=lambda: NOW, by=None)
    next(broken)
    broken.close()  # type: ignore[attr-defined]
    killed = exporting.fetch(row, now=lambda: NOW, by=None)
    with pytest.raises(ExportRefused, match="being downloaded"):
        exporting.fetch(row, now=lambda: NOW + timedelta(seconds=59), by=None)
    again = exporting.fetch(row, now=lambda: NOW + timedelta(seconds=61), by=None)
    assert b"".join(killed) == b"", "whoever comes back gets nothing beside the new one"
    assert len(b"".join(again)) == row.bytes


def test_exports_that_wait_take_no_more_of_the_disk_than_they_may(
    audience: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked() -> Export:
        number = exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None).pk
        return exporting.run(number, now=lambda: NOW)

    monkeypatch.setenv("SAMIZDAT_STORAGE", "1")
    first, second = asked(), asked()
    assert (first.state, second.state, second.problem) == ("ready", "failed", "storage_full")
    assert {piece.export_id for piece in ExportPiece.objects.all()} == {first.pk}
    exporting.cancel(first, now=NOW, by=None)
    assert asked().state == "ready"


def test_what_nobody_fetches_is_gone_after_a_day(audience: Any) -> None:
    row = exporting.run(
        exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None).pk, now=lambda: NOW
    )
    assert exporting.sweep(NOW + timedelta(hours=23)) == 0
    assert exporting.sweep(NOW + timedelta(hours=25)) == 1
    row.refresh_from_db()
    assert row.state == "over" and not ExportPiece.objects.exists()


def test_an_export_that_was_stopped_is_made_anew(audience: Any) -> None:
    row = exporting.ask(audience, ExportRequest("samizdat"), reason=REASON, now=NOW, by=None)
    assert exporting.run(row.pk, now=lambda: NOW, stop=lambda: True).state == "asked"
    assert exporting.run(row.pk, now=lambda: NOW).state == "ready"


# -- many records -----------------------------------------------------------------------------------------------


def _with_records(data: bytes, address: str, many: int) -> bytes:
    """The same export with so many more consent records of one subscriber: a yes, a no, and so on."""
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        members = {name: box.read(name) for name in box.namelist()}
    number = next(row["number"] for row in rows_of(data, "subscribers.csv") if row["address"] == address)
    head = members["consent.csv"].decode().splitlines()[0].split(",")
    out, rows = io.StringIO(), rows_of(data, "consent.csv")
    first = next(row for row in rows if row["number"] == number)
    more = [first | {"kind": ("given", "withdrawn")[place % 2]} for place in range(many)]
    writer = csv.DictWriter(out, head)
    writer.writeheader()
    writer.writerows(sorted([*rows, *more], key=lambda row: int(row["number"])))
    members["consent.csv"] = out.getvalue().encode()
    manifest = json.loads(members["manifest.json"])
    manifest["counts"]["consent"] += many
    manifest["files"]["consent.csv"] |= {
        "bytes": len(members["consent.csv"]),
        "sha256": hashlib.sha256(members["consent.csv"]).hexdigest(),
    }
    members["manifest.json"] = json.dumps(manifest).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as box:
        for name, content in members.items():
            box.writestr(name, content)
    return packed.getvalue()


def test_an_export_with_too_many_records_of_one_subscriber_is_refused_where_they_begin(
    audience: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400,000 of one were 2.4 GB of the worker, and five minutes of one transaction."""
    read_records: list[object] = []
    record = read._record
    monkeypatch.setattr(read, "_record", lambda row, known: read_records.append(row) or record(row, known))
    data = _with_records(made(audience, ExportRequest("samizdat")), "boris@post.example", 3 * read.MOST_RECORDS)
    with pytest.raises(ExportRefused, match="has more than 1,000 consent records") as refused:
        in_another_house(data, tmp_path, vault)
    assert refused.value.code == "too_many_records" and len(read_records) < read.MOST_RECORDS + 10
    assert not Subscriber.objects.filter(organization__slug="harbour-bell").exists()


def test_as_many_records_as_people_have_here_come_in_a_few_people_at_a_time(
    audience: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How much of a file is held, and written in one transaction, goes by what comes of its people."""
    monkeypatch.setattr(read, "PAGE_ROWS", 4)
    data = _with_records(made(audience, ExportRequest("samizdat")), "boris@post.example", 30)
    path = tmp_path / "whole.zip"
    path.write_bytes(data)
    with path.open("rb") as file, read.OpenedExport(file) as opened:
        pages = [[len(person.records) for person in page] for page in opened.in_pages(2_500)]
    assert [len(page) for page in pages] == [1, 1, 1] and [32] in pages
    there, counts = in_another_house(data, tmp_path, vault)
    assert counts["consent"] == 36 and queries.count(there, queries.list_named(there, "The Thursday Letter")) == 3


# -- bad input --------------------------------------------------------------------------------------------------


def _changed(data: bytes, name: str, change: Any) -> bytes:
    """The same zip with one member changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as box, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for member in box.namelist():
            text = box.read(member)
            made.writestr(member, change(text) if member == name else text)
    return out.getvalue()


def _version(text: bytes) -> bytes:
    return json.dumps(json.loads(text) | {"version": native.VERSION + 1}).encode()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda data: data[:-20], "torn_file"),
        (lambda data: data[: len(data) // 2], "torn_file"),
        (lambda data: data[:400] + b"\0" * 40 + data[440:], "torn_file"),
        (lambda data: _changed(data, "subscribers.csv", lambda text: text.replace(b"ada@", b"eda@")), "altered_file"),
        (lambda data: _changed(data, "tags.json", lambda text: text + b" "), "altered_file"),
        (lambda data: _changed(data, "manifest.json", _version), "newer_format"),
        (lambda data: _changed(data, "manifest.json", lambda _: b"[]"), "foreign_file"),
        (lambda data: _changed(data, "manifest.json", lambda _: b"{"), "foreign_file"),
    ],
)
def test_a_spoilt_export_is_one_sentence_and_nothing_is_written(
    audience: Any, tmp_path: Path, vault: Any, spoil: Any, code: str
) -> None:
    data = made(audience, ExportRequest("samizdat"))
    with pytest.raises(ExportRefused) as refused:
        in_another_house(spoil(data), tmp_path, vault)
    assert refused.value.code == code and str(refused.value).count(".") >= 1
    from samizdat.accounts.models import Organization
    from samizdat.audience.models import Field, Import, List, Tag

    there = Organization.objects.get(slug="harbour-bell")
    for model in (Subscriber, List, Field, Tag, Import):
        assert not model.objects.filter(organization=there).exists()


def test_an_export_that_was_packed_anew_is_known_and_comes_back(audience: Any, vault: Any, tmp_path: Path) -> None:
    data = _changed(made(audience, ExportRequest("samizdat")), "", None)
    there, counts = in_another_house(data, tmp_path, vault)
    assert own_format.is_export(io.BytesIO(data)) and counts["added"] == 3


def test_what_was_cancelled_while_it_was_made_leaves_nothing(audience: Any) -> None:
    row = exporting.ask(audience, ExportRequest("csv"), reason=REASON, now=NOW, by=None)

    def stop() -> bool:
        exporting.cancel(row, now=NOW, by=None)
        return False

    assert exporting.run(row.pk, now=lambda: NOW, stop=stop).state == "over"
    exporting.sweep(NOW)
    assert not ExportPiece.objects.exists() and exporting.waiting(NOW) == []


def test_what_a_killed_command_had_begun_is_nobodys_to_go_on_with(audience: Any) -> None:
    made(audience, ExportRequest("csv"))
    Export.objects.update(state="writing", owner="elsewhere-1-1", heartbeat=NOW - timedelta(hours=25))
    assert exporting.waiting(NOW) == []
    exporting.sweep(NOW + timedelta(hours=25))
    assert Export.objects.get().state == "over"


def test_of_the_planted_subscriber_only_the_address_is_kept_once_the_file_is_whole(audience: Any) -> None:
    made(audience, ExportRequest("samizdat"))
    left = told_of(Export.objects.get()).planted
    assert left == ExportedSubscriber(0, left.address, {}, "", "")


def test_among_files_of_other_services_an_export_of_ours_is_said_to_be_one(audience: Any, tmp_path: Path) -> None:
    from samizdat.audience.errors import ImportRefused

    letter = queries.list_named(audience, "The Thursday Letter")
    for wish, code in (
        (ExportRequest("samizdat"), "own_export"),
        (ExportRequest("csv", (str(KEY.to_public()),)), "sealed_file"),
    ):
        (tmp_path / "export.zip").write_bytes(made(audience, wish))
        with pytest.raises(ImportRefused) as refused:
            actions.look(audience, letter, [str(tmp_path / "export.zip")], now=NOW)
        assert refused.value.code == code


def test_what_a_reader_chose_about_their_letters_comes_along(audience: Any, vault: Any, tmp_path: Path) -> None:
    from samizdat.audience.models import Subscription

    ada = queries.subscriber_at(audience, "ada@post.example")
    letter = queries.list_named(audience, "The Thursday Letter")
    day = (NOW + timedelta(days=30)).date()
    Subscription.objects.filter(subscriber=ada, list=letter).update(paused=day, frequency=1)
    assert actions.agree_to_appeals_of(ada, [letter], wording="Ask me.", now=NOW)
    there, _ = in_another_house(made(audience, ExportRequest("samizdat")), tmp_path, vault)
    row = Subscription.objects.get(
        subscriber=queries.subscriber_at(there, "ada@post.example"),
        list=queries.list_named(there, "The Thursday Letter"),
    )
    assert (row.paused, row.frequency, row.fundraising_verdict) == (day, 1, consent.YES)
    card = queries.card(queries.subscriber_at(there, "ada@post.example"), NOW)  # type: ignore[arg-type]
    assert _standing(card)["The Thursday Letter"] == ("subscribed", "paused")


def test_nobody_agrees_to_appeals_by_a_column_of_a_file(audience: Any, vault: Any, tmp_path: Path) -> None:
    from samizdat.audience.models import Subscription

    def asked_for_money(text: bytes) -> bytes:
        head, *rows = text.split(b"\r\n")
        assert b"asking" not in head
        return b"\r\n".join([head + b",asking", *[row + b",1" for row in rows if row], b""])

    data = _forged(made(audience, ExportRequest("samizdat")), "subscriptions.csv", asked_for_money)
    in_another_house(data, tmp_path, vault)
    assert not Subscription.objects.exclude(fundraising_verdict=0).exists()


def _forged(data: bytes, name: str, change: Any) -> bytes:
    """Changed by somebody who knows the format: with the checksums that belong to it."""
    changed = _changed(data, name, change)
    with zipfile.ZipFile(io.BytesIO(changed)) as box:
        text, manifest = box.read(name), json.loads(box.read("manifest.json"))
    manifest["files"][name] |= {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
    return _changed(changed, "manifest.json", lambda _: json.dumps(manifest).encode())


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("subscribers.csv", "boris@post.example", "Ada@post.example"),
        ("subscribers.csv", "boris@post.example", "boris at post.example"),
        ("subscribers.csv", ",2026-11-25,", ",2026-11-35,"),
        ("subscriptions.csv", ",subscribed,", ",pleased,"),
        ("subscriptions.csv", "subscribed,2026-11-25,,", "subscribed,2026-11-25,,many"),
        ("consent.csv", ",given,", ",taken,"),
        ("consent.csv", ",confirmed,newsletter,", ",confirmed,"),
        ("tags.json", '"monthly"', '"\\ud800"'),
        ("lists.json", '"Courts, weekly"', '"THE THURSDAY LETTER"'),
        ("subscribers.csv", ",2026-11-25,", ",9999-12-31,"),
        ("consent.csv", ",2026-11-25,", ",0001-01-01,"),
        ("lists.json", '"number": ', '"number": -'),
        ("lists.json", '"number": ', '"number": 999999'),
        ("lists.json", '"details": {', '"details": "x", "d": {'),
        ("tags.json", '"number": ', '"number": 1.5, "n": '),
        ("tags.json", '"number": ', '"number": true, "n": '),
        ("fields.json", '"number": ', '"number": 999'),
        ("growth.csv", ",joined,", ",jumped,"),
        ("growth.csv", "2026-11-25,joined", "2226-11-25,joined"),
    ],
)
def test_a_forged_export_is_read_to_its_end_before_a_row_is_written(
    audience: Any, tmp_path: Path, vault: Any, name: str, old: str, new: str
) -> None:
    data = _forged(
        made(audience, ExportRequest("samizdat")), name, lambda text: text.replace(old.encode(), new.encode())
    )
    with pytest.raises(ExportRefused) as refused:
        in_another_house(data, tmp_path, vault)
    assert refused.value.code == "altered_file"
    from samizdat.accounts.models import Organization
    from samizdat.audience.models import List

    there = Organization.objects.get(slug="harbour-bell")
    assert not List.objects.filter(organization=there).exists()


@pytest.mark.parametrize(
    ("guard", "most"),
    [("DIRECTORY", 500), ("SAYS_OF_ONE", 20), ("VALUES", 40), ("NAMES", 5), ("COLUMNS", 3), ("ROW", 200)],
)
def test_what_would_fill_memory_or_time_is_refused_before(
    audience: Any, tmp_path: Path, vault: Any, monkeypatch: pytest.MonkeyPatch, guard: str, most: int
) -> None:
    module = "own_format" if guard == "DIRECTORY" else "read"
    monkeypatch.setattr(f"samizdat.portability.{module}.{guard}", most)
    monkeypatch.setattr("samizdat.portability.read.SAYS", 20 if guard == "SAYS_OF_ONE" else 1 << 20)
    data = made(audience, ExportRequest("samizdat"))
    if guard == "ROW":  # A cell may go on over lines, and each of these is short.
        data = _forged(data, "consent.csv", lambda text: text + b'"' + b"x\n" * 300 + b'"')
    with pytest.raises(ExportRefused, match=r"isn’t in the Samizdat format|was changed after it was written"):
        in_another_house(data, tmp_path, vault)


def bomb(name: str, text: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as box:
        for other in {"lists.json", own_format.SUBSCRIBERS, own_format.CONSENT, own_format.MANIFEST} - {name}:
            box.writestr(other, "{}")
        box.writestr(name, text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [(own_format.CONSENT, bytes(17 << 20)), (own_format.MANIFEST, b"[" + b"[]," * 400_000 + b"[]]")],
    ids=["one that unpacks a thousand times", "a manifest of nothing but brackets"],
)
def test_a_small_zip_that_becomes_gigabytes_takes_no_memory_of_the_worker(
    audience: Any, tmp_path: Path, vault: Any, monkeypatch: pytest.MonkeyPatch, name: str, text: bytes
) -> None:
    data = bomb(name, text)
    monkeypatch.setattr(zipfile, "ZipFile", None)  # Nothing of it is unpacked in this process.
    with pytest.raises(ExportRefused) as refused:
        in_another_house(data, tmp_path, vault)
    assert refused.value.code == "foreign_file"


def by_passphrase(work: int, size: int = 60) -> bytes:
    """A heading as `age --passphrase` writes it, which asks for 1 KB times two to the power of `work`."""
    sign = base64.b64encode(bytes(32)).rstrip(b"=").decode()
    text = f"age-encryption.org/v1\n-> scrypt {sign[:22]} {work}\n{sign}\n--- {sign}\n"
    return text.encode() + bytes(size)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (by_passphrase(19), "costly_passphrase"),
        (by_passphrase(21), "costly_passphrase"),
        (by_passphrase(99), "costly_passphrase"),
        (by_passphrase(999), "torn_file"),
        (by_passphrase(18).replace(b" 18\n", b" 018\n"), "torn_file"),
        (by_passphrase(18).replace(b"\n---", b"\n-> scrypt AAAA 21\nAAAA\n---"), "torn_file"),
        (by_passphrase(10, age_decryption.MOST_BY_PASSPHRASE), "too_large"),
        (b"age-encryption.org/v1\n" + b"-> X25519 AAAA\nAAAA\n" * 4_000, "torn_file"),
    ],
)
def test_a_sealed_file_that_asks_for_gigabytes_is_refused_before_any_work(
    monkeypatch: pytest.MonkeyPatch, data: bytes, code: str
) -> None:
    monkeypatch.setattr("samizdat.processes.reader", None)
    with pytest.raises(ExportRefused) as refused:
        read.unseal(io.BytesIO(data), "four words of mine", lambda _piece: None)
    assert refused.value.code == code
    with pytest.raises(age_decryption.Unopened, match=code):  # Nor does the process that would do the work believe it.
        age_decryption.open_by_secret(io.BytesIO(data), len(data), "four words", lambda _piece: None, 1 << 20)


def test_a_passphrase_is_tried_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = base64.b64decode(BY_PASSPHRASE)
    monkeypatch.setattr(pyrage.passphrase, "decrypt", None)
    came: list[bytes] = []
    read.unseal(io.BytesIO(sealed), "four words of hers", came.append)
    assert len(came) == 1 and came[0]
    with pytest.raises(ExportRefused, match="This passphrase doesn’t open the file, or the file is damaged"):
        read.unseal(io.BytesIO(sealed), "four words of his", came.append)


def test_an_organization_opens_one_sealed_file_at_a_time_and_keeps_no_other_from_theirs() -> None:
    def opened(organization: int) -> int:
        came: list[bytes] = []
        sealed = io.BytesIO(base64.b64decode(BY_PASSPHRASE))
        read.unseal(sealed, "four words of hers", came.append, organization)
        return len(came)

    with unpack._turn(1):
        with pytest.raises(ExportRefused, match="Try again in a minute"):
            opened(1)
        assert opened(2) == 1
        with unpack._turn(2), pytest.raises(ExportRefused, match="Try again in a minute"):
            opened(3)
    assert opened(1) == 1


@pytest.mark.parametrize("text", ["[1e999]", "[NaN]", "[" * 100 + "]" * 100, "[" + "9" * 30 + "]", "[" * 200_000])
def test_numbers_and_nesting_that_no_export_has_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        bounded_json.read(text.encode(), read.VALUES)


def test_signs_within_a_text_are_no_values() -> None:
    text = json.dumps([',[{:"\\' * 1000, "\\", 'a"']).encode()
    assert bounded_json.counted(text, 4) == json.loads(text)
    for torn in (b'["' + b'\\"' * 1_000_000, b'["' + b'\\"' * 1_000_000 + b"\\", b'["' + b'"' * 2_000_000):
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
            bounded_json.counted(torn, 4)


def test_names_in_the_directory_of_a_zip_are_read_without_unpacking_it() -> None:
    data = bomb("consent.csv", b"x")
    with zipfile.ZipFile(io.BytesIO(data)) as box:
        assert list(zip_limits.names(zip_limits.directory(data))) == box.namelist()
    assert list(zip_limits.names(b"PK\1\2")) == [] == list(zip_limits.names(zip_limits.directory(b"PK")))


def test_a_return_that_was_killed_goes_on_where_it_was(
    audience: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.portability.restore import subscribers

    class Killed(BaseException):
        pass

    slices = subscribers.SubscriberRestore._slice

    def killed(self: Any, page: Any) -> None:
        if self.row.counts["rows"] == 2:
            raise Killed
        slices(self, page)

    monkeypatch.setattr(subscribers, "SLICE", 1)
    data = made(audience, ExportRequest("samizdat", keys=True))
    monkeypatch.setattr(subscribers.SubscriberRestore, "_slice", killed)
    with pytest.raises(Killed):
        in_another_house(data, tmp_path, vault)
    monkeypatch.setattr(subscribers.SubscriberRestore, "_slice", slices)
    there, counts = _again(data, tmp_path)
    assert (counts["rows"], counts["others_suppressed"]) == (3, 1) and queries.count(there) == 3
    assert queries.count(there, tag="monthly") == queries.count(audience, tag="monthly")


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 131_072, 300_001])
def test_what_a_passphrase_seals_is_opened_by_age_whatever_its_length(size: int) -> None:
    """In chunks of 64 KiB, of which the last one says so."""
    words, out, data = age_passphrase.new_passphrase(), io.BytesIO(), os.urandom(size)
    sealed = age_passphrase.PassphraseOut(out, age_passphrase.seal_for(words))
    for place in range(0, size, 7_000):
        sealed.write(data[place : place + 7_000])
    sealed.close()
    assert pyrage.passphrase.decrypt(out.getvalue(), words) == data
    with pytest.raises(pyrage.DecryptError):
        pyrage.passphrase.decrypt(out.getvalue()[:-1], words)


def test_no_two_files_of_a_passphrase_share_a_key() -> None:
    seal, heads = age_passphrase.seal_for(age_passphrase.new_passphrase()), []
    for _try in range(2):  # A worker that was killed begins anew.
        out = io.BytesIO()
        age_passphrase.PassphraseOut(out, seal).close()
        heads.append(out.getvalue())
    assert heads[0][: len(seal.heading)] == heads[1][: len(seal.heading)] == seal.heading
    assert heads[0][len(seal.heading) :] != heads[1][len(seal.heading) :]
