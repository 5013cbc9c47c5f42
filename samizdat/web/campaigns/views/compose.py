"""The page on which a letter is written: its form, saving while somebody types, previews, a test."""

import json
from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from msgspec import structs

from samizdat import formatting
from samizdat.accounts import sealed_people
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.audience.models import Subscriber
from samizdat.audience.segments import lookup
from samizdat.campaigns import actions, queries, translations
from samizdat.campaigns.brand import brand_of, look_of
from samizdat.campaigns.content import findings, proof_of, values_of
from samizdat.campaigns.drafts import autosave as together
from samizdat.campaigns.drafts.autosave import SaveResult
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.errors import CampaignError, DraftChangedMeanwhile
from samizdat.campaigns.merge_tag_menu import offered
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import convert_format, layout
from samizdat.core.consent import PURPOSES
from samizdat.core.content.blocks import BadDocument
from samizdat.core.content.blocks.merge_versions import numbered_body
from samizdat.core.content.compile import CompileProof
from samizdat.core.languages import direction
from samizdat.delivery import campaign_checks
from samizdat.delivery.actions import remote_checks
from samizdat.delivery.actions.testing import TestResult
from samizdat.delivery.audience_size import quick_count
from samizdat.delivery.models import RemoteCheck
from samizdat.web import params, read_limits
from samizdat.web.base_form import refuse, sentences
from samizdat.web.campaigns import comments_panel, editor_strings, previews
from samizdat.web.campaigns import translations as spoken
from samizdat.web.campaigns.forms.campaigns import FORMATS, LONGEST_BODY, ROWS, ComposeForm
from samizdat.web.campaigns.views.campaigns import campaign_at, subject_of
from samizdat.web.permissions import EVERYONE, WRITERS, address, deed, door, go
from samizdat.web.remote_checks import ask
from samizdat.web.request import DeskRequest

# What a preview of a letter that is being typed is made of.
LOOKED_AT = ("subject", "preheader", "from_name", "from_email", "reply_to", "format", "body")
# Ways of looking at a letter while it is written; the first is shown first.
VIEWS = ("phone", "desk", "dark", "text", "off")
# What the rail shows; the first is shown first.
PANELS = ("settings", "checks", "preview", "comments", "history")


def _form(request: DeskRequest, draft: Draft, campaign: Campaign) -> ComposeForm:
    organization = request.organization
    initial: dict[str, Any] = {name: getattr(draft, name) for name in Draft.__struct_fields__}
    if draft.format == "blocks":  # What two people save is brought together by these names.
        initial["body"] = numbered_body(draft.body)
    initial |= {
        "version": campaign.version,
        "list": campaign.list_id,
        "tag": campaign.tag_id or "",
        "segment": campaign.segment_id or "",
        "purpose": PURPOSES[campaign.purpose],
        "template": campaign.template_id or ("" if draft.design == "carbon" else draft.design),
        "language": campaign.language,
        "archive": "unlisted" if campaign.archive_hidden else "listed",
    }
    return ComposeForm(
        request.POST if request.method == "POST" else None,
        initial=initial,
        lists=audience.lists(organization, besides=campaign.list_id),
        tags=_tags(organization, campaign),
        segments=_segments(organization, campaign),
        templates=queries.templates(organization),
        is_version=campaign.version_of_id is not None,
        is_again=campaign.resend_of_id is not None or bool(campaign.welcome),
        is_to_few=not campaign.goes_to_all,
    )


def _tags(organization: Organization, campaign: Campaign) -> list[tuple[int, str]]:
    """As _segments."""
    offered = audience.tags(organization)
    if campaign.tag and campaign.tag.removed:
        offered.append((campaign.tag.pk, _("a deleted tag")))
    return offered


def _segments(organization: Organization, campaign: Campaign) -> list[tuple[int, str]]:
    """Those that a letter can go to. A removed one stays chosen until somebody chooses anew, or it would go to all."""
    offered = [(view.id, view.name) for view in lookup.segments(organization)]
    if campaign.segment and campaign.segment.removed:
        offered.append((campaign.segment.pk, _("a deleted segment")))
    return offered


def _choices(organization: Organization, form: ComposeForm) -> dict[str, object]:
    """The rows behind the numbers that were chosen; the form offers those of this organization alone."""
    answers = form.cleaned_data
    chosen = {name: _row(organization, name, answers[name]) for name in ROWS if name in answers}
    if form.is_version:
        return chosen
    if form.is_again:
        return chosen | {"language": answers["language"]}
    # A page that does not ask keeps what was chosen.
    archive = answers["archive"] or form.initial["archive"]
    return chosen | {
        "purpose": answers["purpose"] or form.initial["purpose"],
        "language": answers["language"],
        "archive_hidden": archive == "unlisted",
    }


