"""Columns that start work or skip it, and what they are sealed by: whoever writes the database without keys would have
the worker do what nobody asked for. A new one fails here until somebody has sealed it or given a reason."""

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import BooleanField, DateField, ForeignKey

from samizdat.campaigns.models import Campaign, Correction, Edition, EditionVariant, Variant

SEALED_BY = {
    "events.event.kind": "the event's digest",
    "events.event.handled": "the event's digest; what may not happen twice asks the log (worker/inbox/unsubscribes.py)",
    "accounts.organization.requires_approval": "settings_sealed",
    "accounts.organization.hostile_state": "settings_sealed",
    "accounts.membership.since": "mac",
    "accounts.membership.locked": "mac",
    "accounts.membership.signed_out": "mac",
    "accounts.invitation.used": "mac, which is emptied",
    "accounts.apikey.revoked": "mac, which is emptied, and settings_sealed",
    "accounts.addresschange.asked": "details_sealed: the mail goes to the address in it, within a day",
    "accounts.addresschange.noticed": "details_sealed: the notice goes to the address in it",
    "accounts.addresschange.confirmed": "details_sealed: the password in it is another one once it was used",
    "accounts.pendingchange.kind": "mac",
    "accounts.pendingchange.state": "mac, and the log",
    "accounts.pendingchange.settled": "mac",
    "accounts.pendingchange.noticed": "mac",
    "accounts.pendingchange.refused": "mac",
    "accounts.pendingchange.tried": "mac",
    "vault.vaultkey.kind": "the label of the wrapped key",
    "vault.vaultkey.coming": "the label of the wrapped key",
    "vault.keylock.locked": "mac, and the log",
    "vault.keylock.destroyed": "mac",
    "vault.keydestruction.confirmed": "mac, and the log",
    "audience.field.readable": "the field's sealed facts",
    "audience.signupform.removed": "the form's sealed facts",
    "audience.consentrecord.kind": "the record's digest",
    "audience.import.state": "plan_sealed, with the event of its start (audience/imports/confirmation.py)",
    "audience.bulkaction.action": "plan_sealed",
    "audience.bulkaction.state": "plan_sealed, and the log",
    "portability.export.state": "mac, and the log",
    "portability.export.plain": "mac",
    "portability.export.noticed": "mac",
    "portability.export.refused": "mac",
    "portability.export.tried": "mac",
    "portability.export.released_at": "mac",
    "campaigns.campaign.is_digest": "the yes of the clock (campaigns/approval.py), and the log",
    "campaigns.campaign.archive_hidden": "the details of its edition, from the release on (campaigns/released.py)",
    "campaigns.sharelink.ended": "mac",
    "delivery.route.state": "settings_sealed says whether it waits; the log, whether it was removed",
    "delivery.dkimkey.state": "private_sealed says whether it waits; the log, whether it was retired",
    "incoming.incomingmail.state": "its reports, which are written once (incoming/processing.py)",
    "incoming.mailreport.kind": "details_sealed",
    "incoming.seedcopy.state": "settings_sealed of the seed mailbox: a copy goes to the address in it alone",
    "incoming.conversationmessage.kind": "sealed, which has the mark of what may go out; what is out, the log says",
    "privacy.renewal.state": "the log says who pressed, and for which list, tag and groups",
}

