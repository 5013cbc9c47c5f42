"""Seeing a letter before it goes: every view, its weight, tests to several, and a link for somebody outside."""

from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from samizdat.accounts import queries as accounts
from samizdat.accounts import sealed_people
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.models import Subscriber
from samizdat.campaigns import seed_list, translations
from samizdat.campaigns.archive import share_links
from samizdat.campaigns.content import proof_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.render import fill
from samizdat.web import read_limits
from samizdat.web.campaigns import preview_modes, previews
from samizdat.web.campaigns import translations as spoken
from samizdat.web.campaigns.views.campaigns import campaign_at, letter_at
from samizdat.web.permissions import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest


@door(see=EVERYONE)
def preview_page(request: DeskRequest, campaign_id: int) -> HttpResponse:
    return _page(request, campaign_at(request, campaign_id))


def _page(request: DeskRequest, campaign: Campaign, link: str = "", status: int = 200) -> HttpResponse:
    """`link`: one that was made just now, and is shown this once. What was refused stands in its form again."""
    now = timezone.now()
    proof = proof_of(campaign, now)
    reader, asked = _reader(request, proof)
    view = request.GET.get("view", "") if request.GET.get("view", "") in preview_modes.LOOKS else "phone"
    spoken_lines = preview_modes.lines(proof, reader.values)
    draft = draft_of(campaign)
    facts = {
        "campaign": campaign,
        "whole": translations.whole(campaign),
        "languages": spoken.tabs(campaign, now),
        "draft": draft,
        "view": view,
        "look": preview_modes.LOOKS[view],
        "looks": preview_modes.LOOKS.items(),
        "reader": reader,
        "asked": asked,
        "text": previews.text(proof, reader.values) if view == "text" else "",
        "said": spoken_lines if view == "aloud" else (),
        "nameless": preview_modes.nameless(spoken_lines),
        "weights": preview_modes.weights(proof, reader.values),
        "wide": previews.too_wide(fill(proof.letter.html, reader.values))
        if "narrow" in preview_modes.LOOKS[view].classes
        else "",
        "gmail": preview_modes.GMAIL,
        "stopped": proof.compiled is None,
        "link": link,
        "typed": request.POST,
        "ticked": request.POST.getlist("to") or ["me"],
        **(_to_whom(request, campaign) if request.role in WRITERS else {}),
    }
    return render(request, "web/campaigns/preview.html", facts, status=status)


# What the page asks for where nobody has that number or address.
NOBODY = "nobody"


