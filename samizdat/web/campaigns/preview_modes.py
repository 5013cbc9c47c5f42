"""The ways of looking at a letter, and whom it can be made out to: nobody, an invented reader, or a real one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy

from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience.queries.lists import FieldView
from samizdat.campaigns.content import values_of
from samizdat.campaigns.models import Campaign
from samizdat.core.content.compile import CompileProof
from samizdat.core.content.merge.tree import MergeCondition
from samizdat.core.content.message import CompiledContent
from samizdat.core.content.render import TemplateEdge, fill
from samizdat.core.content.render.screen_reader import Line, aloud
from samizdat.web import read_limits
from samizdat.web.campaigns import previews
from samizdat.web.request import DeskRequest

# What Gmail shows of a letter before it cuts it off, in bytes of HTML.
GMAIL = 102 * 1024
EVERYTHING = "all"


@dataclass(frozen=True, slots=True)
class PreviewMode:
    """`kind` of web/campaigns/previews; "" where the page itself shows it. `classes` of the frame."""

    word: str | Promise
    kind: str = ""
    classes: str = ""


LOOKS: dict[str, PreviewMode] = {
    "phone": PreviewMode(lazy("Phone"), "light", "narrow"),
    "desk": PreviewMode(lazy("Desktop"), "light"),
    "phone-dark": PreviewMode(lazy("Phone, dark"), "dark", "narrow dark"),
    "desk-dark": PreviewMode(lazy("Desktop, dark"), "dark", "dark"),
    "inverted": PreviewMode(lazy("Inverted colors"), "inverted", "narrow"),
    "off": PreviewMode(lazy("Images off"), "off"),
    "text": PreviewMode(lazy("Text")),
    "aloud": PreviewMode(lazy("Reading order")),
}
# What somebody outside is shown.
OUTSIDE = ("phone", "desk", "phone-dark", "off", "text")
FRAMES = ("light", "dark", "off", "inverted")

# As mail programs do that turn every color over whatever the letter says; pictures they leave alone.
_INVERTED = (
    "<style>html{background:#fff;filter:invert(1) hue-rotate(180deg)}img{filter:invert(1) hue-rotate(180deg)}</style>"
)


def frame(campaign: Campaign, now: datetime, kind: str, values: Mapping[str, str]) -> str | None:
    """The letter for a frame; None for a kind that does not exist."""
    if kind not in FRAMES:
        return None
    page = previews.page(campaign, now, "light" if kind == "inverted" else kind, dict(values))
    return page.replace("</head>", f"{_INVERTED}</head>", 1) if page and kind == "inverted" else page


@dataclass(frozen=True, slots=True)
class PreviewReader:
    """Whom the letter is made out to. `number` of a real one."""

    values: dict[str, str]
    number: int | None = None
    everything: bool = False


def reader_for(request: DeskRequest, asked: str, proof: CompileProof) -> PreviewReader:
    """`asked`: "all", or the number of a reader as the desk writes it; anything else is somebody without fields.
    Errors: TooFast."""
    if asked == EVERYTHING:
        return PreviewReader(previews.sample() | invented(request.organization, proof.letter), everything=True)
    subscriber = read_limits.reader_numbered(request, asked)
    if subscriber is not None:
        return PreviewReader(previews.sample() | values_of(subscriber, proof), subscriber.number)
    return PreviewReader(previews.sample())


def invented(organization: Organization, letter: Any) -> dict[str, str]:
    """Somebody who has a value in every field, and fits every condition that can be fitted together with others."""
    values = {"FNAME": _("Maria"), "LNAME": _("Petrova")}
    for view in audience.fields(organization):
        values.setdefault(view.tag, _value(view))
    for piece in (*letter.subject, *letter.html):
        if (
            isinstance(piece, TemplateEdge)
            and piece.kind == "if"
            and piece.condition
            and not _holds(piece.condition, values)
        ):
            values[piece.condition.name] = piece.condition.value or "x"
    return values


def _holds(condition: MergeCondition, values: Mapping[str, str]) -> bool:
    return bool(condition.holds(values.get(condition.name, "")))


def _value(view: FieldView) -> str:
    named = view.label or view.tag
    examples = {
        "number": "42",
        "date": "2026-05-23",
        "choice": view.choices[0] if view.choices else named,
        "yesno": "yes",
        "phone": "+371 20000000",
        "link": "https://example.org/",
        "language": "en",
    }
    return examples.get(view.kind, named)


@dataclass(frozen=True, slots=True)
class ContentWeights:
    """Bytes: of the HTML as this reader gets it, of the text, of pictures inside, and of the message as it travels."""

    html: int
    text: int
    inside: int
    message: int

    @property
    def per_cent(self) -> int:
        """Of what Gmail shows."""
        return round(self.html * 100 / GMAIL)

    @property
    def cut(self) -> bool:
        return self.html > GMAIL


def weights(proof: CompileProof, values: Mapping[str, str]) -> ContentWeights:
    html, text = (len(fill(pieces, values).encode()) for pieces in (proof.letter.html, proof.letter.text))
    return ContentWeights(html, text, proof.inside, _message(proof.compiled))


def _message(compiled: CompiledContent | None) -> int:
    """Without what the reader's own values add; 0 for a letter that something stops."""
    return sum(map(len, compiled.parts)) if compiled else 0


def lines(proof: CompileProof, values: Mapping[str, str]) -> tuple[Line, ...]:
    return aloud(fill(proof.letter.html, values))


def nameless(spoken_lines: Iterable[Line]) -> int:
    """Pictures of which a reader hears the name of the file."""
    return sum(bit.kind == "nameless" for line in spoken_lines for bit in line.bits)
