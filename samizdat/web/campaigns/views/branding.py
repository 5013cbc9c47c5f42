"""How letters look: colors, fonts, logo and words, with a letter that shows them."""

from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns import brand
from samizdat.campaigns.brand import BrandSettings
from samizdat.campaigns.errors import BrandRefused
from samizdat.campaigns.media import library
from samizdat.campaigns.rendering import render as compiled
from samizdat.campaigns.templates import starter_templates
from samizdat.core.content.blocks import dumps
from samizdat.core.content.render import Content
from samizdat.web.base_form import refuse
from samizdat.web.campaigns import previews
from samizdat.web.campaigns.forms.branding import BrandForm
from samizdat.web.permissions import EVERYONE, WRITERS, door, go
from samizdat.web.request import DeskRequest


def _form(request: DeskRequest, data: QueryDict | None, now: BrandSettings) -> BrandForm:
    views, _more = library.library(request.organization, "")
    offered = [(view.picture.slug, view.facts.name or _("untitled")) for view in views]
    if now.logo and now.logo not in dict(offered):
        offered.append((now.logo, _("current logo")))
    return BrandForm(data, initial=BrandForm.initial_of(now), pictures=offered)


@door(see=EVERYONE, do=WRITERS)
def branding(request: DeskRequest) -> HttpResponse:
    """Saves, or shows what was chosen without saving: the button decides."""
    stored = brand.brand_of(request.organization)
    form = _form(request, request.POST or None, stored)
    shown = stored
    if form.is_valid():
        shown = form.brand()
        if "look" not in request.POST:
            try:
                brand.keep(request.organization, shown, by=request.person, now=timezone.now())
            except BrandRefused as refused:
                refuse(form, refused.field, refused)
            else:
                messages.success(request, _("Saved. Emails look like this from now on."))
                return go(request, "branding")
    facts = {
        "form": form,
        "chosen": urlencode(BrandForm.initial_of(shown)) if shown != stored else "",
        "usual": stored == brand.USUAL,
    }
    return render(request, "web/branding.html", facts, status=422 if form.errors else 200)


def _letter(organization: Organization, kind: str, shown: BrandSettings) -> str:
    """A digest, since it has most kinds of blocks, and an appeal below it."""
    language = leading(organization).language
    digest, appeal = (starter_templates.document_of(name, language) for name in ("digest", "appeal"))
    content = Content(
        subject=leading(organization).name,
        body=dumps({**digest, "content": [*digest["content"], *appeal["content"][-3:-1]]}),
        format="blocks",
        from_name=leading(organization).name,
        from_address="",
        language=language,
        organization=leading(organization).name,
        postal_address=leading(organization).postal_address,
        website=leading(organization).public_url,
        look=brand.look_of(organization, leading(organization), shown),
        fields={"FNAME": ""},
    )
    there = timezone.now().astimezone(ZoneInfo(organization.timezone))
    letter = compiled(organization, content, now=there, images=kind != "off")
    return previews.shown_at_desk(organization, previews.settled(letter, previews.sample(), kind))


@door(see=EVERYONE)
def branding_preview(request: DeskRequest, kind: str) -> HttpResponse:
    """A letter in the colors of the address, or in the stored ones; for a frame."""
    if kind not in previews.KINDS:
        raise Http404
    shown = brand.brand_of(request.organization)
    if request.GET:
        form = _form(request, request.GET, shown)
        if form.is_valid():
            shown = form.brand()
    return previews.framed(_letter(request.organization, kind, shown))
