"""Tags as Mailchimp's static segments: read, created with members, renamed and deleted; members added and removed."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _

from samizdat.api.donors import refuse_donors
from samizdat.api.keys import spend
from samizdat.api.reading import note_reading
from samizdat.audience import actions, queries
from samizdat.audience.errors import TooManyTags
from samizdat.audience.queries.list_members import MemberFilter, list_members
from samizdat.audience.queries.subscriber_records import SubscriberRecord, records
from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex
from samizdat.compat.mailchimp.list_batch import A_REQUEST, MOST
from samizdat.compat.mailchimp.member_changes import WantedMember, update
from samizdat.compat.mailchimp.member_document import MemberWriter
from samizdat.compat.mailchimp.member_lookup import record_at, record_named
from samizdat.compat.mailchimp.members import address_in, documents
from samizdat.compat.mailchimp.problems import invalid, not_there, not_valid
from samizdat.compat.mailchimp.selection import paged
from samizdat.compat.mailchimp.tags import carriers_shown, insist_on_tag_name, own_tag, remove, rename
from samizdat.core.mail.address import BadAddress


def show_segments(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    wanted = call.query.get("type", "static")
    tags, carriers = queries.tags(call.organization) if wanted == "static" else [], carriers_shown(call)
    return paged(call, "segments", [_document(call, *tag, carriers) for tag in tags])


def show_segment(call: MailchimpCall, list_id: str, segment_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return _document(call, *_tag(call, segment_id), carriers_shown(call))


def _tag(call: MailchimpCall, segment_id: str) -> tuple[int, str]:
    """(Number, name). Errors: MailchimpProblem 404."""
    for number, name in queries.tags(call.organization):
        if str(number) == segment_id:
            return number, name
    raise not_there()


def _document(call: MailchimpCall, number: int, name: str, carriers: Mapping[int, int]) -> dict[str, Any]:
    """carriers: by number of a tag, those who are subscribed to the list."""
    return {
        "id": number,
        "name": name,
        "member_count": carriers.get(number, 0),
        "type": "static",
        "created_at": "",
        "updated_at": "",
        "options": {"match": "any", "conditions": []},
        "list_id": list_hex(call.list_.pk),
        "_links": [],
    }


def create_segment(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    """With those of static_segment who are on the list. Errors: MailchimpProblem 400, ApiProblem 422 for what says who
    gives."""
    call.insist_on_list(list_id)
    addresses = _addresses(call, "static_segment")
    _refuse_conditions(call)
    name = _name_in(call)
    if queries.tag_named(call.organization, name) is not None:
        raise not_valid("name", "Sorry, that tag already exists.")
    number = actions.tags_for(call.organization, [name])[name]
    _tag_addresses(call, name, addresses)
    return show_segment(call, list_id, str(number))


def change_segment(call: MailchimpCall, list_id: str, segment_id: str) -> dict[str, Any]:
    """static_segment: all who carry it from now on. Errors: MailchimpProblem 400, 403, 404; ApiProblem 422."""
    call.insist_on_list(list_id)
    number, name = _tag(call, segment_id)
    addresses = _addresses(call, "static_segment")
    _refuse_conditions(call)
    tag = own_tag(call, number)
    if call.text("name") and call.text("name") != name:
        name = _name_in(call)
        rename(call, tag, name)
    if "static_segment" in call.body:
        refuse_donors((), [name])
        tagged, _unknown = _tag_addresses(call, name, addresses)
        _untag_others(call, number, name, {record.number for record in tagged})
    return show_segment(call, list_id, segment_id)


def delete_segment(call: MailchimpCall, list_id: str, segment_id: str) -> None:
    """Errors: MailchimpProblem 403, 404."""
    call.insist_on_list(list_id)
    remove(call, own_tag(call, _tag(call, segment_id)[0]))


def change_members(call: MailchimpCall, list_id: str, segment_id: str) -> dict[str, Any]:
    """Up to 500 each of members_to_add and members_to_remove. Errors: MailchimpProblem 400, 404; ApiProblem 422,
    429."""
    call.insist_on_list(list_id)
    _number, name = _tag(call, segment_id)
    add, gone = _addresses(call, "members_to_add"), _addresses(call, "members_to_remove")
    if add:
        refuse_donors((), [name])
    added, not_added = _tag_addresses(call, name, add)
    removed, not_removed = _tag_addresses(call, name, gone, remove=True)
    unknown = [*not_added, *not_removed]
    sentence = "The following emails were not found in the list, or can’t have more tags."
    writer = MemberWriter(call)
    return {
        "members_added": [writer.document(record) for record in added],
        "members_removed": [writer.document(record) for record in removed],
        "errors": [{"email_addresses": unknown, "error": sentence}] if unknown else [],
        "total_added": len(added),
        "total_removed": len(removed),
        "error_count": len(unknown),
        "_links": [],
    }


def show_members(call: MailchimpCall, list_id: str, segment_id: str) -> dict[str, Any]:
    """A page of those on the list who have confirmed and carry it."""
    call.insist_on_list(list_id)
    number, _name = _tag(call, segment_id)
    numbers, total = list_members(call.list_, MemberFilter(tags=[number]), *call.page)
    note_reading(call.key)
    return {"members": documents(call, numbers), "total_items": total, "_links": []}


def add_member(call: MailchimpCall, list_id: str, segment_id: str) -> dict[str, Any]:
    """Errors: MailchimpProblem 400, 404; ApiProblem 422 for what says who gives."""
    call.insist_on_list(list_id)
    _number, name = _tag(call, segment_id)
    refuse_donors((), [name])
    record = record_at(call, address_in(call))
    if record is None:
        raise not_there()
    return MemberWriter(call).document(_retagged(call, record, add=[name]))


def remove_member(call: MailchimpCall, list_id: str, segment_id: str, member: str) -> None:
    """Errors: MailchimpProblem 404."""
    call.insist_on_list(list_id)
    _number, name = _tag(call, segment_id)
    record = record_named(call, member)
    if record is None:
        raise not_there()
    _retagged(call, record, remove=[name])


def _name_in(call: MailchimpCall) -> str:
    """Errors: MailchimpProblem 400, ApiProblem 422."""
    name = call.text("name")
    insist_on_tag_name("name", name)
    refuse_donors((), [name])
    return name


def _refuse_conditions(call: MailchimpCall) -> None:
    if call.body.get("options"):
        raise invalid(
            _("A segment by conditions is created in the app. Send `static_segment` with addresses for a tag.")
        )


def _addresses(call: MailchimpCall, name: str) -> list[str]:
    """Errors: MailchimpProblem 400, ApiProblem 429."""
    given = call.body.get(name) or []
    if not isinstance(given, list) or len(given) > MOST or not all(isinstance(each, str) for each in given):
        raise not_valid(name, f"Send a list of at most {MOST} addresses.")
    spend(call.key, len(given) / A_REQUEST)
    return given


def _tag_addresses(
    call: MailchimpCall, name: str, addresses: Iterable[str], *, remove: bool = False
) -> tuple[list[SubscriberRecord], list[str]]:
    """(Those who carry it from now on, or no more; addresses of nobody on the list)."""
    changed, unknown = [], []
    for address in dict.fromkeys(addresses):
        try:
            record = record_at(call, address)
            if record is None:
                unknown.append(address)
                continue
            changed.append(_retagged(call, record, add=[] if remove else [name], remove=[name] if remove else []))
        except (BadAddress, TooManyTags):
            unknown.append(address)
    return changed, unknown


def _retagged(
    call: MailchimpCall, record: SubscriberRecord, add: list[str] | None = None, remove: list[str] | None = None
) -> SubscriberRecord:
    """Them with the tags that they carry then."""
    update(call, record, WantedMember("", {}, "", add or [], remove or []))
    return record_at(call, record.address) or record


def _untag_others(call: MailchimpCall, number: int, name: str, kept: set[int]) -> None:
    """From everybody on the list but these. Errors: MailchimpProblem 400 for more than 500."""
    numbers, total = list_members(call.list_, MemberFilter(tags=[number]), 0, MOST + len(kept))
    if total > MOST + len(kept):
        raise invalid(_("More than 500 subscribers would lose this tag. Send them in parts, as `members_to_remove`."))
    for record in records(call.organization, [each for each in numbers if each not in kept], [call.list_.pk]):
        update(call, record, WantedMember("", {}, "", [], [name]))
