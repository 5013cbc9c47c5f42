"""A sealed value opens in its own row alone: whoever writes the database cannot put one in another's place.

The test walks every column of bytes of the house; what is new has to be filled here, or given a reason.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models import BinaryField
from msgspec import structs

from samizdat.accounts import address_change, api_keys, api_requests, notice_choices
from samizdat.accounts.actions import change_settings
from samizdat.accounts.sessions import SessionStore
from samizdat.audience import actions as audience
from samizdat.campaigns import approval, brand, seed_list
from samizdat.campaigns.opened import open_campaign
from samizdat.core.bounce.report import ReplyContent, Report, ReportEvent
from samizdat.core.crypto import seal
from samizdat.core.mail.domain_reports import DomainReport
from samizdat.core.mail.outcome import Refused, RouteVerdict
from samizdat.core.money import Money
from samizdat.delivery import actions as delivery
from samizdat.delivery import backup_places
from samizdat.delivery.actions import key_locks, remote_checks, route_refusals, route_webhooks
from samizdat.delivery.engine import results
from samizdat.delivery.engine.results import SendResult
from samizdat.fundraising import actions as fundraising
from samizdat.incoming import domain_reports, follow_up
from samizdat.incoming.conversations import away, take_up
from samizdat.incoming.mailboxes import actions as mailboxes
from samizdat.vault import keyring
from tests.conftest import NOW, PASSWORD
from tests.test_schema import OUR_APPS
from tests.web.conftest import House, furnish

pytestmark = pytest.mark.django_db

# Columns of bytes that are no blobs: hashes, marks, links of the chain, keys, numbers of subscribers.
UNSEALED = {
    *(
        "uid",
        "email_index",
        "email_hash",
        "address_hash",
        "token_hash",
        "key_hash",
        "lane",
        "mac",
        "name_index",
        "digest",
        "link",
        "mark",
        "thread",
    ),
    *("fingerprint", "provider", "group", "boot", "folder", "numbers"),
    *("wrapped", "public", "name"),
    *("own", "rival", "former"),  # Records that are signed, as they lie at backup places.
}

# What a value is bound by that does not stand under the primary key of its row. Each is checked to be its row's alone.
BOUND = {
    "accounts.session.data_sealed": "the first eight bytes of the key's hash, which is the row's key",
    "accounts.addresschange.details_sealed": "the person, of which there is one row",
    "audience.subscriber.sealed": "the subscriber's number, the low part of the row's",
    "audience.consentrecord.sealed": "the subscriber's number",
    "audience.field.sealed": "the field's number, unique in its organization",
    "audience.importpiece.blob": "import, file and number of the piece",
    "vault.lockcodeset.sealed": "the organization, of which there is one row",
    "campaigns.seedlist.sealed": "the organization, of which there is one row",
    "delivery.smtpreply.text_sealed": "edition, route and digest, by which the row is found",
    "delivery.providerrefusal.answer_sealed": "edition and digest, by which the row is found",
    "delivery.providerrefusal.domain_sealed": "edition and digest, by which the row is found",
    "delivery.routedomain.answer_sealed": "route and domain, by which the row is found",
    "delivery.chunk.digest_sealed": "edition and position, of which there is one chunk",
    "campaigns.approval.yes_sealed": "the campaign, of which there is one row",
    "privacy.rescueevidencepiece.blob": "case and number of the piece",
}

# The records of one reader may change places: rows are numbered by the database, in slices of 5,000. The digest holds
# kind, list, day and blob together, so the chain does not fit any more (`samizdat log check`).
SHARED = {"audience.consentrecord.sealed"}

# Filled by nothing here; read in the code: each is sealed under its row's number, or the reason stands beside it.
READ = {
    "vault.strictkey.sealed",  # A box to the public key of the row, for one organization.
    "audience.bulkactionpiece.changed",  # The work's number and the piece's.
    "audience.bulkactionpiece.entered",
    "audience.bulkactionpiece.fresh",
    "incoming.polledmailbox.state_sealed",
    "incoming.incomingmail.box",  # The organization: each says by its own token which message it is about.
    "audience.import.plan_sealed",
    "audience.import.report_sealed",
    "audience.importidmap.details_sealed",
    "campaigns.campaign.places_sealed",
    "campaigns.campaign.test_link_sealed",
    "campaigns.checkresult.sealed",  # The campaign's, of which there is one row.
    "campaigns.editionclicks.sums_sealed",  # The edition's, of which there is one row.
    "campaigns.editionclicks.reached_sealed",
    "campaigns.correction.sealed",  # Its own number, and the edition's in the column's name.
    "campaigns.editionvariant.compiled_sealed",  # The edition's number, and the place in the column's name.
    "campaigns.editionvariant.details_sealed",
    "campaigns.picture.whole_sealed",
    "campaigns.variant.sealed",
    "campaigns.checkrules.sealed",  # The organization's, of which there is one row.
    "delivery.route.answer_sealed",
    "delivery.healthreport.sealed",  # The organization's, of which there is one row.
    "delivery.move.sealed",  # The organization's, of which there is one row.
    "portability.accountcopy.settings_sealed",
    "portability.accountcopy.progress_sealed",
    "portability.eventwebhookmessage.message_sealed",
    "portability.accountcopypiece.blob",  # Copy, section and number of the piece.
    "portability.exportpiece.blob",  # Export and number of the piece.
}


class _Watched:
    """An AES-GCM that remembers for which place each ciphertext was made."""

    def __init__(self, aead: Any, places: dict[bytes, bytes]) -> None:
        self._aead, self._places = aead, places
        self.decrypt = aead.decrypt

    def encrypt(self, nonce: bytes, plain: bytes, where: bytes) -> bytes:
        made: bytes = self._aead.encrypt(nonce, plain, where)
        self._places[made] = where
        return made


@pytest.fixture
def places(lantern: Any, vault: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[bytes, bytes]:
    """Ciphertext -> associated data, of a furnished organization."""
    found: dict[bytes, bytes] = {}
    aead = seal._aead
    monkeypatch.setattr(seal, "_aead", lambda secret: _Watched(aead(secret), found))
    keyring.use(vault)  # Opens its keys anew.
    _more(furnish(lantern, tmp_path, "lantern.example"))
    return found


def _more(here: House) -> None:
    organization, admin, edition = here.organization, here.people["admin"], here.sent.edition.pk
    for role in ("admin", "editor"):
        store = SessionStore()
        store["_auth_user_id"] = str(here.people[role].pk)
        store.save()
        address_change.ask(here.people[role], f"{role}@new.example", PASSWORD, origin="https://desk.example", now=NOW)
        notice_choices.choose(here.people[role], ["import"])
        here.people[role].save(update_fields=["notices_sealed"])
    for _question in range(2):
        remote_checks.answer(here.question(), NOW)
    for number in range(2):
        audience.add_piece(here.import_run, 0, number, b"address\n")
    change_settings(organization, by=None, now=NOW, return_address="back@lantern.example")
    for number in range(2):
        wanted = fundraising.Wanted(f"Dry the archive {number}")
        row = fundraising.open_fundraiser(organization, "en", wanted, now=NOW)
        fundraising.add_to_day(row, "card", NOW.date(), Money(500, "EUR"), now=NOW)
    seed_list.keep(organization, ["seed@lantern.example"], now=NOW, by=admin)
    brand.keep(organization, brand.USUAL, by=admin, now=NOW)
    approval.agree(here.campaign, approval.bond_of(open_campaign(here.campaign)), by=admin, now=NOW)
    verdict = RouteVerdict("config", "sender", {"host": "mx.example", "answer": "550 no"})
    delivery.condemn(here.route.pk, verdict, NOW, ["lantern.example", "bell.example"])
    said = [SendResult(edition, 1, 1, Refused(550, "no", "recipient"), 0, 550, here.route.pk, text=t) for t in "ab"]
    results._store_answers(edition, said)
    for number in range(2):
        follow_up.write(organization, [follow_up.ReadReport(number, 0, ReportEvent("none"), "", None)], NOW)
        receivers = DomainReport("dmarc", "", str(number), "lantern.example", int(NOW.timestamp()), "none", ())
        domain_reports._keep(organization, receivers, NOW)
    reply = ReplyContent(sender="ada@reader.example", subject="News", words="Thank you")
    for number in range(2):
        answered = Report((ReportEvent("reply"),), content=structs.replace(reply, subject=str(number)))
        take_up.take_up(organization, 10 + number, answered, None, NOW)
    _token, api_key = api_keys.add(organization, "Program", ["campaigns:read"], now=NOW, by=None)
    for number in range(2):
        request = api_requests.RequestMark(api_key, str(number), b"request").begin(NOW)
        api_requests.keep(request, organization, 200, "application/json", b"{}")
    key_locks.make_codes(organization, 2, by=admin, now=NOW)
    for folder in ("mnt", "srv"):
        kept = backup_places.add(backup_places.PlaceDetails(url=f"file:///{folder}", added=NOW))
        backup_places.set_state(kept.number, backup_places.PlaceState(tried=NOW))
    away.choose(organization, away.AwaySettings(), now=NOW, by=admin)
    other = delivery.add_route(organization, "other", "smtp://u:p@mx2.example:587", now=NOW)
    for route in (here.route, other):
        route_webhooks.set_webhook(route, "mailgun", secret="a", now=NOW)
    for name in ("returned", "complaints"):
        mailboxes.add(organization, name, "imaps://back:secret@mx.example", now=NOW)
    for provider in ("@small.example", "@little.example"):
        route_refusals.put_off(edition, provider, said[0].news, 20, NOW)


def _columns() -> Iterator[tuple[Any, str, str]]:
    for app in (*OUR_APPS, "portability"):
        for model in apps.get_app_config(app).get_models():
            for field in model._meta.fields:
                if isinstance(field, BinaryField) and field.name not in UNSEALED and app != "publicdb":
                    yield model, field.name, f"{model._meta.label_lower}.{field.name}"


def test_a_sealed_value_that_is_moved_to_another_row_does_not_open_there(places: dict[bytes, bytes]) -> None:
    met, wrong = set(), set()
    for model, name, label in _columns():
        rows = list(model._base_manager.values_list("pk", name))
        found = [(pk, where) for pk, blob in rows if (where := places.get(bytes(blob or b"")[15:])) is not None]
        met |= {label} if found else set()
        if label not in BOUND:
            wrong |= {label for pk, where in found if where[-8:] != pk.to_bytes(8)}
        if len({where for _pk, where in found}) < len(found) and label not in SHARED:
            wrong.add(label)
    assert not wrong, "Seal these under the number of their row, or say in BOUND what they are bound by."
    assert {label for _model, _name, label in _columns()} - met == READ, "Fill what is new in _more()."
    assert BOUND.keys() | SHARED <= met
