"""Merge fields as Mailchimp writes them, and ours: kinds, and the text of a value."""

import math
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from samizdat.api.donors import refuse_donors
from samizdat.audience.limits import LONGEST_VALUE
from samizdat.audience.queries import FieldView
from samizdat.compat.mailchimp.problems import FieldFlaw, MailchimpProblem, invalid
from samizdat.core import fields

# Our kind -> the type that is shown. An address is kept as one text, so no client may expect its parts.
TYPES = {
    "text": "text",
    "number": "number",
    "date": "date",
    "choice": "dropdown",
    "yesno": "radio",
    "address": "text",
    "phone": "phone",
    "link": "url",
    "language": "text",
}
KINDS = {
    "text": "text",
    "number": "number",
    "address": "address",
    "phone": "phone",
    "date": "date",
    "url": "link",
    "imageurl": "link",
    "radio": "choice",
    "dropdown": "choice",
    "birthday": "text",
    "zip": "text",
}
ADDRESS_PARTS = ("addr1", "addr2", "city", "state", "zip", "country")
MOST = 200


def values_in(body: Mapping[str, Any], known: Mapping[str, FieldView], *, strict: bool) -> dict[str, str]:
    """Tag -> text of body's merge_fields; tags that there aren't are ignored. strict: a value that its field can't hold
    is refused, else kept as it is. Errors: MailchimpProblem 400; ApiProblem 422 for what says who gives."""
    given = body.get("merge_fields") or {}
    if not isinstance(given, dict) or len(given) > MOST:
        raise invalid("Your merge fields were invalid.", FieldFlaw("merge_fields", "Schema describes object."))
    refuse_donors([(tag, known[tag].label if tag in known else "") for tag in given], ())
    values, flaws = {}, []
    for tag, value in given.items():
        if tag not in known:
            continue
        try:
            values[tag] = _fitting(known[tag], text_of(value), strict)
        except fields.BadValue as bad:
            flaws.append(FieldFlaw(tag, _(str(bad))))
    if flaws:
        raise invalid("Your merge fields were invalid.", *flaws)
    return values


def _fitting(field: FieldView, text: str, strict: bool) -> str:
    if len(text) > LONGEST_VALUE:
        raise fields.BadValue("too_long")
    try:
        return fields.read(field.kind, text, field.codes)
    except fields.BadValue:
        if strict:
            raise
        return text


def text_of(value: object) -> str:
    """As it is kept. An address by its parts, with two spaces between, as Mailchimp's exports have it."""
    match value:
        case str():
            return value.strip()
        case bool():
            return fields.YES if value else fields.NO
        case int() | float() if math.isfinite(value):
            return str(value)
        case dict():
            parts = [value.get(part) for part in ADDRESS_PARTS]
            return "  ".join(part.strip() for part in parts if isinstance(part, str) and part.strip())
    return ""


def missing(values: Mapping[str, str], known: Mapping[str, FieldView]) -> MailchimpProblem | None:
    """Of somebody new: which required fields have no value."""
    flaws = [
        FieldFlaw(tag, "Please enter a value") for tag, field in known.items() if field.required and not values.get(tag)
    ]
    return invalid("Your merge fields were invalid.", *flaws) if flaws else None
