"""Templates of the organization's own: the list, taking one in, and one with its preview."""

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns import brand
from samizdat.campaigns.content import pictures_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Template
from samizdat.campaigns.rendering import render as compiled
from samizdat.campaigns.templates import gallery, import_template, layout, layout_store
from samizdat.core.content.render import Content
from samizdat.core.content.templates.layout import arranged
from samizdat.core.content.templates.template_zip import MAX_ZIP
from samizdat.web.campaigns import previews
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.uploads import MemoryUploadHandler, handler_of, takes_files


@door(see=EVERYONE)
def templates(request: DeskRequest) -> HttpResponse:
    return render(request, "web/templates.html", _facts(request))


def _facts(request: DeskRequest) -> dict[str, Any]:
    language = leading(request.organization).language
    return {"own": gallery.own(request.organization), "starters": gallery.starters(language)}


@deed(WRITERS)
@takes_files(lambda request: MemoryUploadHandler(request, limit=MAX_ZIP + 1))
def upload_template(request: DeskRequest) -> HttpResponse:
    """Answers with what became of the file, which is told once."""
    file = request.FILES.get("file")
    if handler_of(request, MemoryUploadHandler).too_large:
        return _refused(request, _("The file is larger than 20 MB. Make its pictures smaller and import it again."))
    if file is None:
        return _refused(request, _("Choose a file first."))
    file_name = file.name or ""
    name = request.POST.get("name", "").strip() or file_name.rpartition(".")[0][: import_template.LONGEST_NAME]
    try:
        report = import_template.take_in(
            request.organization, name, file.read(), by=request.person, now=timezone.now(), file=file_name
        )
    except CampaignError as refused:
        return _refused(request, str(refused))
    facts = {"report": report, "name": name, "parts": layout.outline(report.template)}
    facts["wide"] = previews.too_wide(_seen(report.template))
    return render(request, "web/template_imported.html", facts)


def _refused(request: DeskRequest, why: str) -> HttpResponse:
    """The same page with the name that was typed: a file cannot be kept in a form, a name can."""
    messages.error(request, why)
    typed = request.POST.get("name", "")
    return render(request, "web/templates.html", _facts(request) | {"typed": typed}, status=422)


def _template_at(request: DeskRequest, template_id: int) -> Template:
    template = request.organization.templates.filter(pk=template_id).first()
    if template is None:
        raise Http404
    return template


@door(see=EVERYONE)
def template_preview(request: DeskRequest, template_id: int, kind: str) -> HttpResponse:
    """The template with what stood where the letter goes; for a frame."""
    template = _template_at(request, template_id)
    if kind not in previews.KINDS:
        raise Http404
    return previews.framed(previews.shown_at_desk(request.organization, _seen(template, kind)))


def _seen(template: Template, kind: str = "light") -> str:
    organization, text = template.organization, layout_store.text_of(template)
    content = Content(
        subject=leading(organization).name,
        body=text.body or text.sample or "<p>…</p>",
        format=text.format if text.body else "html",  # type: ignore[arg-type]
        from_name=leading(organization).name,
        from_address="",
        template=arranged(text.source, text.places) if text.source else "",
        design=text.design,
        pictures=pictures_of(organization, leading(organization).public_url, text.body),
        language=leading(organization).language,
        organization=leading(organization).name,
        postal_address=leading(organization).postal_address,
        website=leading(organization).public_url,
        look=brand.look_of(organization, leading(organization)),
        fields=dict.fromkeys(import_template.ALWAYS, ""),
    )
    there = timezone.now().astimezone(ZoneInfo(organization.timezone))
    letter = compiled(organization, content, now=there, images=kind != "off")
    return previews.settled(letter, previews.sample(), kind)


@door(see=EVERYONE, do=WRITERS)
def one_template(request: DeskRequest, template_id: int) -> HttpResponse:
    """How it looks, its name, and what would become of drafts without it."""
    template = _template_at(request, template_id)
    if request.method == "POST":
        try:
            import_template.rename(template, request.POST.get("name", ""), by=request.person, now=timezone.now())
        except CampaignError as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("Saved."))
        return go(request, "template", template_id)
    facts = {
        "template": template,
        "name": layout_store.name_of(template),
        "drafts": import_template.drafts_in(template),
        "wide": previews.too_wide(_seen(template)),
    }
    return render(request, "web/template.html", facts)


@deed(WRITERS)
def remove_template(request: DeskRequest, template_id: int) -> HttpResponse:
    import_template.remove(_template_at(request, template_id), by=request.person, now=timezone.now())
    messages.success(request, _("Template deleted. Drafts that used it now use the built-in template."))
    return go(request, "templates")
