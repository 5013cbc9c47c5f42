"""Folders of campaigns: made, named anew, removed, and letters put into them."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.campaigns import folders as shelf
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Folder
from samizdat.web import reading
from samizdat.web.doors import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.forms.base import refuse, sentences
from samizdat.web.forms.campaigns import FolderForm
from samizdat.web.templatetags.desk import count


@door(see=EVERYONE, do=WRITERS)
def folders(request: Any) -> HttpResponse:
    form = FolderForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            shelf.add(request.organisation, form.cleaned_data["name"], by=request.person, now=timezone.now())
        except CampaignError as refused:
            refuse(form, "name", refused)
        else:
            return go(request, "folders")
    facts = {"form": form, "folders": shelf.folders(request.organisation), "longest": shelf.LONGEST}
    return render(request, "web/campaigns/folders.html", facts, status=422 if form.errors else 200)


@deed(WRITERS)
def rename_folder(request: Any, folder_id: int) -> HttpResponse:
    found, form = _folder(request, folder_id), FolderForm(request.POST)
    if not form.is_valid():
        messages.error(request, sentences(form))
        return go(request, "folders")
    try:
        shelf.rename(found, form.cleaned_data["name"], by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    return go(request, "folders")


@deed(WRITERS)
def remove_folder(request: Any, folder_id: int) -> HttpResponse:
    found = _folder(request, folder_id)
    name = shelf.name_of(request.organisation, found)
    shelf.remove(found, by=request.person, now=timezone.now())
    messages.success(request, _("The folder “%(name)s” is removed. Its letters are in the list.") % {"name": name})
    return go(request, "folders")


@deed(WRITERS)
def move_campaigns(request: Any) -> HttpResponse:
    """The ticked letters go into a folder, or into none."""
    told = [reading.number(text) for text in request.POST.getlist("letter")]
    letters = [found for found in told if found is not None]
    asked = request.POST.get("to", "")
    if not letters or not asked:
        messages.error(request, _("Tick letters, and choose where they go."))
        return go(request, "campaigns")
    wanted = reading.number(asked)
    folder = _folder(request, wanted) if wanted else None
    moved = shelf.move(request.organisation, letters, folder, by=request.person, now=timezone.now())
    said = ngettext("%(n)s letter is moved.", "%(n)s letters are moved.", moved) % {"n": count(moved)}
    messages.success(request, said)
    answer = go(request, "campaigns")
    answer.headers["Location"] = f"{address(request.organisation, 'campaigns')}?folder={folder.pk if folder else 0}"
    return answer


def _folder(request: Any, number: int) -> Folder:
    try:
        return shelf.folder_of(request.organisation, number)
    except CampaignError:
        raise Http404 from None
