"""The stop list."""

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.audience.actions.suppressions import GIVEN
from samizdat.web.audience.field_types import STOPPED
from samizdat.web.base_form import DeskForm
from samizdat.web.settings.forms.team import AddressField

# Bytes of a file: 50,000 addresses with their lines of a table.
LARGEST = 8 * 1024 * 1024
# Characters of a paste; a form as a whole may have 4 MB.
MOST_PASTED = 3_000_000
REASONS = [(reason, STOPPED[reason]) for reason in GIVEN]


class StopLookForm(DeskForm):
    address = AddressField(label=lazy("Full email address"))


class SuppressForm(DeskForm):
    """Addresses pasted, or in a file; or both."""

    addresses = forms.CharField(
        label=lazy("Addresses"),
        required=False,
        max_length=MOST_PASTED,
        help_text=lazy("One per line. You can also paste a table: the first address of each line counts."),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocomplete": "off"}),
    )
    file = forms.FileField(
        label=lazy("Or a file"),
        required=False,
        help_text=lazy("Text or CSV, as exported from another service."),
        widget=forms.FileInput,  # Django's own takes a file away again as well, where there is none.
    )
    reason = forms.ChoiceField(label=lazy("Reason"), choices=REASONS)

    def clean_file(self) -> str:
        file = self.cleaned_data["file"]
        if file is None:
            return ""
        raw = file.read()
        if b"\0" in raw[:1000] and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise forms.ValidationError(_("This isn’t a text file. Save it as CSV and choose it again."))
        for encoding in ("utf-16",) if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "cp1251"):
            try:
                return str(raw.decode(encoding))
            except UnicodeDecodeError:
                continue
        raise forms.ValidationError(_("This isn’t a text file. Save it as CSV and choose it again."))

    def clean(self) -> dict[str, object]:
        answers = super().clean() or {}
        if not self.errors and "@" not in self.text():
            self.add_error("addresses", _("There’s no address here. Paste some addresses or choose a file."))
        return answers

    def text(self) -> str:
        return "\n".join(str(self.cleaned_data.get(name) or "") for name in ("addresses", "file")).strip("\n")


class LiftForm(DeskForm):
    address = AddressField(label=lazy("Full email address"))
    reason = forms.ChoiceField(label=lazy("Reason"), choices=REASONS)
    why = forms.CharField(
        label=lazy("Why can this address be emailed again?"),
        max_length=500,
        help_text=lazy("Recorded and stored encrypted. Consent is still needed: this alone subscribes nobody."),
    )
