"""Whoever takes the public process may write the public database on SQLite: what is shown is ours again within
seconds."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.accounts import public_site
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.actions import forms
from samizdat.audience.models import List, SignUpForm
from samizdat.db import on_sqlite
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.health import installation
from samizdat.publicdb.models import Form, Site
from samizdat.worker.publishing import compare, publish
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=3)


@pytest.fixture
def shown(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An organization with a form, published, days ago."""
    monkeypatch.setattr(compare, "_looked", {})
    audience.give_form(audience.new_list(lantern, "Thursday", now=NOW), "thursday", now=NOW)
    publish.missing_places(NOW)
    while event_handlers.follow(NOW):
        pass
    Event.objects.update(at=NOW)  # The fixture founds it at the hour of the machine.
    assert compare.compare(LATER) == 0
    return lantern


def test_a_list_whose_form_somebody_wrote_into_the_database_stays_closed_and_it_is_told(shown: Any) -> None:
    board = audience.new_list(shown, "Board: witnesses in Grodno", now=NOW)
    List.objects.filter(pk=board.pk).update(form_slug="x9")
    publish.all_forms(shown)
    compare.compare(LATER)
    assert [form.slug for form in Form.objects.all()] == ["thursday"]
    assert List.objects.get(pk=board.pk).form_slug == ""
    assert detail_of(Event.objects.get(kind="organization.altered"))["settings"] == ["form_slug"]


def test_a_form_that_was_taken_off_is_not_shown_because_somebody_wrote_that_it_stands(shown: Any) -> None:
    board = audience.new_list(shown, "Board", now=NOW)
    facts = forms.FormFacts(title="Join the witnesses", language="en", lists=(board.id,), wording="Yes.")
    gone, other = (forms.make_form(shown, facts, now=NOW) for _turn in range(2))
    forms.remove_form(gone, now=NOW)
    SignUpForm.objects.filter(pk=gone.pk).update(removed=None, slug="between")
    SignUpForm.objects.filter(pk=other.pk).update(slug=gone.slug)
    for publishes in (lambda: publish.all_forms(shown), lambda: compare.compare(LATER)):  # The rows are still wrong.
        publishes()
        assert sorted(form.slug for form in Form.objects.all()) == sorted(["thursday", other.slug])
    rows = SignUpForm.objects.in_bulk([gone.pk, other.pk])
    assert [(rows[form.pk].slug, rows[form.pk].removed is None) for form in (gone, other)] == [
        (gone.slug, False),
        (other.slug, True),
    ]
    assert forms.form_numbered(shown, gone.pk) is None


def told() -> int:
    return Event.objects.filter(kind=compare.ALTERED).count()


def test_a_mailbox_that_somebody_put_into_the_publicdb_is_ours_again_and_told_once(
    shown: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for second in (10, 20):
        Site.objects.update(unsubscribe_mailbox="thief@evil.example")
        assert compare.compare(LATER + timedelta(seconds=second)) == 1
        assert Site.objects.get().unsubscribe_mailbox == shown.unsubscribe_mailbox
    assert told() == 1
    monkeypatch.setattr(dbclock, "asked", lambda: LATER + timedelta(days=7))
    assert "red" in [sign.state for sign in installation.public_process()]
    monkeypatch.setattr(dbclock, "asked", lambda: LATER + timedelta(days=8))
    assert "red" not in [sign.state for sign in installation.public_process()]


@pytest.mark.parametrize("kind", [compare.ALTERED, "form.changed"])
def test_an_event_that_somebody_wrote_neither_explains_it_nor_keeps_it_untold(shown: Any, kind: str) -> None:
    before = told()
    Site.objects.update(unsubscribe_mailbox="thief@evil.example")
    Event.objects.create(organization=shown, kind=kind, at=LATER, digest=bytes(32))
    assert compare.compare(LATER + timedelta(seconds=10)) == 1
    assert told() - before == 1 + (kind == compare.ALTERED)


def test_a_form_that_somebody_bent_or_added_goes(shown: Any) -> None:
    Form.objects.update(purpose="Write to us at another address.")
    Form.objects.create(slug="free-money", place_id=bytes(shown.uid), list=99, name="x", purpose="", language="en")
    assert compare.compare(LATER) == 1
    assert [(form.slug, form.purpose) for form in Form.objects.all()] == [("thursday", "")]


def test_an_organization_that_somebody_made_up_goes(shown: Any) -> None:
    Site.objects.create(uid=b"m" * 16, name="x", language="en", accent="")
    compare.compare(LATER)
    assert bytes(Site.objects.get().uid) == bytes(shown.uid)


def test_what_was_changed_here_alarms_nobody(shown: Any) -> None:
    change_settings(shown, by=None, now=LATER, name="Lantern of the North")
    assert compare.compare(LATER + timedelta(seconds=1)) == 0
    assert Site.objects.get().name == "Lantern of the North"
    Form.objects.all().delete()
    assert compare.compare(LATER + timedelta(days=1)) == 0, "a public database that was lost is nobody's deed"
    assert Form.objects.count() == 1
    assert told() == 0


def test_public_pages_follow_what_was_saved_and_stay_where_they_are_without_its_copy(shown: Any) -> None:
    def told() -> tuple[str, str]:
        compare.compare(LATER)
        place = Site.objects.get()
        return place.host, place.unsubscribe_mailbox

    type(shown).objects.update(public_url="https://evil.example", unsubscribe_mailbox="leave@evil.example")
    assert told() == ("lantern.example", "")
    type(shown).objects.update(settings_sealed=b"", public_url="https://lantern.example")
    assert told() == ("lantern.example", ""), "nobody could leave else"


def test_no_style_of_whoever_writes_the_database_is_on_public_pages_and_in_the_archive(shown: Any) -> None:
    """SQLite keeps any length in a column."""
    accent = "#b3261e; } main { background: url(https://evil.example/who) } x { y: z" if on_sqlite() else "}x{y:z"
    Organization.objects.filter(pk=shown.pk).update(accent=accent)
    shown.refresh_from_db()
    public_site.publish(shown)
    assert Site.objects.get().accent == "#b3261e"
