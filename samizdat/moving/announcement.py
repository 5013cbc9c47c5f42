"""The email that tells subscribers where emails come from now: a draft for each list, in the list's own words for its
people. It is signed by both domains while both are here (delivery/dkim_keys.announcing_keys)."""

from datetime import datetime
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override
from msgspec import structs

from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.models import List
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign, large
from samizdat.campaigns.senders import default_sender, sender_of
from samizdat.campaigns.templates.layout_store import begin_as_saved
from samizdat.core.mail.other_domain import at_other_domain
from samizdat.delivery import dkim_keys, moves
from samizdat.delivery.errors import MoveRefused
from samizdat.delivery.moves import MoveRecord
from samizdat.events.actions import record


def drafted(organization: Organization, move: MoveRecord) -> list[Campaign]:
    """Those that are there, by number."""
    rows = Campaign.objects.select_related("organization", "list").filter(organization=organization)
    return [*rows.filter(pk__in=move.announcements).defer(*large()).order_by("pk")]


def draft(organization: Organization, *, now: datetime, by: Person | None = None) -> list[Campaign]:
    """A draft for each list with subscribers that has none yet; all that there are. Errors: MoveRefused."""
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        move = moves.under_way(organization)
        if move is None:
            raise MoveRefused(_("No move is under way. Begin one: samizdat move --to URL"), None, "no_move")
        there = drafted(organization, move)
        lists = _without(organization, {campaign.list_id for campaign in there})
        drafts = [_drafted(organization, list_, move, now, by) for list_ in lists]
        if not there and not drafts:
            raise MoveRefused(_("No list has subscribers, so nobody has to be told."), None, "nobody")
        numbers = tuple(campaign.pk for campaign in (*there, *drafts))
        moves.change(organization, lambda kept: structs.replace(kept, announcements=numbers))
        if drafts:
            detail = {"campaigns": [campaign.pk for campaign in drafts]}
            record("move.announced", organization, now=now, by=by, detail=detail)
    return [*there, *drafts]


def _without(organization: Organization, those: set[int]) -> list[List]:
    """Lists with subscribers but these."""
    views = audience.lists(organization, archived=True)
    return [
        audience.list_by_id(organization, view.id)
        for view in views
        if view.totals["subscribed"] and view.id not in those
    ]


def _drafted(organization: Organization, list_: List, move: MoveRecord, now: datetime, by: Person | None) -> Campaign:
    sender = _sender(list_, move)
    language = leading(organization).language
    with override(language):
        subject, body = words(move, sender.email, is_signed_by_both=signs_twice(organization, move))
    letter = Draft(
        subject=subject,
        from_name=sender.name or leading(organization).name,
        from_email=sender.email,
        reply_to=sender.reply_to,
        body=body,
        format="markdown",
    )
    campaign = create(organization, list_, letter, by=by, now=now, language=language)
    begin_as_saved(campaign)
    return campaign


def _sender(list_: List, move: MoveRecord) -> DefaultSender:
    """As the list's campaigns are sent, at the new domain. Errors: MoveRefused."""
    sender = default_sender(list_, None)
    if not sender.email and (usual := sender_of(list_)):
        sender = DefaultSender(*usual)
    if not sender.email:
        sentence = _("It isn’t known who sends to this list. Set a default sender in Settings, then try again.")
        raise MoveRefused(sentence, None, "no_sender")
    if not move.new_domain:
        return sender
    return sender.with_addresses(lambda address: at_other_domain(address, move.old_domain, move.new_domain))


def signs_twice(organization: Organization, move: MoveRecord) -> bool:
    """Whether both domains sign it."""
    names = [name for name in (move.old_domain, move.new_domain) if name]
    rows = [dkim_keys.domain_named(organization, name) for name in names]
    return len(names) == 2 and all(row is not None and dkim_keys.signs(row) for row in rows)


def words(move: MoveRecord, sender: str, *, is_signed_by_both: bool) -> tuple[str, str]:
    """Subject and text, as Markdown, in the language that is on."""
    values = {
        "sender": sender,
        "old": move.old_domain,
        "new": move.new_domain,
        "old_sender": at_other_domain(sender, move.new_domain, move.old_domain) if move.new_domain else "",
        "pages": urlsplit(move.new_url).hostname or "",
        "url": move.new_url,
    }
    lines = [_("Hello,")]
    if move.new_domain:
        subject = _("Our emails now come from %(new)s")
        lines.append(_("our emails now come from **%(sender)s**. Until now they came from %(old_sender)s."))
    else:
        subject = _("Our pages are now at %(pages)s")
    if move.new_url != move.old_url:
        lines.append(_("Our pages, with your email preferences, are now at [%(pages)s](%(url)s)."))
    lines.append(_("You don’t need to do anything. You stay subscribed, and your preferences stay as they are."))
    if move.new_domain:
        lines.append(_("If your mail program has a rule or a contact for the old address, change it to the new one."))
    if move.seen.get("old_links") in ("gone", "nothing", "certificate", "other"):
        lines.append(_("Links in our earlier emails don’t work any more. Use those at the end of this one."))
    if is_signed_by_both:
        lines.append(_("So that you can check this: this email is signed by both domains, %(old)s and %(new)s."))
    return subject % values, "\n\n".join(line % values for line in lines) + "\n"