# Reasons, and the columns that may stand in the open for them.
OPEN = {
    "it tells what was, and starts nothing": {
        "accounts.apikey.used", "audience.import.started", "audience.import.finished", "audience.bulkaction.finished",
        "audience.dataqualityissue.kind", "audience.dataqualityissue.dismissed", "audience.dataqualityscan.day",
        "incoming.conversation.state", "portability.export.finished",
        "campaigns.campaign.released", "campaigns.campaign.finished",
        "campaigns.campaign.planned", "campaigns.approval.asked", "campaigns.picture.kind",
        "campaigns.comment.resolved", "delivery.dkimkey.seen", "delivery.worker.ended",
        "delivery.schedulerstep.done", "delivery.schedulerstep.failed", "delivery.providertotal.state",
        "delivery.varianttotal.state", "delivery.deliveryarchivetotal.state", "delivery.remotecheck.kind",
        "delivery.remotecheck.began", "delivery.remotecheck.done", "privacy.breach.kind",
        "privacy.breach.told_authority", "privacy.breach.told_readers", "delivery.epochrecord.looked",
        "delivery.backupcopy.kind", "delivery.backupprogress.began", "delivery.backupprogress.seen",
        "delivery.backupprogress.tail_written", "delivery.backupprogress.tail_failing",
    },
    "it shuts out, stops or deletes, or lets in whoever has a role by their MAC alone": {
        "accounts.person.is_active", "audience.field.removed",
        "audience.tag.removed", "audience.segment.removed",
    },
    "the fence of a copy: docs/keys.md": {"accounts.organization.sending_locked"},
    "one backup or restore test more at a place that is sealed": {
        "delivery.backupprogress.backup_asked", "delivery.backupprogress.test_asked",
    },
    "an older key, no other one": {"vault.vaultkey.current"},
    "statuses of readers: compared with the records of consent each night and after each release": {
        "audience.subscription.paused",
    },
    "when something that was sealed or released goes, not what and to whom": {
        "audience.list.digest_due", "campaigns.campaign.state", "campaigns.campaign.not_before",
        "campaigns.campaign.waits_until", "campaigns.campaign.canary_state", "campaigns.campaign.canary_until",
        "campaigns.campaign.test_at", "campaigns.campaign.test_state", "delivery.chunk.not_before",
        "delivery.chunk.owed",
        "privacy.renewal.deadline", "privacy.renewal.undo_until",
    },
    "pace and bookkeeping of senders": {
        "audience.import.heartbeat", "portability.export.heartbeat", "portability.accountcopy.heartbeat",
        "delivery.route.warm_since",
        "delivery.route.signs", "delivery.route.until", "delivery.route.waits", "delivery.route.asked",
        "delivery.providerrefusal.lifted", "delivery.heldrefusals.settles", "delivery.heldrefusals.accepted",
        "delivery.sendingdomain.warm_since", "delivery.dkimkey.until", "delivery.worker.beat",
        "delivery.worker.forgotten", "delivery.clock.jumped", "delivery.clock.patient", "delivery.chunk.retry",
        "delivery.chunk.state", "delivery.chunk.claimed", "delivery.delivery.state",
    },
}  # fmt: skip


# What goes out, is shown and is quoted, and to whom: relations of letters, and what each is held by.
LED_BY = {
    "campaigns.campaign.list": "the details of its edition; of a draft, what the send page showed",
    "campaigns.campaign.tag": "the details of its edition; of a draft, what the send page showed",
    "campaigns.campaign.segment": "the details of its edition; of a draft, what the send page showed",
    "campaigns.campaign.template": "the details of its edition; of a draft, what the send page showed",
    "campaigns.campaign.resend_of": "the details of its edition; of a draft, what the send page showed",
    "campaigns.campaign.version_of": "what the send page showed; once it is released nothing is read by it",
    "campaigns.variant.campaign": "what the send page showed; once it is released nothing is read by it",
    "campaigns.variant.letter": "what the send page showed; once it is released nothing is read by it",
    "campaigns.edition.campaign": "its details, and the log of the release",
    "campaigns.editionvariant.edition": "the seals of its letter and details",
    "campaigns.correction.edition": "its seal",
}


def test_what_a_letter_says_and_to_whom_is_not_led_by_a_relation_in_the_open() -> None:
    models = (Campaign, Edition, EditionVariant, Variant, Correction)
    relations = [field for model in models for field in model._meta.fields if isinstance(field, ForeignKey)]
    about_nobody = ("organization", "created_by", "by", "folder")
    assert {
        f"{field.model._meta.label_lower}.{field.name}" for field in relations if field.name not in about_nobody
    } == set(LED_BY)


def test_each_column_that_starts_work_is_sealed_or_has_a_reason() -> None:
    given = [*SEALED_BY, *(name for names in OPEN.values() for name in names)]
    assert len(given) == len(set(given))
    assert set(_columns()) == set(given)


def _columns() -> Iterator[str]:
    for model in apps.get_models():
        if model.__module__.startswith("samizdat.") and model._meta.app_label != "publicdb":
            yield from (f"{model._meta.label_lower}.{field.name}" for field in model._meta.fields if _starts(field))


def _starts(field: Any) -> bool:
    """By its kind or its name: a switch, a state, a moment that may not have come."""
    named = field.name in ("state", "kind", "action") or field.name.endswith("_state")
    return named or isinstance(field, BooleanField) or (isinstance(field, DateField) and field.null)
