"""Members of the list: read, added, changed, archived and tagged.

A key that may only write learns of nobody whether they are here: each look-up finds nobody, and each change is answered
with what was sent.
"""

from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from samizdat.accounts import api_keys
from samizdat.api.donors import refuse_donors
from samizdat.api.reading import note_reading
from samizdat.api.signups import insist_on_form
from samizdat.audience.queries.address_hashes import md5_of
from samizdat.audience.queries.list_members import MemberFilter, list_members
from samizdat.audience.queries.subscriber_records import SubscriberRecord, records
from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex
from samizdat.compat.mailchimp.member_changes import (
    MemberRules,
    WantedMember,
    add_new,
    change,
    exists,
    tags_in,
    unsubscribe,
    update,
)
from samizdat.compat.mailchimp.member_document import OURS, STATUSES, MemberWriter
from samizdat.compat.mailchimp.member_lookup import is_hash_of, record_at, record_named, record_numbered
from samizdat.compat.mailchimp.problems import FieldFlaw, MailchimpProblem, invalid, not_there
from samizdat.compat.mailchimp.tags import make_known
from samizdat.core.mail.address import normalize

# What tells whether somebody is here: a key that may only write gets none of it.
TELLING = ("Member Exists", "Member In Compliance State", "Forgotten Email Not Subscribed")


