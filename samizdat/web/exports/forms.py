"""What is to leave, and to whom it is sealed."""

from collections.abc import Sequence
from typing import Unpack

from django import forms
from django.utils.translation import gettext_lazy as lazy

from samizdat import plugins
from samizdat.audience.filters import Filter
from samizdat.audience.queries.lists import ListView
from samizdat.audience.segments.lookup import SavedSegment
from samizdat.portability.request import ExportRequest
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer
from samizdat.web.settings.forms.team import AddressField

FORMATS = {
    "samizdat": lazy("Samizdat: everything; can be imported into another installation"),
    "mailchimp": lazy("Mailchimp format: works with other services"),
    "csv": lazy("CSV: one row per subscriber"),
    "xlsx": lazy("Excel (XLSX): one row per subscriber"),
}
SEALS = {
    "sealed": lazy("Encrypted to keys: only the key holder can open it"),
    "passphrase": lazy("Encrypted with a passphrase: we create it and show it once"),
    "plain": lazy("Not encrypted: every admin is notified, with your reason"),
}


class ExportForm(DeskForm):
    """A wish. `keys` counts for our own format alone; `list`, `tag` and `segment` for all others."""

    format = forms.ChoiceField(label=lazy("Format"), widget=forms.RadioSelect, choices=[*FORMATS.items()])
    list = forms.TypedChoiceField(label=lazy("List"), coerce=int, required=False, empty_value=None)
    tag = forms.TypedChoiceField(label=lazy("Tag"), coerce=int, required=False, empty_value=None)
    segment = forms.TypedChoiceField(label=lazy("Segment"), coerce=int, required=False, empty_value=None)
    seal = forms.ChoiceField(label=lazy("Who can open it"), widget=forms.RadioSelect, choices=[*SEALS.items()])
    recipients = forms.CharField(
        label=lazy("Public keys"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocomplete": "off", "class": "mono"}),
        help_text=lazy("One per line, beginning with age1. `age-keygen -o key.txt` creates one and shows it."),
    )
    keys = forms.BooleanField(
        label=lazy("Include link keys"),
        required=False,
        help_text=lazy(
            "Keeps unsubscribe links in old emails working in the new installation. Only for encrypted exports in "
            "Samizdat format."
        ),
    )
    setup = forms.BooleanField(
        label=lazy("Include routes, sending domains, mailboxes and team"),
        required=False,
        help_text=lazy(
            "To move to another installation: passwords of your routes and mailboxes, DKIM keys, and who is on the "
            "team. Only for encrypted exports in Samizdat format. If there’s another admin, they have to approve it."
        ),
    )
    reason = forms.CharField(
        label=lazy("Reason for an unencrypted export"),
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=lazy("Recorded, and shown to every admin on Home."),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        lists: Sequence[ListView],
        tags: Sequence[tuple[int, str]] = (),
        segments: Sequence[SavedSegment] = (),
        fit: Filter | None = None,
        **options: Unpack[FormOptions],
    ) -> None:
        """`fit`: it is of those who fit filters or were ticked, and of nobody else."""
        own = "samizdat" if fit is None else "csv"
        options.setdefault(
            "initial", {"format": own, "seal": "sealed", "keys": True, "list": 0, "tag": 0, "segment": 0}
        )
        super().__init__(data, files, **options)
        self._fit = fit
        if fit is not None:
            for name in ("list", "tag", "segment", "keys", "setup"):
                del self.fields[name]
            offer(self, "format", [(name, word) for name, word in FORMATS.items() if name != "samizdat"])
            return
        offer(self, "list", [(0, lazy("All lists")), *((row.id, row.name) for row in lists)])
        offer(self, "tag", [(0, lazy("With and without tags")), *tags])
        offer(self, "segment", [(0, lazy("Everyone")), *((row.id, row.name) for row in segments)])

    @property
    def reason_told(self) -> str:
        return str(self.cleaned_data["reason"]) if self.cleaned_data["seal"] == "plain" else ""

    def wish(self) -> ExportRequest:
        answers = self.cleaned_data
        seal, own = answers["seal"], answers["format"] == "samizdat"
        recipients = tuple(line.strip() for line in answers["recipients"].splitlines() if line.strip())
        tag, fit = answers.get("tag"), self._fit
        listed = fit.list if fit is not None and not fit.numbers else answers.get("list")
        return ExportRequest(
            format=answers["format"],
            recipients=recipients if seal == "sealed" else (),
            lists=(listed,) if listed else (),
            keys=bool(answers.get("keys") and seal != "plain" and own),
            segment=answers.get("segment") or None,
            fit=Filter(tag=tag) if tag else fit,
            passphrase=seal == "passphrase",
            setup=bool(answers.get("setup") and seal != "plain" and own),
        )


class TraceForm(DeskForm):
    """An address that turned up somewhere."""

    address = AddressField(
        label=lazy("Address from a suspected leak"),
        help_text=lazy("Each export contains its own marker address. We’ll show which export this one was in."),
    )

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        options["prefix"] = "trace"
        super().__init__(data, files, **options)
        self.fields["address"].widget.attrs["autocomplete"] = "off"


class _NeverShown(forms.Textarea):
    """What was typed is not sent back, not even into a form that was refused."""

    def format_value(self, value: object) -> str | None:
        return None


class SecretForm(DeskForm):
    """What opens a sealed export. A box of several lines, since a key file has them."""

    secret = forms.CharField(
        label=lazy("Key or passphrase"),
        max_length=20_000,
        strip=False,
        widget=_NeverShown(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off", "class": "mono"}),
        help_text=lazy(
            "Paste the text of the key file, with the line that begins with `AGE-SECRET-KEY`, or the passphrase. "
            "It opens the file once and isn’t stored."
        ),
    )


class AccountCopyForm(DeskForm):
    """An account elsewhere that is to be copied."""

    service = forms.ChoiceField(label=lazy("Service"))
    key = forms.CharField(
        label=lazy("API key"),
        help_text=lazy("Help says where each service creates it."),
        max_length=4_000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )

    def __init__(self, data: FormData = None, files: FormFiles = None, **options: Unpack[FormOptions]) -> None:
        super().__init__(data, files, **options)
        offer(self, "service", sorted((kind.name, kind.label) for kind in plugins.account_kinds().values()))
