"""Templates of the organization's own: read, taken in, saved from a campaign, renamed, deleted."""

from datetime import datetime
from typing import Annotated

from django.http import HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Router, Schema
from pydantic import Field, StringConstraints

from samizdat.accounts.models import ApiKey
from samizdat.api.campaigns import Number, campaign_for
from samizdat.api.fields import NamedOut, NamesOut
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists, spend
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.uploads import FileText, decoded
from samizdat.campaigns import queries
from samizdat.campaigns.models import Template
from samizdat.campaigns.templates import import_template
from samizdat.campaigns.templates.import_template import LONGEST_NAME
from samizdat.campaigns.templates.layout_store import text_of

router = Router(tags=["Templates and media"])
EITHER, WRITE = KeyAuth("campaigns:read", "campaigns:write"), KeyAuth("campaigns:write")
# Requests that taking in a file counts as.
FILE_COSTS = 5

Name = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_NAME)]


class TemplateOut(Schema):
    """html: the frame, with {{ content }} where the email goes; empty where it stands in a design of ours. body: what a
    new draft begins with, in format."""

    id: int
    name: str
    changed: datetime
    html: str
    design: str
    format: str
    body: str


class TemplateTagOut(Schema):
    """A merge tag as the file has it. flaw: what is wrong with it; empty where it works here."""

    tag: str
    count: int
    flaw: str


class TemplateAddedOut(Schema):
    """notes: what was left out or changed, in sentences. regions: parts that a draft can fill. images: how many came
    along."""

    id: int
    notes: list[str]
    tags: list[TemplateTagOut]
    regions: list[str]
    images: int


class TemplateIn(Schema):
    """One of these: html, a whole page; zip, base64 of a page with its images; campaign, the number of one that becomes
    a template."""

    name: Name
    html: Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)] | None = None
    zip: FileText | None = None
    campaign: Annotated[int, Field(ge=1, lt=1 << 53)] | None = None


class TemplateNameIn(Schema):
    name: Name


@router.get("", response={200: NamesOut, ERRORS: ProblemOut}, auth=EITHER, summary="Your own templates")
def all_templates(request: KeyedRequest) -> NamesOut:
    """In the order in which they were created."""
    pairs = queries.templates(request.auth.organization)
    return NamesOut(items=[NamedOut(id=number, name=name) for number, name in pairs])


@router.get("/{int:number}", response={200: TemplateOut, ERRORS: ProblemOut}, auth=EITHER, summary="One template")
def get_template(request: KeyedRequest, number: Path[Number]) -> TemplateOut:
    """With its text."""
    return _out(_template(request.auth, number))


@router.post("", response={201: TemplateAddedOut, ERRORS: ProblemOut}, auth=WRITE, summary="Add a template")
def add_template(request: KeyedRequest, body: TemplateIn) -> tuple[int, TemplateAddedOut]:
    """From a file, by the checks of the app, or from a campaign. Counts as five requests."""
    key = request.auth
    spend(key, FILE_COSTS - 1)
    if sum(part is not None for part in (body.html, body.zip, body.campaign)) != 1:
        raise ApiProblem(422, "invalid", _("Send one of these: `html`, `zip` or `campaign`."))
    if body.campaign is not None:
        campaign = campaign_for(key, body.campaign)
        saved = import_template.save_as_template(campaign, body.name, by=key.by, now=timezone.now())
        return 201, TemplateAddedOut(id=saved.pk, notes=[], tags=[], regions=[], images=0)
    data = decoded(body.zip, "zip") if body.zip is not None else (body.html or "").encode()
    report = import_template.take_in(
        key.organization,
        body.name,
        data,
        by=key.by,
        now=timezone.now(),
        file="template.zip" if body.zip is not None else "",
    )
    tags = [TemplateTagOut(tag=tag, count=count, flaw=flaw) for tag, count, flaw in report.tags]
    return 201, TemplateAddedOut(
        id=report.template.pk, notes=[*report.notes], tags=tags, regions=[*report.places], images=report.pictures
    )


@router.patch("/{int:number}", response={200: TemplateOut, ERRORS: ProblemOut}, auth=WRITE, summary="Rename a template")
def rename_template(request: KeyedRequest, number: Path[Number], body: TemplateNameIn) -> TemplateOut:
    """Its text stays as it is, since drafts stand in it. Only for a key that is bound to no list."""
    template = _template(request.auth, number)
    insist_on_all_lists(request.auth)
    import_template.rename(template, body.name, by=request.auth.by, now=timezone.now())
    return _out(_template(request.auth, number))


@router.delete("/{int:number}", response={204: None, ERRORS: ProblemOut}, auth=WRITE, summary="Delete a template")
def delete_template(request: KeyedRequest, number: Path[Number]) -> HttpResponse:
    """Drafts in it go on in our own frame; campaigns that were sent stay as they are. Only for a key that is bound to
    no list."""
    template = _template(request.auth, number)
    insist_on_all_lists(request.auth)
    import_template.remove(template, by=request.auth.by, now=timezone.now())
    return HttpResponse(status=204)


def _template(key: ApiKey, number: int) -> Template:
    """Errors: ApiProblem 404."""
    template = Template.objects.select_related("organization").filter(organization=key.organization, pk=number).first()
    if template is None:
        raise ApiProblem(404, "no_such_template", _("There is no such template."))
    return template


def _out(template: Template) -> TemplateOut:
    text = text_of(template)
    return TemplateOut(
        id=template.pk,
        name=text.name,
        changed=template.changed,
        html=text.source,
        design="" if text.source else text.design,
        format=text.format if text.body else "html",
        body=text.body or text.sample,
    )
