"""A list rebuilt from old mailboxes and tables: uploaded here, read by the worker. Its page is an import's."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience import queries
from samizdat.audience.errors import AudienceError
from samizdat.audience.imports.documents import MailboxRules
from samizdat.audience.models import Import
from samizdat.core.mail import address
from samizdat.incoming.evidence import uploaded
from samizdat.web.audience.forms.audience import ListForm
from samizdat.web.base_form import DeskForm, sentences
from samizdat.web.imports.views import MOST_FILES, into_new_list, takes_pieces, too_fast
from samizdat.web.permissions import WRITERS, deed, door, go
from samizdat.web.request import DeskRequest
from samizdat.web.uploads import PieceUploadHandler

MOST_NAMES = 50


class MailboxesForm(DeskForm):
    """Whose mailboxes they are. An address, or @ and a domain for all addresses there, on each line."""

    own = forms.CharField(
        label=lazy("Email addresses of your group"),
        max_length=5_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "autocomplete": "off", "class": "mono"}),
        help_text=lazy("Mailboxes need them. One per line; @example.org stands for all addresses there."),
    )
    senders = forms.CharField(
        label=lazy("Your domains that sent notices"),
        max_length=2_000,
        required=False,
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocomplete": "off", "class": "mono"}),
        help_text=lazy("Only if MailPoet, Mailman or a form on your own site told you who subscribed."),
    )
    form_signups = forms.BooleanField(
        label=lazy("The forms in these logs were sign-up forms of this list"),
        required=False,
        help_text=lazy("Without this, only a “yes” to your newsletter counts as a sign-up."),
    )

    def clean_own(self) -> list[str]:
        own: list[str] = self.cleaned_data["own"].lower().replace(",", " ").split()[:MOST_NAMES]
        for text in own:
            try:
                address.normalize(f"x{text}" if text.startswith("@") else text)
            except address.BadAddress as bad:
                sentence = _("“%(text)s” isn’t an address. Write news@example.org, or @example.org for all.")
                raise forms.ValidationError(sentence % {"text": text[:100]}) from bad
        return own

    def clean_senders(self) -> list[str]:
        return [text.strip("@.") for text in self.cleaned_data["senders"].lower().replace(",", " ").split()][
            :MOST_NAMES
        ]


@door(see=WRITERS)
def old_mailboxes(request: DeskRequest) -> HttpResponse:
    """What to upload, and whose it is."""
    return _page(request, MailboxesForm(), ListForm())


def _page(request: DeskRequest, form: MailboxesForm, list_form: ListForm) -> HttpResponse:
    facts = {"form": form, "list_form": list_form, "lists": queries.lists(request.organization)}
    return render(request, "web/imports/old_mailboxes.html", facts, status=422 if form.is_bound else 200)


@deed(WRITERS)
@takes_pieces
def upload_mailboxes(request: DeskRequest, started: Import, handler: PieceUploadHandler) -> HttpResponse:
    files, form, list_form = request.FILES.getlist("files"), MailboxesForm(request.POST), ListForm(request.POST)
    needs_list = started.list_id is None
    refusal = ""
    if handler.refusal:
        refusal = handler.refusal
    elif handler.too_large:
        refusal = _("The files are larger than 500 MB together. Read them on the server: samizdat rescue mailbox")
    elif not files:
        refusal = _("Choose a file first.")
    elif len(files) > MOST_FILES:
        refusal = _("Too many files at once. Upload at most %(most)s.") % {"most": MOST_FILES}
    elif not form.is_valid():
        refusal = sentences(form)
    elif needs_list and not list_form.is_valid():
        refusal = sentences(list_form)
    refusal = refusal or too_fast(request)
    if not refusal:
        try:
            with transaction.atomic():
                if needs_list:
                    into_new_list(request, started, list_form.cleaned_data["name"])
                data = form.cleaned_data
                rules = MailboxRules(data["own"], data["senders"], data["form_signups"])
                uploaded.finish(started, [file.name or "" for file in files], rules, now=timezone.now())
        except AudienceError as refused:
            refusal = str(refused)
    if refusal:
        messages.error(request, refusal)
        return _page(request, form, list_form)
    response = go(request, "import", started.pk)
    response.upload_taken = True  # type: ignore[attr-defined]
    return response
