"""Campaigns: the list, beginning one, copying, throwing away."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

from samizdat import formatting
from samizdat.accounts import queries as accounts
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.queries.lists import ListView
from samizdat.campaigns import actions, folders, queries, translations
from samizdat.campaigns.drafts import copy as copying
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, NoSuchCampaign, StorageFull
from samizdat.campaigns.models import STATES, Campaign, Folder
from samizdat.campaigns.queries import CampaignRow
from samizdat.campaigns.senders import default_sender
from samizdat.campaigns.templates import gallery, import_template, layout_store, starter_templates
from samizdat.web import params
from samizdat.web.base_form import refuse
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
# What the page of a new campaign offers to duplicate: campaigns that went out, and how many of them.
PAST, MOST_PAST = ("finished", "sending", "paused", "waiting"), 6
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
    counts = queries.counts(request.organization)
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
        "tabs": [
            (word, _count(counts, name), _query(asked, show=name, before=None), name == group)
            for name, word in words.items()
        ],
        "lead": _lead(counts),
        "shown": None if sought or not rows else _shown(rows, group, folder, counts),
        "in_folder": _shelf_name(shelf, folder) if folder else _("In no folder") if folder == 0 else "",
        "all_folders": _query(asked, folder=None),
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


def _count(counts: Mapping[str, int], group: str) -> int:
    return sum(many for state, many in counts.items() if state in (GROUPS[group] or STATES))


def _lead(counts: Mapping[str, int]) -> str:
    """Under the title: what is being written, what waits and what goes out."""
    drafts, scheduled, going = (_count(counts, name) for name in ("drafts", "scheduled", "going"))
    parts = [ngettext("%(n)s draft", "%(n)s drafts", drafts) % {"n": formatting.grouped(drafts)}]
    if scheduled:
        parts.append(_("%(n)s scheduled") % {"n": formatting.grouped(scheduled)})
    if going:
        parts.append(_("%(n)s sending") % {"n": formatting.grouped(going)})
    return ", ".join(parts)


def _shown(rows: list[CampaignRow], group: str, folder: int | None, counts: Mapping[str, int]) -> str:
    """Which rows of how many the page has."""
    first = queries.place_in_list(rows[0], GROUPS[group], folder)
    last = first + len(rows) - 1
    if folder is None and first == 1 and last == _count(counts, group):
        return ""  # All of them are on this page.
    if folder is not None:
        return _("%(first)s to %(last)s.") % {"first": formatting.grouped(first), "last": formatting.grouped(last)}
    values = {"first": first, "last": last, "all": _count(counts, group)}
    return _("%(first)s to %(last)s of %(all)s.") % {
        name: formatting.grouped(number) for name, number in values.items()
    }


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
    lists = audience.list_names(organization)
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
    # Whoever writes the first one most likely writes it in the language in which they read this page.
    initial = {"list": last.list_id, "language": last.language} if last else {"language": get_language()}
    form = BeginForm(request.POST if request.method == "POST" else None, initial=initial, lists=lists)
    if lists and form.is_valid():
        try:
            campaign = _begun(request, form, last)
        except StorageFull as full:
            refuse(form, None, full)
        else:
            if folder is not None:
                folders.move(organization, [campaign.pk], folder, by=request.person, now=timezone.now())
            return go(request, "campaign", campaign.pk)
    facts = {"form": form, "lists": lists, "formats": FORMATS, "folder": folder}
    facts["folder_name"] = folders.name_of(organization, folder) if folder is not None else ""
    facts |= {"own": gallery.own(organization), "starters": gallery.starters(form.initial["language"])}
    past = queries.newest(organization, PAST, limit=MOST_PAST) if lists else []
    facts |= _usual(form, lists)
    facts["past"] = with_names(organization, past)
    return render(request, "web/campaigns/new.html", facts, status=422 if form.errors else 200)


def _usual(form: BeginForm, lists: Sequence[ListView]) -> dict[str, str]:
    """The list and the language of a campaign that somebody begins without choosing them."""
    names = {list_view.id: list_view.name for list_view in lists}
    number = params.number(str(form["list"].value() or ""))
    return {
        "for_list": names.get(number or 0, lists[0].name if lists else ""),
        "for_language": formatting.language_within(str(form["language"].value())),
    }


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
    """The new draft, from the sender that its list usually has."""
    organization, answers = request.organization, form.cleaned_data
    mailing_list = audience.list_by_id(organization, answers["list"])
    sender = default_sender(mailing_list, last)
    draft = Draft(
        from_name=sender.name or leading(organization).name,
        from_email=sender.email,
        reply_to=sender.reply_to,
        format=answers["format"],
    )
    draft, template = starter_templates.begun(organization, answers["begin"], answers["language"], draft)
    if template is not None:
        _say_why_html(request, draft)
    with transaction.atomic():
        campaign = actions.create(
            organization,
            mailing_list,
            draft if draft.body else draft.with_(body=EMPTY[draft.format]),
            by=request.person,
            now=timezone.now(),
            template=template,
            language=answers["language"],
        )
        layout_store.begin_as_saved(campaign)
    return campaign


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
    try:
        duplicate = copying.copy(campaign, by=request.person, now=timezone.now())
    except StorageFull as full:
        messages.error(request, str(full))
        return go(request, "campaign", campaign.pk)
    messages.success(request, _("Campaign duplicated. This is the copy."))
    return go(request, "campaign", duplicate.pk)


@door(see=WRITERS, do=WRITERS)
def save_template(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """The text and design of a campaign as a template, under a name."""
    campaign = letter_at(request, campaign_id)
    subject, refused = draft_of(campaign).subject, ""
    name = request.POST.get("name", subject[: import_template.LONGEST_NAME])
    if request.method == "POST":
        try:
            template = import_template.save_as_template(campaign, name, by=request.person, now=timezone.now())
        except CampaignError as error:
            refused = str(error)
        else:
            messages.success(request, _("Template saved. Find it under New campaign."))
            return go(request, "template", template.pk)
    facts = {"campaign": campaign, "subject": subject_of(draft_of(campaign)), "name": name, "refused": refused}
    return render(request, "web/campaigns/save_template.html", facts, status=422 if refused else 200)


@door(see=WRITERS, do=WRITERS)
def delete_draft(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    if request.method == "POST":
        try:
            actions.delete_draft(campaign, by=request.person, now=timezone.now())
        except CampaignError as refused:
            messages.error(request, str(refused))
            return go(request, "campaign", campaign_id)
        messages.success(request, _("Draft deleted."))
        return go(request, "campaigns")
    return render(
        request, "web/campaigns/delete_draft.html", {"campaign": campaign, "subject": subject_of(draft_of(campaign))}
    )


assert set().union(*map(set, GROUPS.values())) == set(STATES), "every state of a campaign is under some tab"