@deed(WRITERS)
def preview_as(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """On to the letter as a subscriber gets it, by their number. Who it is comes by POST: an address stands in no URL,
    and asking for one is a search."""
    campaign, asked = campaign_at(request, campaign_id), request.POST.get("as", "").strip()
    place = {} if request.POST.get("page") == "campaign" else {"view": request.POST.get("view", "")[:20]}
    if asked:
        place["as"] = str(read_limits.asked_for(request, asked) or NOBODY)
    return go(request, "preview-page" if "view" in place else "campaign", campaign.pk, query=urlencode(place))


def _reader(request: DeskRequest, proof: CompileProof) -> tuple[preview_modes.PreviewReader, str]:
    asked = request.GET.get("as", "").strip()[:20]
    return preview_modes.reader_for(request, asked, proof), asked


def _to_whom(request: DeskRequest, campaign: Campaign) -> dict[str, object]:
    campaign = translations.whole(campaign)  # Somebody outside is shown all languages, and agrees to all of them.
    members = accounts.members(request.organization)
    return {
        "colleagues": [member for member in members if member.person != request.person],
        "seeds": seed_list.seeds(request.organization),
        "most_seeds": seed_list.MOST,
        "shares": share_links.links(campaign, timezone.now()),
        "can_share": campaign.state in share_links.OPEN_STATES,
        "days": share_links.DAYS,
    }


@door(see=EVERYONE)
def preview_frame(request: DeskRequest, campaign_id: int, kind: str) -> HttpResponse:
    """The letter by itself, for the frame of that page."""
    campaign, now = campaign_at(request, campaign_id), timezone.now()
    reader, _asked = _reader(request, proof_of(campaign, now))
    return previews.framed(preview_modes.frame(campaign, now, kind, reader.values))


# -- tests --


@deed(WRITERS)
def send_tests(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """One letter to each of the ticked: oneself, colleagues by their numbers, the seed list, and any others.

    With the values of a chosen reader it goes to people who may see them at the desk, and to nobody else.
    """
    campaign = campaign_at(request, campaign_id)
    addresses, reader = _addresses(request), None
    if not addresses:
        messages.error(request, _("Select at least one recipient."))
        return _page(request, campaign, status=422)
    if request.POST.get("as"):
        reader = _whose(request, addresses)
        if reader is None:
            messages.error(
                request, _("A test with a subscriber’s own data goes only to you and to teammates who write campaigns.")
            )
            return _page(request, campaign, status=422)
    then = f"{address(request.organization, 'preview-page', campaign_id)}?tested=1#tests"
    number = reader.number if reader is not None else 0
    return ask(
        request, "test", campaign.pk, then, to=addresses, letters=[(campaign.pk, 0)], reader=number, several=True
    )


def _whose(request: DeskRequest, addresses: list[str]) -> Subscriber | None:
    """The reader whose values the tests shall have; None where somebody is among the addresses who may not see them."""
    members = accounts.members(request.organization)
    may = {member.email.casefold() for member in members if member.role in WRITERS}
    if {email.casefold() for email in addresses} - may:
        return None
    return read_limits.reader_numbered(request, request.POST["as"], mailed=True)


def _addresses(request: DeskRequest) -> list[str]:
    """Each once, in the order of the page."""
    ticked = set(request.POST.getlist("to"))
    addresses = [sealed_people.email_of(request.person)] if "me" in ticked else []
    for member in accounts.members(request.organization):
        if str(member.person.pk) in ticked and member.person != request.person:
            addresses.append(member.email)
    if "seeds" in ticked:
        addresses += seed_list.seeds(request.organization)
    addresses += [line.strip() for line in request.POST.get("others", "")[:4000].splitlines() if line.strip()][
        : seed_list.MOST
    ]
    return list({address.casefold(): address for address in addresses}.values())


@deed(WRITERS)
def save_seeds(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = campaign_at(request, campaign_id)
    lines = request.POST.get("seeds", "")[:20_000].splitlines()
    try:
        kept = seed_list.keep(request.organization, lines, now=timezone.now(), by=request.person)
    except CampaignError as refused:
        messages.error(request, str(refused))
        return _page(request, campaign, status=422)
    else:
        text = ngettext("%(n)s test recipient saved.", "%(n)s test recipients saved.", len(kept))
        messages.success(request, text % {"n": len(kept)})
    return redirect(f"{address(request.organization, 'preview-page', campaign_id)}?tested=1#tests")


# -- somebody outside --


@door(see=WRITERS, do=WRITERS)
def share(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Makes a link and shows it, once: there is nothing to look it up in."""
    campaign = letter_at(request, campaign_id)
    if request.method != "POST":
        return go(request, "preview-page", campaign_id, anchor="share")
    try:
        token = share_links.share(campaign, request.POST.get("note", ""), now=timezone.now(), by=request.person)
    except CampaignError as refused:
        messages.error(request, str(refused))
        return go(request, "preview-page", campaign_id, anchor="share")
    path = reverse("shared-campaign", args=[token])
    # Whoever works on the machine itself has another name for the desk than the rest of the world.
    desk = leading(request.organization).desk_url.rstrip("/")
    return _page(request, campaign, f"{desk}{path}" if desk else request.build_absolute_uri(path))


@deed(WRITERS)
def end_share(request: DeskRequest, campaign_id: int, share_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    if not share_links.withdraw(campaign, share_id, now=timezone.now(), by=request.person):
        raise Http404
    messages.success(request, _("Link revoked."))
    return go(request, "preview-page", campaign_id, anchor="share")
