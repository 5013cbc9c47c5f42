"""A petition from its form to a signature: a mail that a real server took, a link, and nobody subscribed by it."""

import email
import email.policy
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.actions import confirmation_reminders, forms
from samizdat.audience.models import List
from samizdat.core.consent import Permission
from samizdat.core.rescue.case import ClosedAccount
from samizdat.delivery.actions import add_route
from samizdat.privacy import actions
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import Signatures, case_numbered, details_of, signatures_of
from samizdat.publicdb.models import Form
from samizdat.publicdb.queries import token_state
from samizdat.worker.inbox import signups, unsubscribes
from samizdat.worker.publishing import publish
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import say

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]
ADA = "ada@signs.example"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def case(lantern: Any, thursday: Any, server: ScriptedServer) -> RescueCase:
    add_route(lantern, "relay", server.url, now=NOW)
    change_settings(lantern, now=NOW, public_url="https://letters.lantern.example", by=None)
    account = ClosedAccount("mailchimp", NOW.date(), lantern.name, country="LV")
    return actions.open_case(lantern, account, now=NOW)


def opened(case: RescueCase, language: str) -> Form:
    """Its form, as the public database has it."""
    petition = actions.open_petition(case, language, now=NOW)
    publish.missing_places(NOW)
    while event_handlers.follow(NOW):
        pass
    return Form.objects.get(list=petition.form)


def signs(case: RescueCase, form: Form) -> None:
    petition = details_of(case_numbered(case.organization, case.pk)).petition
    assert petition is not None
    values = {str(petition.name): "Ada", str(petition.shown): "yes"}
    words = {"list": str(form.list), "lists": [petition.list], "values": values, "language": form.language}
    say(case.organization, "signup", address=ADA, wording=form.purpose, **words)
    assert signups.take(NOW) == 1


def mailed(server: ScriptedServer) -> tuple[str, str]:
    """(subject, text) of the only mail."""
    [caught] = server.messages
    mail = email.message_from_bytes(caught.content, policy=email.policy.default)
    assert caught.recipients == (ADA,) and not server.violations
    return mail["Subject"], mail.get_content()


@pytest.mark.parametrize(
    ("language", "subject", "says", "never"),
    [
        ("en", "Confirm your signature: Petition to Mailchimp", "Nothing is signed", "subscri"),
        ("ru", "Подтвердите подпись: Коллективное обращение в Mailchimp", "подписи не будет", "подписк"),
    ],
)
def test_a_signature_counts_once_its_mail_is_answered_and_subscribes_nobody(
    lantern: Any, case: RescueCase, server: ScriptedServer, language: str, subject: str, says: str, never: str
) -> None:
    form = opened(case, language)
    signs(case, form)
    fresh = case_numbered(lantern, case.pk)
    assert signatures_of(fresh, details_of(fresh)) == Signatures(0, [])
    named, text = mailed(server)
    assert named == subject and says in text and never not in (named + text).lower()
    token = text.split("https://letters.lantern.example/c/")[1].split()[0]
    assert token_state(token) == "pending"
    say(lantern, "confirm", token=token)
    unsubscribes.take(NOW)
    assert token_state(token) == "confirmed"
    assert signatures_of(fresh, details_of(fresh)) == Signatures(1, ["Ada"])
    ada = queries.subscriber_at(lantern, ADA)
    for list_ in List.objects.select_related("organization").filter(organization=lantern):
        allowed = isinstance(audience.verdict(ada, list_, NOW), Permission)
        assert allowed == (list_.pk == details_of(fresh).petition.list)


def test_the_mail_of_a_signature_is_sent_again_in_its_words(
    lantern: Any, case: RescueCase, server: ScriptedServer
) -> None:
    form = opened(case, "en")
    signs(case, form)
    server.messages.clear()
    petition = details_of(case_numbered(lantern, case.pk)).petition
    signatories = List.objects.select_related("organization").get(pk=petition.list)
    waiting = queries.waiting_at(lantern, ADA)
    assert waiting is not None
    tomorrow = NOW + timedelta(days=1)
    confirmation_reminders.ask_again(waiting, signatories, now=tomorrow)
    while event_handlers.follow(tomorrow):
        pass
    assert mailed(server)[0] == "Confirm your signature: Petition to Mailchimp"


def test_who_edits_a_petition_leaves_it_one(lantern: Any, case: RescueCase) -> None:
    form = opened(case, "en")
    assert '"signs": true' in form.details
    row = forms.form_numbered(lantern, form.list)
    assert row is not None
    facts = forms.facts_of(row)
    plain = forms.FormFacts("A new title", "en", facts.lists, facts.wording)
    forms.change_form(row, plain, now=NOW)
    assert forms.facts_of(row).signs
