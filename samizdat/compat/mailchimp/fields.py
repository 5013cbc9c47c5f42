"""Merge fields, groups and tags as plug-ins read them before they map their forms; and the search for a person."""

from collections.abc import Mapping
from typing import Any

from samizdat.audience import queries
from samizdat.audience.queries import FieldView
from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex
from samizdat.compat.mailchimp.interest_tags import categories_among, interests_among
from samizdat.compat.mailchimp.member_document import MemberWriter
from samizdat.compat.mailchimp.member_lookup import record_at
from samizdat.compat.mailchimp.merge_values import TYPES
from samizdat.compat.mailchimp.problems import not_there
from samizdat.core.mail.address import BadAddress


def show_merge_fields(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return _paged(call, "merge_fields", [_field(call, view) for view in queries.fields(call.organization)])


def show_merge_field(call: MailchimpCall, list_id: str, merge_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    for view in queries.fields(call.organization):
        if str(view.number) == merge_id:
            return _field(call, view)
    raise not_there()


def _field(call: MailchimpCall, view: FieldView) -> dict[str, Any]:
    choices = ["yes", "no"] if view.kind == "yesno" else [*view.choices]
    return {
        "merge_id": view.number,
        "tag": view.tag,
        "name": view.label,
        "type": TYPES[view.kind],
        "required": view.required,
        "default_value": view.default,
        "public": True,
        "display_order": view.number,
        "options": {"choices": choices} if choices else {"size": 25},
        "help_text": "",
        "list_id": list_hex(call.list_.pk),
        "_links": [],
    }


def show_categories(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return _paged(call, "categories", _categories(call))


def show_category(call: MailchimpCall, list_id: str, category_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    for category in _categories(call):
        if category["id"] == category_id:
            return category
    raise not_there()


def _categories(call: MailchimpCall) -> list[dict[str, Any]]:
    here = categories_among(queries.tags(call.organization))
    return [
        {
            "list_id": list_hex(call.list_.pk),
            "id": id,
            "title": title,
            "display_order": place,
            "type": "checkboxes",
            "_links": [],
        }
        for place, (id, title) in enumerate(here.items())
    ]


def show_interests(call: MailchimpCall, list_id: str, category_id: str) -> dict[str, Any]:
    show_category(call, list_id, category_id)
    here = [each for each in interests_among(queries.tags(call.organization)) if each.category_id == category_id]
    carriers = queries.carriers(call.list_)
    interests = [
        {
            "category_id": category_id,
            "list_id": list_hex(call.list_.pk),
            "id": interest.id,
            "name": interest.name,
            "subscriber_count": str(carriers.get(interest.tag_id, 0)),
            "display_order": place,
            "_links": [],
        }
        for place, interest in enumerate(here)
    ]
    return _paged(call, "interests", interests)


def show_segments(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    """Tags, which are static segments there."""
    call.insist_on_list(list_id)
    wanted = call.query.get("type", "static")
    tags, carriers = queries.tags(call.organization) if wanted == "static" else [], queries.carriers(call.list_)
    return _paged(call, "segments", [_segment(call, *tag, carriers) for tag in tags])


def show_segment(call: MailchimpCall, list_id: str, segment_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    for number, name in queries.tags(call.organization):
        if str(number) == segment_id:
            return _segment(call, number, name, queries.carriers(call.list_))
    raise not_there()


def _segment(call: MailchimpCall, number: int, name: str, carriers: Mapping[int, int]) -> dict[str, Any]:
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


def search_tags(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    wanted = call.query.get("name", "").casefold()
    tags = [{"id": number, "name": name} for number, name in queries.tags(call.organization)]
    tags = [tag for tag in tags if str(tag["name"]).casefold().startswith(wanted)]
    return {"tags": tags, "total_items": len(tags), "_links": []}


def search_members(call: MailchimpCall) -> dict[str, Any]:
    """The member with exactly this address: part of one finds nobody."""
    try:
        record = record_at(call, call.query.get("query", ""))
    except BadAddress:
        record = None
    members = [MemberWriter(call).document(record)] if record is not None else []
    shown = {"members": members, "total_items": len(members)}
    return {"exact_matches": shown, "full_search": {"members": [], "total_items": 0}, "_links": []}


def _paged(call: MailchimpCall, name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    offset, count = call.page
    shown = {name: rows[offset : offset + count], "list_id": list_hex(call.list_.pk)}
    return shown | {"total_items": len(rows), "_links": []}
