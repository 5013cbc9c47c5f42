"""Folders of campaigns: made, named anew, removed, and letters put into them."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.campaigns import folders as shelf
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Folder
from samizdat.web import params
from samizdat.web.base_form import refuse, sentences
from samizdat.web.campaigns.forms.campaigns import FolderForm
from samizdat.web.permissions import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.templatetags.desk import count


@door(see=EVERYONE, do=WRITERS)
def folders(request: DeskRequest) -> HttpResponse:
    form = FolderForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            shelf.add(request.organization, form.cleaned_data["name"], by=request.person, now=timezone.now())
        except CampaignError as refused:
            refuse(form, "name", refused)
        else:
            return go(request, "folders")
    facts = {"form": form, "folders": shelf.folders(request.organization), "longest": shelf.LONGEST}
    return render(request, "web/campaigns/folders.html", facts, status=422 if form.errors else 200)


@deed(WRITERS)
def rename_folder(request: DeskRequest, folder_id: int) -> HttpResponse:
    folder, form = _folder(request, folder_id), FolderForm(request.POST)
    if not form.is_valid():
        messages.error(request, sentences(form))
        return go(request, "folders")
    try:
        shelf.rename(folder, form.cleaned_data["name"], by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    return go(request, "folders")


@deed(WRITERS)
def remove_folder(request: DeskRequest, folder_id: int) -> HttpResponse:
    folder = _folder(request, folder_id)
    name = shelf.name_of(request.organization, folder)
    shelf.remove(folder, by=request.person, now=timezone.now())
    messages.success(request, _("Folder “%(name)s” deleted. Its campaigns are kept.") % {"name": name})
    return go(request, "folders")


@deed(WRITERS)
def move_campaigns(request: DeskRequest) -> HttpResponse:
    """The ticked letters go into a folder, or into none."""
    numbers = [params.number(text) for text in request.POST.getlist("letter")]
    letters = [number for number in numbers if number is not None]
    asked = request.POST.get("to", "")
    if not letters or not asked:
        messages.error(request, _("Select campaigns, then choose where to move them."))
        return go(request, "campaigns")
    wanted = params.number(asked)
    folder = _folder(request, wanted) if wanted else None
    moved = shelf.move(request.organization, letters, folder, by=request.person, now=timezone.now())
    sentence = ngettext("%(n)s campaign moved.", "%(n)s campaigns moved.", moved) % {"n": count(moved)}
    messages.success(request, sentence)
    answer = go(request, "campaigns")
    answer.headers["Location"] = f"{address(request.organization, 'campaigns')}?folder={folder.pk if folder else 0}"
    return answer


def _folder(request: DeskRequest, number: int) -> Folder:
    try:
        return shelf.folder_of(request.organization, number)
    except CampaignError:
        raise Http404 from None
