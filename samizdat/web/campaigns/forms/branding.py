"""How letters look."""

from typing import Unpack

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from msgspec.structs import asdict

from samizdat.campaigns.brand import COLORS, LONGEST_WORDS, WIDEST_LOGO, BrandSettings
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer

FONTS = [
    ("", lazy("As in the email design")),
    ("georgia", "Georgia"),
    ("times", "Times New Roman"),
    ("arial", "Arial, Helvetica"),
    ("verdana", "Verdana"),
    ("tahoma", "Tahoma"),
    ("trebuchet", "Trebuchet"),
    ("courier", "Courier New"),
]


def _color(name: str) -> forms.CharField:
    return forms.CharField(label=COLORS[name], max_length=7, widget=forms.TextInput(attrs={"type": "color"}))


class BrandForm(DeskForm):
    text, paper, ground, link, button = (_color(name) for name in COLORS)
    text_font = forms.ChoiceField(label=lazy("Text font"), choices=FONTS, required=False)
    heading_font = forms.ChoiceField(label=lazy("Heading and button font"), choices=FONTS, required=False)
    logo = forms.ChoiceField(
        label=lazy("Logo"),
        required=False,
        help_text=lazy("An image from Media. Without one, your name is shown as text."),
    )
    logo_width = forms.IntegerField(label=lazy("Logo width, pixels"), min_value=20, max_value=WIDEST_LOGO)
    logo_alt = forms.CharField(
        label=lazy("Logo alt text"), required=False, max_length=120, help_text=lazy("Leave empty to use your name.")
    )
    footer = forms.CharField(
        label=lazy("Footer text"),
        required=False,
        max_length=LONGEST_WORDS,
        widget=forms.Textarea({"rows": 3}),
    )
    warning = forms.CharField(
        label=lazy("Warning to donors"),
        required=False,
        max_length=LONGEST_WORDS,
        widget=forms.Textarea({"rows": 3}),
        help_text=lazy("Shown above the amounts in every donation block. Leave empty for the default text."),
    )

    def __init__(
        self,
        data: FormData = None,
        files: FormFiles = None,
        *,
        pictures: list[tuple[str, str]],
        **options: Unpack[FormOptions],
    ) -> None:
        super().__init__(data, files, **options)
        offer(self, "logo", [("", _("no logo")), *pictures])

    def brand(self) -> BrandSettings:
        answers = {name: self.cleaned_data[name] for name in BrandSettings.__struct_fields__}
        colors = {name: str(answers[name]).lower() for name in COLORS}
        return BrandSettings(**{**answers, **colors})

    @staticmethod
    def initial_of(brand: BrandSettings) -> dict[str, object]:
        return asdict(brand)
