"""The fields that subscribers can have, and the segments that are saved."""

from ninja import Router, Schema

from samizdat.api.keys import KeyAuth, KeyedRequest
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.audience import queries
from samizdat.audience.segments import lookup

ANY = KeyAuth("subscribers:read", "subscribers:write", "campaigns:read", "campaigns:write", "audience:write")
fields = Router(tags=["Fields, tags and segments"])
segments = Router(tags=["Fields, tags and segments"])


class FieldOut(Schema):
    """tag: its name in emails and in this API, like FNAME. choices: of a choice, its texts."""

    tag: str
    label: str
    kind: str
    required: bool
    choices: list[str]


class FieldsOut(Schema):
    items: list[FieldOut]


class NamedOut(Schema):
    id: int
    name: str


class NamesOut(Schema):
    items: list[NamedOut]


@fields.get("", response={200: FieldsOut, ERRORS: ProblemOut}, auth=ANY, summary="All fields")
def all_fields(request: KeyedRequest) -> FieldsOut:
    """In the order in which they were created."""
    views = queries.fields(request.auth.organization)
    return FieldsOut(
        items=[
            FieldOut(tag=view.tag, label=view.label, kind=view.kind, required=view.required, choices=[*view.choices])
            for view in views
        ]
    )


@segments.get("", response={200: NamesOut, ERRORS: ProblemOut}, auth=ANY, summary="All saved segments")
def all_segments(request: KeyedRequest) -> NamesOut:
    """By name."""
    return NamesOut(items=[NamedOut(id=row.id, name=row.name) for row in lookup.segments(request.auth.organization)])
