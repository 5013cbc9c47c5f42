"""Campaigns: the list, beginning one, copying, throwing away."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _

from samizdat import formatting
from samizdat.accounts import queries as accounts
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.campaigns import actions, folders, queries, translations
from samizdat.campaigns.drafts import copy as copying
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, NoSuchCampaign
from samizdat.campaigns.models import STATES, Campaign, Folder
from samizdat.campaigns.queries import CampaignRow
from samizdat.campaigns.templates import starter_templates
from samizdat.web import params
from samizdat.web.campaigns.forms.campaigns import EMPTY, FORMATS, BeginForm
from samizdat.web.permissions import EVERYONE, WRITERS, deed, door, go
from samizdat.web.request import DeskRequest

GROUPS: dict[str, tuple[str, ...]] = {
    "": (),
    "drafts": ("draft",),
    "scheduled": ("scheduled", "held"),
    "going": ("sending", "paused", "waiting"),
    "finished": ("finished", "cancelled"),
}
# Characters of a search.
LONGEST_SOUGHT = 100


def campaign_at(request: DeskRequest, campaign_id: int) -> Campaign:
    try:
        return queries.campaign_of(request.organization, campaign_id)
    except NoSuchCampaign:
        raise Http404 from None


def letter_at(request: DeskRequest, campaign_id: int) -> Campaign:
    """The letter; by the number of one of its versions as well."""
    return translations.whole(campaign_at(request, campaign_id))


def subject_of(draft: Draft) -> str:
    """What a page calls a letter. A link or a heading must not be empty."""
    return draft.subject or _("no subject")


@door(see=EVERYONE)
def campaigns(request: DeskRequest) -> HttpResponse:
    group = request.GET.get("show", "")
    group = group if group in GROUPS else ""
    before = params.number(request.GET.get("before", ""))
    sought = request.GET.get("q", "").strip()[:LONGEST_SOUGHT]
    shelf = {view.number: view for view in folders.folders(request.organization)}
    folder = params.number(request.GET.get("folder", ""))
    folder = folder if folder in shelf or (folder == 0 and shelf) else None
    if sought:
        rows, further = queries.searched(request.organization, sought, GROUPS[group], before, folder)
    else:
        rows = queries.newest(request.organization, GROUPS[group], before, folder=folder)
        further = rows[-1].campaign.pk if len(rows) == queries.PAGE else None
    asked = {"show": group, "q": sought, "folder": folder}
    words = {
        "": _("All"),
        "drafts": _("Drafts"),
        "scheduled": _("Scheduled"),
        "going": _("Sending"),
        "finished": _("Sent"),
    }
    facts = {
        "sought": sought,
        "rows": with_names(request.organization, rows, shelf),
        "tabs": [(word, _query(asked, show=name), name == group) for name, word in words.items()],
        "group": group,
        "folder": folder,
        "folders": list(shelf.values()),
        "shelves": _shelves(shelf, asked),
        "everything": _query(asked, q=""),
        "next": _query(asked, before=further) if further else "",
    }
    return render(request, "web/campaigns/campaigns.html", facts)


def _query(asked: dict[str, Any], **changed: object) -> str:
    """The address of the list with all that was asked for, and something else."""
    kept = {name: value for name, value in (asked | changed).items() if value not in ("", None)}
    return f"?{urlencode(kept)}"


def _shelves(shelf: dict[int, folders.FolderView], asked: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """(name, address, is it shown) of each folder to look into; [] where there are none."""
    if not shelf:
        return []
    every = [(None, _("All folders")), *((view.number, view.name) for view in shelf.values()), (0, _("In no folder"))]
    return [(name, _query(asked, folder=number), number == asked["folder"]) for number, name in every]


def _shelf_name(shelf: Mapping[int, folders.FolderView], folder: int | None) -> str:
    return shelf[folder].name if folder is not None and folder in shelf else ""


def with_names(
    organization: Organization, rows: list[CampaignRow], shelf: Mapping[int, folders.FolderView] | None = None
) -> list[tuple[CampaignRow, dict[str, str]]]:
    """Each row with the names of its list, of its folder, of its other languages and of who began it; opened once for
    the page, not once a row.
    """
    shelf = shelf or {}
    others = queries.other_languages(row.campaign.pk for row in rows)
    lists = {list_view.id: list_view.name for list_view in audience.lists(organization)}
    members = {member.person.pk: member.name for member in accounts.members(organization)}
    return [
        (
            row,
            {
                "list": lists.get(row.campaign.list_id or 0, ""),
                "by": members.get(row.campaign.created_by_id or 0, ""),
                "languages": ", ".join(sorted(formatting.language(code) for code in others.get(row.campaign.pk, ()))),
                "folder": _shelf_name(shelf, row.campaign.folder_id),
            },
        )
        for row in rows
    ]


@door(see=WRITERS, do=WRITERS)
def new_campaign(request: DeskRequest) -> HttpResponse:
    """What a letter begins with. It is a draft from then on, so that everything that is typed in it is saved."""
    organization = request.organization
    lists, last = audience.lists(organization), _last(organization)
    folder = _folder_asked(request)
    initial = (
        {"list": last.list_id, "language": last.language} if last else {"language": leading(organization).language}
    )
    form = BeginForm(request.POST if request.method == "POST" else None, initial=initial, lists=lists)
    if lists and form.is_valid():
        campaign = _begun(request, form, last)
        if folder is not None:
            folders.move(organization, [campaign.pk], folder, by=request.person, now=timezone.now())
        return go(request, "campaign", campaign.pk)
    facts = {"form": form, "lists": lists, "formats": FORMATS, "folder": folder}
    facts["folder_name"] = folders.name_of(organization, folder) if folder is not None else ""
    facts |= {"starters": starter_templates.STARTERS, "own": queries.templates(organization)}
    return render(request, "web/campaigns/new.html", facts, status=422 if form.errors else 200)


def _folder_asked(request: DeskRequest) -> Folder | None:
    """The folder that was looked at when the letter was begun; None for none, or for one that is gone."""
    number = params.number(request.POST.get("folder") or request.GET.get("folder", ""))
    try:
        return folders.folder_of(request.organization, number) if number else None
    except CampaignError:
        return None


def _last(organization: Organization) -> Campaign | None:
    rows = queries.newest(organization, limit=1)
    return rows[0].campaign if rows else None


def _begun(request: DeskRequest, form: BeginForm, last: Campaign | None) -> Campaign:
    """The new draft, from the sender of the last letter, so that nobody types it again."""
    organization, answers = request.organization, form.cleaned_data
    draft = Draft(from_name=leading(organization).name, format=answers["format"])
    if last:
        old = draft_of(last)
        draft = draft.with_(from_name=old.from_name, from_email=old.from_email, reply_to=old.reply_to)
    draft, template = starter_templates.begun(organization, answers["begin"], answers["language"], draft)
    if template is not None:
        _say_why_html(request, draft)
    return actions.create(
        organization,
        audience.list_by_id(organization, answers["list"]),
        draft if draft.body else draft.with_(body=EMPTY[draft.format]),
        by=request.person,
        now=timezone.now(),
        template=template,
        language=answers["language"],
    )


def _say_why_html(request: DeskRequest, draft: Draft) -> None:
    """Why the text of a template, or a part of it, is not blocks."""
    if draft.format == "html":
        why = _("The template text has tables or styling that blocks would lose, so it’s HTML here.")
        messages.warning(request, why)
    elif starter_templates.has_html(draft):
        kept = _("Parts with tables or their own styling stay HTML, in a separate block, so nothing is lost.")
        messages.warning(request, kept)


@deed(WRITERS)
def copy(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    duplicate = copying.copy(campaign, by=request.person, now=timezone.now())
    messages.success(request, _("Campaign duplicated. This is the copy."))
    return go(request, "campaign", duplicate.pk)


@door(see=WRITERS, do=WRITERS)
def throw_away(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    if request.method == "POST":
        try:
            actions.throw_away(campaign, by=request.person, now=timezone.now())
        except CampaignError as refused:
            messages.error(request, str(refused))
            return go(request, "campaign", campaign_id)
        messages.success(request, _("Draft deleted."))
        return go(request, "campaigns")
    return render(
        request, "web/campaigns/throw_away.html", {"campaign": campaign, "subject": subject_of(draft_of(campaign))}
    )


assert set().union(*map(set, GROUPS.values())) == set(STATES), "every state of a campaign is under some tab"
