"""Every column that an organization's data key seals, and the place that its values are sealed to: what is sealed anew
when that key is exchanged (rotation.py).

A new sealed column stands here, in LEFT or in OF_THE_INSTANCE: tests/backup/test_rotation.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.apps import apps
from django.db.models import Model, QuerySet

from samizdat.accounts.models import Organization
from samizdat.audience.models import NUMBER_MASK, row_id
from samizdat.campaigns.drafts.draft import place_of as draft_place
from samizdat.delivery.queries import answer_column, bar_column, refusal_column
from samizdat.portability.account_copies.pieces import place as copied_place
from samizdat.privacy.rescue_cases import evidence_place

# Table, column and number, as of core/crypto/seal.where.
type Place = tuple[str, str, int]

# Sealed with an organization's key, and not anew: the old key stays for these.
_BY_CHAIN = "its digest is of the sealed bytes, and the log's hash chain vouches for that"
_BY_MAC = "the row's MAC is of the sealed bytes"
LEFT: Mapping[str, str] = {
    "audience.consentrecord.sealed": _BY_CHAIN,
    "events.event.detail": _BY_CHAIN,
    "accounts.pendingchange.details_sealed": _BY_MAC,
    "portability.export.details_sealed": _BY_MAC,
}

# Of no organization: sealed with a key that is derived from the instance key, for this purpose (vault/purposes.py).
OF_THE_INSTANCE: Mapping[str, str] = {
    "accounts.person.email_sealed": "people",
    "accounts.person.name_sealed": "people",
    "accounts.person.notices_sealed": "people",
    "accounts.session.data_sealed": "sessions",
    "accounts.addresschange.details_sealed": "people",
    "delivery.backupplace.state_sealed": "backup places",
}


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """One that a key of an organization makes."""

    name: str  # app.model.column

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.name.rpartition(".")[0])

    @property
    def column(self) -> str:
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class SealedColumn(KeyColumn):
    """`organization`: the way to it in the ORM; `needs`: what `place` is told of a row, its key first."""

    organization: str
    needs: tuple[str, ...]
    place: Callable[..., Place]

    def rows(self, organization: Organization) -> QuerySet[Model]:
        rows = self.model._base_manager
        if self.organization == "id range":  # Along the key: subscribers have no index of their organization.
            first = row_id(organization.id, 0)
            return rows.filter(organization=organization, id__gte=first, id__lte=first + NUMBER_MASK)
        return rows.filter(**{self.organization: organization.id})


def _of_row(table: str, column: str) -> Callable[..., Place]:
    return lambda pk: (table, column, pk)


def _column(name: str, organization: str, place: Callable[..., Place], *needs: str) -> SealedColumn:
    return SealedColumn(name, organization, ("pk", *needs), place)


def _plain(name: str, table: str, column: str, organization: str = "organization") -> SealedColumn:
    """One whose values are sealed to the number of their row."""
    return _column(name, organization, _of_row(table, column))


def _picture(part: str) -> Callable[..., Place]:
    return lambda pk, slug, kind: ("picture", f"{part} {slug}.{kind}", pk)


def _refusal(name: str) -> Callable[..., Place]:
    return lambda pk, edition, digest: ("provider_refusal", refusal_column(name, digest), edition)


def _version(name: str) -> Callable[..., Place]:
    return lambda pk, edition, number: ("edition", f"{name} {number}", edition)


def _bulk(name: str) -> Callable[..., Place]:
    return lambda pk: ("bulkpiece", name, pk[0] << 32 | pk[1])


# The largest first.
COLUMNS: tuple[SealedColumn, ...] = (
    _column("audience.subscriber.sealed", "id range", lambda pk: ("subscriber", "sealed", pk & NUMBER_MASK)),
    _plain("accounts.organization.settings_sealed", "organization", "settings", "pk"),
    _plain("accounts.invitation.note_sealed", "invitation", "note"),
    _plain("accounts.apikey.details_sealed", "apikey", "details"),
    _plain("accounts.idempotentrequest.answer_sealed", "idempotentrequest", "answer"),
    _plain("audience.list.name_sealed", "list", "name"),
    _plain("audience.list.details_sealed", "list", "details"),
    _column("audience.field.sealed", "organization", lambda pk, number: ("field", "sealed", number), "number"),
    _plain("audience.tag.name_sealed", "tag", "name"),
    _plain("audience.consenttext.text_sealed", "wording", "text"),
    _plain("audience.signupform.sealed", "form", "sealed"),
    _plain("audience.import.plan_sealed", "import", "plan"),
    _plain("audience.import.report_sealed", "import", "report"),
    _plain("audience.importidmap.details_sealed", "importplace", "told", "bringing__organization"),
    _column(
        "audience.importpiece.blob",
        "import_run__organization",
        lambda pk: ("importpiece", f"blob{pk[0]}", pk[1] << 32 | pk[2]),
    ),
    _plain("audience.segment.sealed", "segment", "sealed"),
    _plain("audience.bulkaction.plan_sealed", "bulk", "plan"),
    _column("audience.bulkactionpiece.changed", "work__organization", _bulk("changed")),
    _column("audience.bulkactionpiece.entered", "work__organization", _bulk("entered")),
    _column("audience.bulkactionpiece.fresh", "work__organization", _bulk("fresh")),
    _plain("campaigns.template.sealed", "template", "source"),
    _plain("campaigns.folder.sealed", "folder", "sealed"),
    _column(
        "campaigns.campaign.draft_sealed",
        "organization",
        lambda pk, created, version_of: draft_place(pk, created, version_of),
        "created",
        "version_of_id",
    ),
    _plain("campaigns.campaign.places_sealed", "campaign", "places"),
    _plain("campaigns.campaign.test_link_sealed", "campaign", "test link"),
    _plain("campaigns.edition.compiled_sealed", "edition", "compiled"),
    _plain("campaigns.edition.details_sealed", "edition", "details"),
    _plain("campaigns.editionclicks.sums_sealed", "edition", "clicks", "edition__organization"),
    _plain("campaigns.editionclicks.reached_sealed", "edition", "reached", "edition__organization"),
    _column(
        "campaigns.correction.sealed",
        "edition__organization",
        lambda pk, edition: ("correction", f"sealed of {edition}", pk),
        "edition_id",
    ),
    _column(
        "campaigns.editionvariant.compiled_sealed",
        "edition__organization",
        _version("compiled"),
        "edition_id",
        "variant_no",
    ),
    _column(
        "campaigns.editionvariant.details_sealed",
        "edition__organization",
        _version("details"),
        "edition_id",
        "variant_no",
    ),
    _plain("campaigns.variant.sealed", "variant", "sealed", "campaign__organization"),
    _plain("campaigns.checkresult.sealed", "checked", "sealed", "campaign__organization"),
    _plain("campaigns.checkrules.sealed", "writingrules", "sealed"),
    _plain("campaigns.approval.yes_sealed", "approval", "yes", "campaign__organization"),
    _column("campaigns.picture.sealed", "organization", _picture("data"), "slug", "kind"),
    _plain("campaigns.picture.facts_sealed", "picture", "facts"),
    _column("campaigns.picture.whole_sealed", "organization", _picture("whole"), "slug", "kind"),
    _column("campaigns.picture.thumb_sealed", "organization", _picture("thumb"), "slug", "kind"),
    _plain("campaigns.draftrevision.sealed", "draftversion", "sealed", "campaign__organization"),
    _plain("campaigns.comment.sealed", "comment", "sealed", "campaign__organization"),
    _plain("campaigns.seedlist.sealed", "seeds", "addresses"),
    _plain("campaigns.sharelink.note_sealed", "sharelink", "note", "campaign__organization"),
    _plain("campaigns.shareanswer.sealed", "shareanswer", "words", "link__campaign__organization"),
    _plain("campaigns.brand.sealed", "brand", "sealed"),
    _plain("delivery.route.settings_sealed", "route", "settings"),
    _plain("delivery.route.answer_sealed", "route", "answer"),
    _plain("delivery.routewebhook.settings_sealed", "route webhook", "settings", "route__organization"),
    _plain("delivery.routewebhook.state_sealed", "route webhook", "state", "route__organization"),
    _column(
        "delivery.routedomain.answer_sealed",
        "route__organization",
        lambda pk: ("route_domain", bar_column(pk[1]), pk[0]),
    ),
    _column(
        "delivery.providerrefusal.domain_sealed",
        "edition__organization",
        _refusal("domain"),
        "edition_id",
        "digest",
    ),
    _column(
        "delivery.providerrefusal.answer_sealed",
        "edition__organization",
        _refusal("answer"),
        "edition_id",
        "digest",
    ),
    _plain("delivery.sendingdomain.state_sealed", "sendingdomain", "state"),
    _plain("delivery.dkimkey.private_sealed", "dkimkey", "private", "domain__organization"),
    _column(
        "delivery.digestrecipients.numbers",
        "campaign__organization",
        lambda pk, campaign: ("digestrecipients", f"numbers of {campaign}", pk),
        "campaign_id",
    ),
    _column(
        "delivery.chunk.digest_sealed",
        "edition__organization",
        lambda pk, edition, position: ("chunk", f"digest of {edition}", position),
        "edition_id",
        "position",
    ),
    _column(
        "delivery.smtpreply.text_sealed",
        "edition__organization",
        lambda pk, edition, route, digest: ("answer", answer_column(route, digest), edition),
        "edition_id",
        "route_id",
        "digest",
    ),
    _plain("delivery.healthreport.sealed", "healthreport", "sealed"),
    _plain("delivery.remotecheck.asked_sealed", "question", "asked"),
    _plain("delivery.remotecheck.answer_sealed", "question", "answer"),
    _plain("delivery.move.sealed", "move", "sealed"),
    _plain("incoming.mailreport.details_sealed", "mail report", "details"),
    _plain("incoming.polledmailbox.settings_sealed", "mailbox", "settings"),
    _plain("incoming.polledmailbox.state_sealed", "mailbox", "state"),
    _plain("incoming.seedmailbox.settings_sealed", "seed mailbox", "settings"),
    _plain("incoming.conversation.sealed", "conversation", "sealed"),
    _plain("incoming.conversationmessage.sealed", "conversation message", "sealed", "conversation__organization"),
    _plain("incoming.awaytext.sealed", "away text", "sealed"),
    _plain("incoming.receiverreport.details_sealed", "receiver report", "details"),
    _plain("fundraising.fundraiser.details_sealed", "fundraiser", "details"),
    _plain("fundraising.fundraiser.sums_sealed", "fundraiser", "sums"),
    _plain("privacy.breach.notes_sealed", "breach", "notes"),
    _plain("privacy.rescuecase.details_sealed", "rescuecase", "details"),
    _column(
        "privacy.rescueevidencepiece.blob",
        "case__organization",
        lambda pk: evidence_place(pk[0], pk[1]),
    ),
    _plain("vault.lockcodeset.sealed", "lockcodeset", "sealed"),
    _plain("portability.recipientkey.key_sealed", "recipientkey", "key"),
    _plain("portability.accountcopy.settings_sealed", "accountcopy", "settings"),
    _plain("portability.accountcopy.progress_sealed", "accountcopy", "progress"),
    _plain("portability.eventwebhook.settings_sealed", "eventwebhook", "settings"),
    _plain("portability.eventwebhook.progress_sealed", "eventwebhook", "progress"),
    _plain("portability.eventwebhookmessage.message_sealed", "eventwebhookmessage", "message", "webhook__organization"),
    _column(
        "portability.accountcopypiece.blob",
        "copy__organization",
        lambda pk, section: copied_place(pk[0], pk[1], section),
        "section",
    ),
    _column(
        "portability.exportpiece.blob",
        "export__organization",
        lambda pk: ("exportpiece", f"blob{pk[0]}", pk[1]),
    ),
)