def show_members(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    """A page of those who have confirmed."""
    call.insist_on_list(list_id)
    offset, count = call.page
    newest = call.query.get("sort_dir", "").upper() == "DESC"
    wanted = _filter(call)
    numbers, total = ([], 0) if wanted is None else list_members(call.list_, wanted, offset, count, newest_first=newest)
    note_reading(call.key)
    return {"members": documents(call, numbers), "list_id": list_hex(call.list_.pk), "total_items": total, "_links": []}


def documents(call: MailchimpCall, numbers: list[int]) -> list[dict[str, Any]]:
    """Of those on the list."""
    writer = MemberWriter(call)
    here = records(call.organization, numbers, [call.list_.pk])
    return [writer.document(record) for record in here if record.lists]


def _filter(call: MailchimpCall) -> MemberFilter | None:
    """None: nobody fits. since_last_changed is left out, since only the day of a status is kept: whoever asks for
    changes gets more, never less."""
    asked = call.query
    statuses = [word for word in asked.get("status", "").split(",") if word]
    if any(word not in OURS for word in statuses) or "pending" in statuses or asked.get("vip_only") == "true":
        return None
    tags = [int(id, 16) for id in asked.get("interest_ids", "").split(",")[:50] if _is_id(id)]
    return MemberFilter(
        statuses=[OURS[word] for word in statuses],
        since=_day(asked.get("since_timestamp_opt") or asked.get("unsubscribed_since")),
        until=_day(asked.get("before_timestamp_opt") or asked.get("before_last_changed")),
        tags=tags if asked.get("interest_category_id") or tags else (),
        match=asked.get("interest_match", "any"),
    )


def _is_id(text: str) -> bool:
    return len(text) == 10 and all(sign in "0123456789abcdef" for sign in text.lower())


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat((text or "")[:10])
    except ValueError:
        return None


def show_member(call: MailchimpCall, list_id: str, name: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return MemberWriter(call).document(_member(call, name))


def _member(call: MailchimpCall, name: str, address: str = "") -> SubscriberRecord:
    """Errors: MailchimpProblem 404."""
    record = record_named(call, name, address) if call.reads else None
    if record is None:
        raise not_there()
    return record


def create_member(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    """Errors: MailchimpProblem 400, also for whoever is here."""
    call.insist_on_list(list_id)
    address, rules = address_in(call), MemberRules(call)
    wanted = rules.wanted(call.body, call.text("status"))
    if not wanted.status:
        raise invalid("The resource submitted could not be validated.", FieldFlaw("status", "Required fields missing."))
    record = record_at(call, address)
    if record is not None and call.reads:
        raise exists(record.address)
    rules.insist_on_required(wanted.values)
    return saved(call, address, record, wanted)


def put_member(call: MailchimpCall, list_id: str, name: str) -> dict[str, Any]:
    """Whoever is here is changed, whoever isn't is added."""
    call.insist_on_list(list_id)
    return put(call, _record(call, name), MemberRules(call))


def put(
    call: MailchimpCall, record: SubscriberRecord | None, rules: MemberRules, writer: MemberWriter | None = None
) -> dict[str, Any]:
    """As the body says. Errors: as saved()."""
    is_new = record is None
    address = address_in(call) if record is None else call.text("email_address") or record.address
    if record is None:
        record = record_at(call, address)
    status = call.text("status")
    if not status and (is_new or not call.reads):
        status = call.text("status_if_new")
    wanted = rules.wanted(call.body, status)
    if record is None or not call.reads:
        rules.insist_on_required(wanted.values)
    return saved(call, address, record, wanted, writer)


def _record(call: MailchimpCall, name: str) -> SubscriberRecord | None:
    """Of whom the path names; for a key that may only write, of whose address the body gives, so that the two can't be
    compared."""
    address = call.text("email_address")
    if address and not call.reads:
        return record_at(call, address)
    return record_named(call, name, address)


def change_member(call: MailchimpCall, list_id: str, name: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    rules, address = MemberRules(call), call.text("email_address")
    record = _record(call, name)
    wanted = rules.wanted(call.body, call.text("status"))
    if record is None:
        if call.reads:
            raise not_there()
        return MemberWriter(call).echo(address, wanted.status or "pending", wanted.values, wanted.language)
    return saved(call, address, record, wanted)


def saved(
    call: MailchimpCall,
    address: str,
    record: SubscriberRecord | None,
    wanted: WantedMember,
    writer: MemberWriter | None = None,
) -> dict[str, Any]:
    """The member afterwards. Errors: MailchimpProblem 400, ApiProblem, BadAddress."""
    status = wanted.status or "pending"
    _insist_on_status(call, record, wanted)
    try:
        status = save(call, address, record, wanted)
    except MailchimpProblem as problem:
        if call.reads or problem.title not in TELLING:
            raise
    writer = writer or MemberWriter(call)
    here = record_numbered(call, record.number) if record else record_at(call, address)
    if here is not None and call.reads and status != "pending":
        return writer.document(here)
    shown = here.address if here is not None and call.reads else address
    return writer.echo(shown, status if call.reads else _untelling(call, wanted), wanted.values, wanted.language)


def _untelling(call: MailchimpCall, wanted: WantedMember) -> str:
    """The status that a key which may only write is answered with: that of anybody for whom the same is sent."""
    asks = wanted.status == "subscribed" and not api_keys.consent_words(call.key)
    return "pending" if asks or not wanted.status else wanted.status


def _insist_on_status(call: MailchimpCall, record: SubscriberRecord | None, wanted: WantedMember) -> None:
    """Errors: MailchimpProblem 400; ApiProblem 422 where nobody can be asked to confirm."""
    known = STATUSES[record.lists[0].status] if record is not None and call.reads else ""
    if wanted.status in ("cleaned", "transactional") and wanted.status != known:
        raise invalid(_("Samizdat finds out itself which addresses bounce and who agreed. Send another status."))
    if not call.reads and _untelling(call, wanted) == "pending":
        insist_on_form(call.list_)


def save(call: MailchimpCall, address: str, record: SubscriberRecord | None, wanted: WantedMember) -> str:
    """The status afterwards, as Mailchimp says it. Errors: as saved()."""
    if record is None:
        if wanted.status == "unsubscribed" and not call.reads:
            return wanted.status
        return add_new(call, address, wanted)
    if address and not _is_theirs(address, record):
        raise invalid(_("Samizdat changes addresses in the app alone, since emails go to another person then."))
    return change(call, record, wanted)


def _is_theirs(address: str, record: SubscriberRecord) -> bool:
    return is_hash_of(md5_of(record.address), address)


def archive_member(call: MailchimpCall, list_id: str, name: str) -> None:
    """They are unsubscribed. Errors: MailchimpProblem 404; 405 where they get no emails anyway; TooManyRemovals."""
    call.insist_on_list(list_id)
    record = record_named(call, name)
    if record is not None and record.lists[0].status == "subscribed":
        unsubscribe(call, record)
    elif call.reads:
        if record is None:
            raise not_there()
        raise MailchimpProblem(405, "Method Not Allowed", "This list member cannot be removed.")


def show_tags(call: MailchimpCall, list_id: str, name: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    record = _member(call, name)
    ids = MemberWriter(call).tag_ids
    tags = [{"id": ids[each], "name": each, "date_added": ""} for each in record.tags if each in ids]
    offset, count = call.page
    return {"tags": tags[offset : offset + count], "total_items": len(tags), "_links": []}


def change_tags(call: MailchimpCall, list_id: str, name: str) -> None:
    """Of somebody who has confirmed. Errors: MailchimpProblem 400, 404; ApiProblem 422 for what says who gives."""
    call.insist_on_list(list_id)
    add, remove = tags_in(call.body.get("tags"))
    refuse_donors((), add)
    make_known(call, add)
    record = record_named(call, name)
    if record is not None:
        update(call, record, WantedMember("", {}, "", add, remove))
    elif call.reads:
        raise not_there()


def address_in(call: MailchimpCall) -> str:
    """Errors: MailchimpProblem 400, BadAddress."""
    address = call.text("email_address")
    if not address:
        flaw = FieldFlaw("email_address", "Required fields missing.")
        raise invalid("The resource submitted could not be validated.", flaw)
    return normalize(address)