def _row(organization: Organization, name: str, number: int | str | None) -> object:
    """None for a frame of ours, too: which one is part of the draft."""
    return getattr(organization, f"{name}s").filter(pk=number).first() if isinstance(number, int) and number else None


def _tell_gone(form: ComposeForm) -> str:
    """What is said where something that was chosen had been removed; "" else."""
    if not form.gone:
        return ""
    names = ", ".join(str(form.fields[name].label) for name in form.gone)
    return _("Deleted in the meantime and not selected: %(names)s. Reload the page and choose again.") % {
        "names": names
    }


@door(see=EVERYONE, do=WRITERS)
def campaign(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Writing: the letter, what is wrong with it, and how readers will see it."""
    campaign = campaign_at(request, campaign_id)
    if campaign.state != "draft":
        report = address(request.organization, "report", translations.whole(campaign).pk)
        return comments_panel.unsaved(request, report) if request.method == "POST" else redirect(report)
    form = _form(request, draft_of(campaign), campaign)
    theirs, is_own = None, False
    if form.is_valid():
        try:
            _tell_merged(request, _save(request, campaign, form))
        except DraftChangedMeanwhile as overtaken:
            refuse(form, None, overtaken)
            campaign = campaign_at(request, campaign_id)
            theirs, is_own = draft_of(campaign), overtaken.is_own
        except CampaignError as refused:
            refuse(form, None, refused)
        else:
            if gone := _tell_gone(form):  # Nothing is sent to others than those who were chosen.
                messages.warning(request, gone)
                return go(request, "campaign", campaign.pk)
            return _then(request, campaign)
    facts = _compose_facts(request, campaign) | {"form": form, "theirs": theirs, "is_own": is_own}
    facts |= _writing_facts(request, form, campaign) | comments_panel.comment_facts(request.organization, campaign)
    facts |= _language_facts(campaign) | {"parts": layout.parts(campaign), "panel": _panel(request), "edge": True}
    return render(request, "web/campaigns/compose.html", facts, status=422 if form.errors else 200)


def _panel(request: DeskRequest) -> str:
    """What the rail shows: what the address asks for, checks to whoever may not write."""
    if "as" in request.GET:
        return "preview"
    offered = PANELS if request.role in WRITERS else PANELS[1:]
    return asked if (asked := request.GET.get("panel", "")) in offered else offered[0]


def _then(request: DeskRequest, campaign: Campaign) -> HttpResponse:
    """What the pressed button wants of the letter, now that it is saved: nothing that was typed may get lost."""
    if request.POST.get("then") == "send":
        return go(request, "send", translations.whole(campaign).pk)
    if request.POST.get("then") == "look":
        return go(request, "preview-page", campaign.pk)
    if request.POST.get("then") == "template":
        return go(request, "save-template", translations.whole(campaign).pk)
    if request.POST.get("then") == "tests":
        return go(request, "preview-page", campaign.pk, anchor="tests")
    if request.POST.get("then") == "language":
        return _add_language(request, campaign)
    mails = request.POST.get("then") == "test"
    try:
        reader = read_limits.reader_numbered(request, _asked(request), mailed=mails)
    except read_limits.TooFast as fast:  # What was typed is saved by now, and is not sent a second time.
        messages.error(request, _("Saved.") + " " + read_limits.sentence(fast.seconds))
        return go(request, "campaign", campaign.pk)
    there = address(request.organization, "campaign", campaign.pk) + (f"?as={reader.number}" if reader else "")
    if mails:
        return send_test(request, campaign, sealed_people.email_of(request.person), there, reader=reader)
    if request.POST.get("then") in dict(FORMATS):
        _switch(request, campaign, request.POST["then"])
    elif code := request.POST.get("remove"):
        _remove_flaw(request, campaign, code)
    return redirect(there)


def _add_language(request: DeskRequest, campaign: Campaign) -> HttpResponse:
    """Begins a version with what was just saved, of whichever version it was."""
    whole = translations.whole(campaign)
    try:
        asked = request.POST.get("language_new", "")
        version = translations.add(whole, asked, by=request.person, now=timezone.now(), like=campaign)
    except CampaignError as refused:
        messages.error(request, str(refused))
        return go(request, "campaign", campaign.pk)
    messages.success(
        request, _("Here is the text to translate. It stays a draft until the campaign is sent or scheduled.")
    )
    return go(request, "campaign", version.pk)


def _remove_flaw(request: DeskRequest, campaign: Campaign, code: str) -> None:
    """Takes out tags that work only inside Mailchimp, by the button beside the flaw."""
    try:
        actions.remove_flawed(campaign, code, version=campaign.version, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("Removed and saved."))


def send_test(
    request: DeskRequest,
    campaign: Campaign,
    to: str,
    then: str,
    others: Iterable[Any] = (),
    reader: Subscriber | None = None,
) -> HttpResponse:
    """One test letter of each version, and of `others`, and then a page. reader: whose values it has, which only
    somebody who writes may be sent.
    """
    letters = [
        (letter.pk, version) for letter in (campaign, *others) for version in range(letter.variants.count() or 1)
    ]
    return ask(request, "test", campaign.pk, then, to=[to], letters=letters, reader=reader.number if reader else 0)


def tell_test(request: DeskRequest, question: RemoteCheck, answer: dict[str, Any]) -> None:
    """What became of test letters, of one address or of several."""
    asked = remote_checks.words_of(question)
    tried = [TestResult(**result) for result in answer["tried"]]
    if asked.get("several"):
        taken = sum(result.ok for result in tried)
        if taken:
            text = ngettext("%(n)s test sent.", "%(n)s tests sent.", taken)
            messages.success(request, text % {"n": taken})
        for result in tried:
            if not result.ok:
                messages.error(request, f"{result.address}: {result.sentence}")
        return
    for result in tried:
        if result.ok:
            sentence = _("Test sent to %(address)s.") % {"address": result.address}
            if asked["reader"]:
                sentence += " " + _("It uses the data of subscriber No. %(number)s.") % {
                    "number": formatting.grouped(asked["reader"])
                }
            messages.success(request, sentence)
        else:
            messages.error(request, result.sentence)


def _save(request: DeskRequest, campaign: Campaign, form: ComposeForm) -> SaveResult:
    """Over the version that was opened; "over" is pressed by whoever has seen the other one."""
    version = params.number(request.POST.get("over", "")) or form.cleaned_data["version"] or 0
    return together.save(
        campaign,
        form.draft(),
        version=version,
        by=request.person,
        now=timezone.now(),
        page=form.cleaned_data["page"],
        **_choices(request.organization, form),
    )


def _tell_merged(request: DeskRequest, saved: SaveResult) -> None:
    if saved.overruled:
        messages.warning(
            request,
            _("A field in Settings was edited twice at the same time. Yours was kept; the other is in the comments."),
        )
    if saved.doubled:
        messages.warning(
            request, _("A block was edited twice at the same time. Both versions are in the email: keep one.")
        )
    elif saved.merged and saved.writers:
        messages.success(request, _("A colleague edited this campaign too. It contains both your changes."))


def _switch(request: DeskRequest, campaign: Campaign, to: str) -> None:
    try:
        convert_format.switch(campaign, to, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))


def _writing_facts(request: DeskRequest, form: ComposeForm, campaign: Campaign) -> dict[str, object]:
    """What the letter's part of the form needs: the editor's words, and the text for whoever has no script."""
    body, format_ = form["body"].value() or "", form["format"].value()
    brand = brand_of(request.organization)
    theme = look_of(request.organization, leading(request.organization), brand).in_design(draft_of(campaign).design)
    return {
        "formats": [(name, label, name == format_) for name, label in FORMATS],
        "still": comments_panel.still(format_, body),
        "editor": editor_strings.facts(offered(request.organization, campaign.language), campaign.language, body)
        if request.role in WRITERS
        else {},
        "subject_count": editor_strings.counted(form["subject"].value() or ""),
        "letter_look": editor_strings.look(theme),
        "logo": {"slug": brand.logo, "width": theme.logo_width, "alt": theme.logo_alt} if theme.logo else None,
        "own_address": sealed_people.email_of(request.person),
    }


def _compose_facts(request: DeskRequest, campaign: Campaign) -> dict[str, object]:
    organization, now = request.organization, timezone.now()
    proof = proof_of(campaign, now)
    try:
        values, seen = _values(request, campaign, proof)
    except read_limits.TooFast:
        if request.method != "POST":
            raise
        values, seen = previews.sample(), None  # What was typed and refused must stay on the page.
    asking, failed = remote_checks.about_links(campaign, now)
    counted = read_limits.may_count(request, campaign)
    return {
        "campaign": campaign,
        "subject": draft_of(campaign).subject,
        "checks": previews.checks(
            proof, draft_of(campaign), campaign_checks.look(campaign, now, proof=proof, counted=counted)
        ),
        "asking": asking,
        "refused": failed,
        "text": previews.text(proof, values),
        "seen": seen,
        "asked": _asked(request),
        "view": request.POST.get("view") if request.POST.get("view") in VIEWS else VIEWS[0],
        "fields": audience.fields(organization),
        "pictures": [
            (picture, previews.picture_url(organization, picture)) for picture in queries.pictures(organization, 12)
        ],
        "count": quick_count(campaign, now) if counted else None,
        "list_name": audience.name_of(campaign.list),
    }


def _language_facts(campaign: Campaign) -> dict[str, object]:
    """Of the page around a draft; what is saved while somebody writes asks for none of it."""
    return {
        "languages": spoken.tabs(campaign, timezone.now()),
        "languages_offered": spoken.offered(campaign),
        "language_name": formatting.language(campaign.language),
        "fallback_name": formatting.language(translations.whole(campaign).language),
        "direction": direction(campaign.language),
        "whole_subject": subject_of(draft_of(translations.whole(campaign))),
    }


def _asked(request: DeskRequest) -> str:
    """The number of the reader that the preview is for: from the address, or from the page that saves itself."""
    return str(request.POST.get("as") or request.GET.get("as", ""))[:20]


def _values(
    request: DeskRequest, letter: Campaign, proof: CompileProof | None = None
) -> tuple[dict[str, str], int | None]:
    """What a letter is made out with: a chosen reader's own values, or invented ones."""
    reader = read_limits.reader_numbered(request, _asked(request))
    if reader is None:
        return previews.sample(), None
    return previews.sample() | values_of(reader, proof or proof_of(letter, timezone.now())), reader.number


@deed(WRITERS)
def autosave(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """Saves while somebody writes. What depends on the text is asked for afterwards, so that a save is quick."""
    campaign = campaign_at(request, campaign_id)
    form = _form(request, draft_of(campaign), campaign)
    problem, stored = "", None
    if campaign.state != "draft":
        problem = _("Not saved: this campaign is no longer a draft. Copy your text and paste it into a duplicate.")
    elif form.is_valid():
        try:
            stored = _save(request, campaign, form)
        except DraftChangedMeanwhile as overtaken:
            problem = _("Not saved: a colleague changed the text too. Press Save to see both versions.")
            if overtaken.is_own:
                problem = _("Not saved: you changed the text in another tab too. Press Save to see both versions.")
        except CampaignError as refused:
            problem = _("Not saved: %(why)s") % {"why": refused}
    else:
        problem = _("Not saved: %(why)s") % {"why": sentences(form)}
    facts: dict[str, Any] = {
        "campaign": campaign,
        "problem": problem,
        "version": campaign.version,
        "gone": _tell_gone(form),
    }
    if problem:
        facts["version"] = form.cleaned_data.get("version") or campaign.version
    elif stored and stored.merged:
        facts |= {
            "merged": stored.draft.body,
            "stored": stored,
            "envelope": _envelope(campaign, stored),
        } | comments_panel.comment_facts(request.organization, campaign)
    elif stored and stored.completed:
        facts["completed"] = stored.draft.body
    return render(request, "web/campaigns/parts/saved.html", facts)


def _envelope(campaign: Campaign, stored: SaveResult) -> str:
    """What the other fields of the form say now, for the page that is typed in."""
    chosen = {
        "list": campaign.list_id,
        "tag": campaign.tag_id,
        "segment": campaign.segment_id,
        "template": campaign.template_id,
    }
    archive = "unlisted" if campaign.archive_hidden else "listed"
    values = structs.asdict(stored.draft) | chosen | {"language": campaign.language, "archive": archive}
    values["purpose"] = PURPOSES[campaign.purpose]
    fields = {
        name: "" if value is None else str(value) for name, value in values.items() if name not in ("body", "format")
    }
    return json.dumps(fields, ensure_ascii=False)


@door(see=WRITERS)
def show_sidebar(request: DeskRequest, campaign_id: int) -> HttpResponse:
    """What stands beside a letter and depends on its text: checks, and the plain part."""
    return render(
        request, "web/campaigns/parts/sidebar.html", _compose_facts(request, campaign_at(request, campaign_id))
    )


@door(see=EVERYONE)
def preview(request: DeskRequest, campaign_id: int, kind: str) -> HttpResponse:
    """The letter by itself, for a frame: `light`, `dark` or `off` (pictures off). It has a policy of its own."""
    campaign = campaign_at(request, campaign_id)
    values, _seen = _values(request, campaign)
    return previews.framed(previews.page(campaign, timezone.now(), kind, values))


@deed(WRITERS)
def preview_unsaved(request: DeskRequest, campaign_id: int, kind: str) -> HttpResponse:
    """The same of what is being typed. Nothing is saved by looking."""
    campaign = campaign_at(request, campaign_id)
    typed = {name: request.POST.get(name, "") for name in LOOKED_AT}
    draft = Draft(**typed, design=draft_of(campaign).design)
    if len(draft.body) > LONGEST_BODY or draft.format not in dict(FORMATS):
        raise Http404
    at = request.POST.get("at", "")
    values, _seen = _values(request, campaign)
    try:
        page = previews.page(
            campaign, timezone.now(), kind, values, draft, int(at) if at.isdecimal() and len(at) < 5 else 0
        )
    except BadDocument as bad:
        page = escape(findings((bad.flaw,))[0].sentence)
    return previews.framed(page)
