"""Merge fields: read, created, changed and deleted. All lists share them: only where the key's list is the only one
does a program change or delete any, and it deletes none that somebody has a value in."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from samizdat.api.donors import refuse_donors
from samizdat.audience import actions, queries
from samizdat.audience.actions.fields import FieldShape, count_values
from samizdat.audience.errors import FieldRefused
from samizdat.audience.queries import FieldView
from samizdat.campaigns.queries import refuse_while_said
from samizdat.compat.mailchimp.calls import MailchimpCall, list_hex
from samizdat.compat.mailchimp.merge_values import KINDS, TYPES
from samizdat.compat.mailchimp.problems import FieldFlaw, MailchimpProblem, forbidden, invalid, not_there, not_valid
from samizdat.compat.mailchimp.selection import paged

# What of a field of ours is refused -> where it stands in their body.
PLACES = {"tag": "tag", "kind": "type", "choices": "options.choices", "default": "default_value"}


def show_merge_fields(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return paged(call, "merge_fields", [_document(call, view) for view in queries.fields(call.organization)])


def show_merge_field(call: MailchimpCall, list_id: str, merge_id: str) -> dict[str, Any]:
    call.insist_on_list(list_id)
    return _document(call, _numbered(call, merge_id))


def _numbered(call: MailchimpCall, merge_id: str) -> FieldView:
    """Errors: MailchimpProblem 404."""
    for view in queries.fields(call.organization):
        if str(view.number) == merge_id:
            return view
    raise not_there()


def _document(call: MailchimpCall, view: FieldView) -> dict[str, Any]:
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


def create_merge_field(call: MailchimpCall, list_id: str) -> dict[str, Any]:
    """`required` is kept where the key's list is the only one: programs of other lists don't send the field. Errors:
    MailchimpProblem 400, ApiProblem 422 for what says who gives."""
    call.insist_on_list(list_id)
    name, kind = call.text("name"), KINDS.get(call.text("type"), "")
    if not name:
        raise not_valid("name", "Required fields missing.")
    if not kind:
        raise not_valid("type", f"Value must be one of: {', '.join(KINDS)}")
    tag, choices = call.text("tag") or _free_tag(call), _choices(call.body)
    _refuse_donors(tag, name, choices)
    required = call.body.get("required") is True and _is_only_list(call)
    try:
        number = actions.add_field(
            call.organization,
            tag,
            name,
            now=call.now,
            by=call.key.by,
            default=call.text("default_value"),
            shape=FieldShape(kind=kind, required=required, choices=tuple(choices)),
        )
    except FieldRefused as refused:
        raise _problem(refused) from None
    return _document(call, _numbered(call, str(number)))


def _free_tag(call: MailchimpCall) -> str:
    """As Mailchimp calls a field whose tag nobody chose."""
    taken = {view.tag for view in queries.fields(call.organization)}
    return next(tag for number in range(1, len(taken) + 2) if (tag := f"MMERGE{number}") not in taken)


def _refuse_donors(tag: str, name: str, choices: list[str]) -> None:
    """Choices are what somebody is, as tags are. Errors: ApiProblem 422."""
    refuse_donors([(tag, name)], choices)


def change_merge_field(call: MailchimpCall, list_id: str, merge_id: str) -> dict[str, Any]:
    """What the body doesn't say stays. Errors: MailchimpProblem 400, 403, 404; ApiProblem 422."""
    call.insist_on_list(list_id)
    view = _numbered(call, merge_id)
    _insist_on_only_list(call)
    tag, name = call.text("tag").upper() or view.tag, call.text("name") or view.label
    choices = _choices(call.body) or [*view.choices]
    _refuse_donors(tag, name, choices)
    required = call.body.get("required", view.required) is True
    try:
        if tag != view.tag:
            refuse_while_said(call.organization, view.tag)
        actions.change_field(
            call.organization,
            view.number,
            tag=tag,
            label=name,
            default=call.text("default_value") if "default_value" in call.body else view.default,
            now=call.now,
            by=call.key.by,
            shape=FieldShape(view.kind, required, tuple(choices), view.readable),
        )
    except FieldRefused as refused:
        raise _problem(refused) from None
    return _document(call, _numbered(call, merge_id))


def delete_merge_field(call: MailchimpCall, list_id: str, merge_id: str) -> None:
    """Errors: MailchimpProblem 400, 403, 404."""
    call.insist_on_list(list_id)
    view = _numbered(call, merge_id)
    _insist_on_only_list(call)
    counted = count_values(call.organization, view.number)
    if counted.having or counted.following is not None:  # The latter: more than a second's worth of subscribers.
        raise forbidden(_("Subscribers have values in this field, so a program can’t delete it. Delete it in the app."))
    try:
        refuse_while_said(call.organization, view.tag)
        actions.remove_field(call.organization, view.number, now=call.now, by=call.key.by)
    except FieldRefused as refused:
        raise _problem(refused) from None


def _is_only_list(call: MailchimpCall) -> bool:
    return len(queries.lists(call.organization, archived=True)) == 1


def _insist_on_only_list(call: MailchimpCall) -> None:
    if not _is_only_list(call):
        raise forbidden(_("All lists share their fields, and this key is bound to one list. Change fields in the app."))


def _choices(body: Mapping[str, Any]) -> list[str]:
    options = body.get("options")
    choices = options.get("choices") if isinstance(options, dict) else None
    return [choice for choice in choices if isinstance(choice, str)] if isinstance(choices, list) else []


def _problem(refused: FieldRefused) -> MailchimpProblem:
    if refused.code.startswith("no_such"):
        return not_there()
    place = PLACES.get(refused.field)
    return invalid(str(refused), *([FieldFlaw(place, str(refused))] if place else ()))
