"""Tags, which all lists share: a program changes and deletes those that nobody carries outside the list of its key."""

from typing import Any

from django.utils.translation import gettext as _

from samizdat.audience import actions, queries
from samizdat.audience.errors import TagRefused
from samizdat.audience.models import Tag
from samizdat.audience.queries.list_members import is_carried_elsewhere
from samizdat.audience.tags_and_fields import LONGEST_TAG
from samizdat.compat.mailchimp.calls import MailchimpCall
from samizdat.compat.mailchimp.problems import forbidden, invalid, not_there, not_valid
from samizdat.privacy.models import Renewal


def search_tags(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    wanted = call.query.get("name", "").casefold()
    tags = [{"id": number, "name": name} for number, name in queries.tags(call.organization)]
    tags = [tag for tag in tags if str(tag["name"]).casefold().startswith(wanted)]
    return {"tags": tags, "total_items": len(tags), "_links": []}


def carriers_shown(call: MailchimpCall) -> dict[int, int]:
    """Number of a tag -> how many of those subscribed carry it. Nothing for a key that may only write: by a tag that it
    gives somebody it would learn whether they are here."""
    return queries.carriers(call.list_) if call.reads else {}


def make_known(call: MailchimpCall, names: list[str]) -> None:
    """What a key that may only write calls a tag is one from now on, whoever was to carry it: else the tag that it
    gives somebody would tell whether they are here."""
    if names and not call.reads:
        actions.tags_for(call.organization, names)


def insist_on_tag_name(field: str, name: str) -> None:
    """Errors: MailchimpProblem 400."""
    if not 0 < len(name) <= LONGEST_TAG or not name.isprintable():
        raise not_valid(field, f"A tag has a name of at most {LONGEST_TAG} characters.")


def own_tag(call: MailchimpCall, number: int) -> Tag:
    """To be changed or deleted. Errors: MailchimpProblem 403, 404."""
    tag = Tag.objects.filter(organization=call.organization, pk=number, removed=False).first()
    if tag is None:
        raise not_there()
    if is_carried_elsewhere(call.list_, tag):
        sentence = _(
            "Subscribers of other lists have this tag, and this key is bound to one list. Change it in the app."
        )
        raise forbidden(sentence)
    return tag


def rename(call: MailchimpCall, tag: Tag, name: str) -> None:
    """Errors: MailchimpProblem 400."""
    try:
        actions.rename_tag(tag, name, now=call.now, by=call.key.by)
    except TagRefused as refused:
        raise invalid(str(refused)) from None


def remove(call: MailchimpCall, tag: Tag) -> None:
    """Errors: MailchimpProblem 400, 403."""
    if Renewal.objects.filter(tag=tag).exclude(state="closed").exists():
        raise forbidden(_("A re-confirmation uses this tag. Close it first."))
    try:
        actions.remove_tag(tag, now=call.now, by=call.key.by)
    except TagRefused as refused:
        raise invalid(str(refused)) from None
