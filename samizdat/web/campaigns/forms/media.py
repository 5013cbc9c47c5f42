"""Pictures: what they show, how they are cut."""

from typing import Unpack

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import pgettext_lazy

from samizdat.campaigns.media.image_processing import NARROWEST, WIDEST, Box, CropBox, box_of
from samizdat.campaigns.media.library import LONGEST_ALT, LONGEST_NAME
from samizdat.web.base_form import DeskForm, FormData, FormFiles, FormOptions, offer

SHAPES = {
    "whole": lazy("Whole image"),
    "photo": lazy("Photo, 3:2"),
    "wide": lazy("Wide, 16:9"),
    "banner": lazy("Banner, 3:1"),
    "square": lazy("Square"),
    "tall": lazy("Portrait, 3:4"),
    "numbers": lazy("By the numbers below"),
}
FOCUSES = {
    "top-left": pgettext_lazy("side", "top left"),
    "top": pgettext_lazy("side", "top"),
    "top-right": pgettext_lazy("side", "top right"),
    "left": pgettext_lazy("side", "left"),
    "middle": pgettext_lazy("side", "center"),
    "right": pgettext_lazy("side", "right"),
    "bottom-left": pgettext_lazy("side", "bottom left"),
    "bottom": pgettext_lazy("side", "bottom"),
    "bottom-right": pgettext_lazy("side", "bottom right"),
}
QUALITIES = {
    85: lazy("good: no visible difference"),
    70: lazy("smaller: a difference up close"),
    50: lazy("small: for slow connections"),
}


class FactsForm(DeskForm):
    name = forms.CharField(label=lazy("Name shown to your team"), max_length=LONGEST_NAME, required=False)
    alt = forms.CharField(
        label=lazy("Alt text"),
        max_length=LONGEST_ALT,
        required=False,
        widget=forms.Textarea({"rows": 2}),
        help_text=lazy(
            "Read aloud to people who can’t see the image, and shown while images are off. Describe it as you "
            "would on the phone."
        ),
    )
    plain = forms.BooleanField(label=lazy("Decorative image"), required=False)

    def clean(self) -> dict[str, object]:
        answers = super().clean() or {}
        if not answers.get("alt", "").strip() and not answers.get("plain"):
            self.add_error("alt", _("Describe the image, or mark it as decorative."))
        return answers


class CutForm(DeskForm):
    """Which part, how large, in which format. The four numbers count where `shape` says so."""

    shape = forms.ChoiceField(label=lazy("Part"), initial="whole", widget=forms.RadioSelect)
    focus = forms.ChoiceField(
        label=lazy("What to keep in the frame"),
        initial="middle",
        help_text=lazy("If the shape is narrower or lower than the image, the side that is kept."),
    )
    left = forms.IntegerField(label=lazy("From the left"), min_value=0, required=False)
    top = forms.IntegerField(label=lazy("From the top"), min_value=0, required=False)
    across = forms.IntegerField(label=lazy("Width of the crop"), min_value=1, required=False)
    down = forms.IntegerField(label=lazy("Height of the crop"), min_value=1, required=False)
    width = forms.IntegerField(
        label=lazy("Maximum width, pixels"),
        min_value=NARROWEST,
        max_value=WIDEST,
        initial=WIDEST,
        help_text=lazy("1,200 is sharp on every screen; 600 is the email’s width with a third of the bytes."),
    )
    kind = forms.ChoiceField(
        label=lazy("Format"),
        required=False,
        help_text=lazy("JPEG for photos. Outlook on Windows doesn’t show WebP."),
    )
    quality = forms.TypedChoiceField(label=lazy("JPEG and WebP quality"), coerce=int, initial=85)

    def __init__(
        self, data: FormData = None, files: FormFiles = None, *, size: tuple[int, int], **options: Unpack[FormOptions]
    ) -> None:
        super().__init__(data, files, **options)
        self.size = size
        offer(self, "shape", SHAPES.items())
        offer(self, "focus", FOCUSES.items())
        offer(self, "quality", QUALITIES.items())
        offer(self, "kind", [("", _("as it is")), ("jpeg", "JPEG"), ("webp", "WebP"), ("png", "PNG")])

    def clean(self) -> dict[str, object]:
        answers = super().clean() or {}
        if answers.get("shape") == "numbers":
            missing = [name for name in ("left", "top", "across", "down") if answers.get(name) is None]
            for name in missing:
                if name not in self.errors:
                    self.add_error(name, _("Enter a number of pixels."))
        return answers

    def cut(self) -> CropBox:
        answers = self.cleaned_data
        return CropBox(self._box(), answers["width"], answers["kind"], answers["quality"])

    def _box(self) -> Box | None:
        answers = self.cleaned_data
        if answers["shape"] != "numbers":
            return box_of(self.size, answers["shape"], answers["focus"])
        left, top = answers["left"], answers["top"]
        return left, top, left + answers["across"], top + answers["down"]
