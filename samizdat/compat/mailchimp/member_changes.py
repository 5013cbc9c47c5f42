"""A member as a program wants them: added, asked to confirm, changed or unsubscribed. Nobody who left comes back by it
but by confirming, and who isn't known to have agreed is asked."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import api_keys
from samizdat.api.donors import refuse_donors
from samizdat.api.signups import ask_to_confirm
from samizdat.audience import actions, queries
from samizdat.audience.actions.upserts import upsert
from samizdat.audience.errors import AddressErased
from samizdat.audience.limits import TAGS_EACH
from samizdat.audience.queries.subscriber_records import SubscriberRecord
from samizdat.compat.mailchimp.calls import MailchimpCall
from samizdat.compat.mailchimp.interest_tags import interests_among
from samizdat.compat.mailchimp.merge_values import missing, values_in
from samizdat.compat.mailchimp.problems import FieldFlaw, MailchimpProblem, invalid
from samizdat.compat.mailchimp.tags import make_known

LANGUAGE = re.compile(r"([a-z]{2,3})([-_][A-Za-z0-9]{2,4})?")
WORDS = ("subscribed", "unsubscribed", "cleaned", "pending", "transactional")
LONGEST_TAG = 100


@dataclass(frozen=True, slots=True)
class WantedMember:
    """status: as Mailchimp says it; "" as it is. values: tag of a field -> text. add, remove: names of tags."""

    status: str
    values: dict[str, str]
    language: str
    add: list[str] = field(default_factory=list)
    remove: list[str] = field(default_factory=list)


class MemberRules:
    """What a body may say. For many: fields and groups are read once."""

    def __init__(self, call: MailchimpCall) -> None:
        self._call = call
        self.fields = {view.tag: view for view in queries.fields(call.organization)}
        self.strict = call.query.get("skip_merge_validation", "").lower() not in ("true", "1")

    def wanted(self, body: Mapping[str, Any], status: str) -> WantedMember:
        """Errors: MailchimpProblem 400; ApiProblem 422 for what says who gives."""
        if status and status not in WORDS:
            flaw = FieldFlaw("status", f"Value must be one of: {', '.join(WORDS)}")
            raise invalid("The resource submitted could not be validated.", flaw)
        values = values_in(body, self.fields, strict=self.strict)
        add, remove = tags_in(body.get("tags"))
        more, fewer = self._groups(body.get("interests"))
        refuse_donors((), [*add, *more])
        make_known(self._call, add)
        return WantedMember(status, values, language_of(body.get("language")), add + more, remove + fewer)

    def insist_on_required(self, values: Mapping[str, str]) -> None:
        """Of somebody new. Errors: MailchimpProblem 400."""
        if self.strict and (problem := missing(values, self.fields)) is not None:
            raise problem

    @cached_property
    def _names_by_interest(self) -> dict[str, str]:
        """Id of a group -> name of its tag."""
        tags = queries.tags(self._call.organization)
        names = dict(tags)
        return {each.id: names[each.tag_id] for each in interests_among(tags)}

    def _groups(self, given: object) -> tuple[list[str], list[str]]:
        if not given:
            return [], []
        if not isinstance(given, dict):
            raise invalid(
                "The resource submitted could not be validated.", FieldFlaw("interests", "Must be an object.")
            )
        unknown = [id for id in given if id not in self._names_by_interest]
        if unknown:
            flaw = FieldFlaw(f"interests.{unknown[0][:40]}", "This interest does not exist.")
            raise invalid("The resource submitted could not be validated.", flaw)
        chosen = {self._names_by_interest[id]: bool(yes) for id, yes in given.items()}
        return [name for name, yes in chosen.items() if yes], [name for name, yes in chosen.items() if not yes]


def tags_in(given: object) -> tuple[list[str], list[str]]:
    """(To add, to remove) of names, or of objects with name and status. Errors: MailchimpProblem 400."""
    add: list[str] = []
    remove: list[str] = []
    if not isinstance(given, list | None) or len(given or ()) > TAGS_EACH:
        raise invalid("The resource submitted could not be validated.", FieldFlaw("tags", "Must be a short list."))
    for each in given or ():
        name = each.get("name") if isinstance(each, dict) else each
        if not isinstance(name, str) or not 0 < len(name.strip()) <= LONGEST_TAG:
            flaw = FieldFlaw("tags", f"A tag has a name of at most {LONGEST_TAG} characters.")
            raise invalid("The resource submitted could not be validated.", flaw)
        inactive = isinstance(each, dict) and each.get("status") == "inactive"
        (remove if inactive else add).append(name.strip())
    return add, remove


def language_of(given: object) -> str:
    match = LANGUAGE.fullmatch(given) if isinstance(given, str) else None
    return match[1] if match else ""


def add_new(call: MailchimpCall, address: str, wanted: WantedMember) -> str:
    """Somebody who isn't on the list; their status, as Mailchimp says it. Errors: MailchimpProblem 400, ApiProblem,
    BadAddress."""
    if wanted.status not in ("subscribed", "pending"):
        raise invalid(_("Samizdat keeps nobody who hasn’t agreed to get emails. Send `subscribed` or `pending`."))
    words = api_keys.consent_words(call.key)
    if wanted.status == "pending" or not words:
        values = {tag: text for tag, text in wanted.values.items() if text}
        ask_to_confirm(call.organization, call.list_, address, values, wanted.language, call.now)
        return "pending"
    try:
        done = upsert(
            call.organization,
            address,
            call.list_,
            consent=words,
            values=wanted.values,
            tags=wanted.add,
            language=wanted.language,
            now=call.now,
            by=call.key.by,
        )
    except AddressErased:
        raise _forgotten(address) from None
    if done.outcome in ("left", "suppressed"):
        raise compliance(address)
    return "subscribed"


def change(call: MailchimpCall, record: SubscriberRecord, wanted: WantedMember) -> str:
    """Somebody who is on the list; their status afterwards, as Mailchimp says it. Errors: MailchimpProblem 400,
    ApiProblem."""
    status = record.lists[0].status
    match wanted.status:
        case "subscribed" if status in ("unsubscribed", "cleaned"):
            raise compliance(record.address)
        case "subscribed" | "pending" if status != "subscribed":
            return add_new(call, record.address, wanted)
    update(call, record, wanted)
    if wanted.status == "unsubscribed":
        unsubscribe(call, record)
        return "unsubscribed"
    return "transactional" if status == "nonsubscribed" else status


def unsubscribe(call: MailchimpCall, record: SubscriberRecord) -> None:
    """From this list. Errors: TooManyRemovals."""
    subscriber = queries.subscriber_numbered(call.organization, record.number)
    if subscriber is not None and record.lists[0].status == "subscribed":
        actions.unsubscribe_from(subscriber, [call.list_], now=call.now, way="api", by=call.key.by)


def update(call: MailchimpCall, record: SubscriberRecord, wanted: WantedMember) -> None:
    """Only what differs, so that the same again writes nothing."""
    subscriber = queries.subscriber_numbered(call.organization, record.number)
    if subscriber is None:
        return
    other = {tag: text for tag, text in wanted.values.items() if record.fields.get(tag, "") != text}
    language = wanted.language if wanted.language and wanted.language != record.language else None
    carried = {name.casefold() for name in record.tags}
    with transaction.atomic():
        if other or language is not None:
            actions.change_values(subscriber, other, now=call.now, by=call.key.by, language=language)
        if add := _among(wanted.add, carried, there=False):
            actions.add_tags(subscriber, add, now=call.now, by=call.key.by)
        if gone := _among(wanted.remove, carried, there=True):
            actions.remove_tags(subscriber, gone, now=call.now, by=call.key.by)


def _among(names: Iterable[str], carried: set[str], *, there: bool) -> list[str]:
    return [name for name in names if (name.casefold() in carried) == there]


def compliance(address: str) -> MailchimpProblem:
    sentence = "is in a compliance state due to unsubscribe, bounce, or compliance review and cannot be subscribed."
    return MailchimpProblem(400, "Member In Compliance State", f"{address} {sentence}")


def exists(address: str) -> MailchimpProblem:
    sentence = "is already a list member. Use PUT to insert or update list members."
    return MailchimpProblem(400, "Member Exists", f"{address} {sentence}")


def _forgotten(address: str) -> MailchimpProblem:
    sentence = "was permanently deleted and cannot be re-imported. The contact must re-subscribe themselves."
    return MailchimpProblem(400, "Forgotten Email Not Subscribed", f"{address} {sentence}")
