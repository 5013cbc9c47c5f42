"""Template words of the desk: numbers, days, states, sums, fields."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from django import template
from django.forms import BaseForm, BoundField
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.html import conditional_escape, escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from samizdat import formatting, labels
from samizdat.audience.queries.lists import FieldView
from samizdat.campaigns.models import Campaign
from samizdat.core.content import thumbnail
from samizdat.core.content.thumbnail import Shape
from samizdat.core.mail import rate
from samizdat.core.mail.masking import masked
from samizdat.core.unsafe_text import marked
from samizdat.delivery.actions.route_webhooks import WebhookView
from samizdat.delivery.dkim_keys import DomainRow, KeyRow
from samizdat.delivery.queries import BarRow, HeldBounces, RefusalRow, RouteRow, SuppressionCause
from samizdat.delivery.sealed_webhooks import WebhookState
from samizdat.web import labels as words
from samizdat.web import resume_after_sign_in
from samizdat.web.campaigns import previews
from samizdat.web.permissions import has_page
from samizdat.web.request import DeskRequest

register = template.Library()


@register.filter
def count(number: int | str | None) -> str:
    """17,938 in English, 17 938 in Russian (formatting.grouped)."""
    return "" if number is None or number == "" else formatting.grouped(int(number))


@register.filter
def rate_of(part: int, whole: int) -> str:
    """99.7% in English, 99,7 % in Russian, with a space that does not break. Never 100 where somebody is missing."""
    return formatting.percent(part, whole)


@register.filter
def isolated(text: object) -> SafeString | str:
    """What somebody outside wrote, apart from the words around it (core/unsafe_text)."""
    return format_html("<bdi>{}</bdi>", marked(str(text))) if text else ""


@register.filter
def breakable(address: str) -> SafeString:
    """An address or host that may break behind its @ and before its dots, where eyes expect it, and not in a word."""
    broken = re.sub(r"(?<=@)|(?=\.)", "<wbr>", escape(marked(address)))
    return mark_safe(f"<bdi>{broken}</bdi>")  # noqa: S308 - escaped first


@register.filter
def commands(text: object) -> SafeString:
    """A sentence with what it has between backticks as code: commands, as sentences of the command line write them. No
    option of one is broken over two lines: browsers would after each hyphen."""

    def code(command: re.Match[str]) -> str:
        whole = re.sub(r"(?<!\S)--[\w-]+", r'<span class="option">\g<0></span>', command[1])
        return f"<code>{whole}</code>"

    return mark_safe(re.sub(r"`([^`]+)`", code, conditional_escape(str(text))))  # noqa: S308 - escaped first


@register.simple_tag(takes_context=True)
def reader_address(context: Context, address: str) -> SafeString | str:
    """Of a subscriber; a viewer is not shown it: to read along takes no addresses, to carry a list away does."""
    return breakable(address) if context["desk"].may_write else _("address hidden")


@register.filter
def open_to(text: object, sees: bool) -> str:
    """What is kept of a subscriber, or was said about one: whoever may not see addresses sees none in it, and no phone
    number."""
    return str(text) if sees or not text else masked(str(text))


@register.filter
def day(value: date | datetime | None) -> str:
    return formatting.shaped(value, "day")


@register.filter
def shortday(value: date | datetime | None) -> str:
    return formatting.shaped(value, "short")


@register.filter
def clock(value: datetime | None) -> str:
    return formatting.shaped(value, "time")


@register.filter
def moment(value: datetime | None) -> str:
    return formatting.shaped(value, "moment")


@register.filter
def on(value: datetime | None) -> str:
    return formatting.on(value)


@register.filter
def logged(value: date | datetime) -> str:
    """The moment with its year: a log is read years later."""
    text = formatting.shaped(value, "short")
    return f"{text}, {formatting.shaped(value, 'time')}" if isinstance(value, datetime) else text


@register.filter
def today(value: datetime) -> str:
    return formatting.shaped(value, "today")


@register.filter
def recent(value: datetime | None) -> str:
    """The time of today's, the day of older ones: in a narrow list."""
    is_today = value is not None and timezone.localtime(value).date() == timezone.localdate()
    return formatting.shaped(value, "time" if is_today else "short")


@register.filter
def zone_city(name: str) -> str:
    return formatting.city(name)


@register.simple_tag(takes_context=True)
def to(context: Context, name: str, *args: object) -> str:
    """The address of a page of this organization."""
    return reverse(name, args=[context["request"].organization.slug, *args])


@register.simple_tag(takes_context=True)
def keep_typed(context: Context, name: str = "", *args: object, to: str = "", back: str = "") -> SafeString:
    """Beside the token of a form in which somebody types: resume_after_sign_in.mark. name, args: of the page that it
    goes to, as in `to`; or to: its address; else this page. back: the page that it stands on.
    """
    request = context["request"]
    to = to or (reverse(name, args=[request.organization.slug, *args]) if name else request.path)
    mark = resume_after_sign_in.mark(request.person, to, back or _page_of(request))
    return format_html('<input type="hidden" name="{}" value="{}">', resume_after_sign_in.MARK, mark)


def _page_of(request: DeskRequest) -> str:
    """This page, to come back to: a button's own address shows none."""
    if request.method == "GET":
        return str(request.get_full_path())
    return str(request.path if has_page(request) else reverse("home", args=[request.organization.slug]))


@register.simple_tag
def thumb(shapes: Iterable[Shape]) -> SafeString:
    """A drawing of an email; what it shows stands beside it in words."""
    places = ((shape.kind, shape.x, shape.y, shape.width, shape.height) for shape in shapes)
    drawn = format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', places)
    box = f"0 0 {thumbnail.WIDTH} {thumbnail.HEIGHT}"
    return format_html('<svg class="thumb" viewBox="{}" aria-hidden="true" focusable="false">{}</svg>', box, drawn)


@register.simple_tag
def state(shape: str, word: str) -> SafeString:
    """A shape and a word; color comes third."""
    return format_html('<span class="state {}">{}</span>', shape, word)


@register.simple_tag(takes_context=True)
def campaign_state(context: Context, campaign: Campaign) -> SafeString:
    if campaign.state in ("sending", "waiting") and context["desk"].sending_locked:
        return state(*words.campaign_state("on_hold"))
    if campaign.welcome and campaign.state == "sending":
        return state(*words.campaign_state("welcome"))
    taken_back = campaign.state == "cancelled" and not campaign.welcome and campaign.cancelled == campaign.frozen
    passing = campaign.state == "waiting" and campaign.reason in words.PASSING
    if campaign.state == "waiting" and campaign.reason == "provider":
        return state(*words.campaign_state("provider"))
    return state(*words.campaign_state("taken_back" if taken_back else "waits" if passing else campaign.state))


@register.simple_tag
def subscription_state(status: str, verdict: str = "yes") -> SafeString:
    """`verdict`, of consent.REASONS: whoever is subscribed and can't be emailed all the same is worth a look."""
    shape, word = words.subscription_state(status)
    return state("care" if status == "subscribed" and verdict != "yes" else shape, word)


@register.filter
def language_word(code: str) -> str:
    return formatting.language(code) if code else ""


@register.simple_tag
def route_state(name: str, reason: str = "") -> SafeString:
    return state(*words.route_state(name, reason))


@register.simple_tag
def key_state(name: str) -> SafeString:
    return state(*words.key_state(name))


@register.simple_tag
def domain_state(row: DomainRow) -> SafeString:
    return state(*words.domain_state(row))


@register.filter
def key_kind(algorithm: str) -> str:
    return words.KEY_KINDS.get(algorithm, algorithm)


@register.filter
def key_advice(key: KeyRow) -> str:
    """What is to be done about the record of a signing key."""
    return str(words.KEY_ADVICE["altered" if key.is_altered else key.state]) % {"until": day(key.until)}


@register.simple_tag
def import_state(name: str) -> SafeString:
    return state(*words.import_state(name))


@register.simple_tag
def mark(kind: str) -> SafeString:
    """The sign before a thing to do: `stop` blocks, `care` is worth a look, `good` is fine."""
    sign = {"stop": "!", "care": "?", "good": "ok"}.get(kind, "")
    return format_html('<span class="mark {}" aria-hidden="true">{}</span>', kind, sign)


@register.simple_tag
def sealed(address: str) -> SafeString:
    """First letter and a bar of one length for every address, so that the bar tells nothing."""
    return format_html(
        '<span class="sealed">{}<i aria-hidden="true">xxxxxxx</i><span class="sr"> {}</span></span>',
        address[:1],
        _("encrypted address"),
    )


@register.inclusion_tag("web/parts/field.html")
def field(bound: BoundField, kind: str = "", **extra: object) -> dict[str, object]:
    """A form field: label above, error and hint below, tied together. `kind`: joined, mono."""
    widget = bound.field.widget
    shape = getattr(widget, "input_type", "")
    return {
        "bound": bound,
        "kind": kind,
        "is_choice": shape == "checkbox" and not getattr(widget, "allow_multiple_selected", False),
        "is_group": shape == "radio" or (getattr(widget, "allow_multiple_selected", False) and shape == "checkbox"),
        "is_hidden": shape == "hidden",
        **extra,
    }


@register.filter
def chosen(bound: BoundField) -> str:
    """The label of the option that a select shows."""
    value = "" if (value := bound.value()) is None else str(value)
    choices = getattr(bound.field, "choices", ())
    return next((str(label) for key, label in choices if str(key) == value), "")


@register.inclusion_tag("web/parts/errors.html")
def errors(form: BaseForm | None) -> dict[str, object]:
    """The summary above a refused form, focused, with a link to each field."""
    problems = []
    if form is not None and form.is_bound:
        problems = [
            (_anchor(form[name]) if name != "__all__" else "", text)
            for name, texts in form.errors.items()
            for text in texts
        ]
    return {"found": problems}


def _anchor(bound: BoundField) -> str:
    """Django names no input where several radio buttons are one field: its first is meant."""
    return bound.id_for_label or f"{bound.auto_id}_0"


@register.inclusion_tag("web/parts/sum.html")
def sum_of(rows: Iterable[object], total_word: str, total: int) -> dict[str, object]:
    """A column addition with a double line under it. Rows: words.Row."""
    return {"rows": list(rows), "total_word": total_word, "total": total}


@register.simple_tag(takes_context=True)
def here(context: Context, *sections: str) -> str:
    """aria-current for the menu entry of this page."""
    return SafeString(' aria-current="page"') if context["desk"].section in sections else ""


@register.filter
def get(values: Mapping[str, object] | None, key: str) -> object:
    """values[key], where the key is itself a variable."""
    return values.get(key, "") if values else ""


@register.filter
def role_word(name: str) -> str:
    return words.role(name)


@register.filter
def provider_word(name: str) -> str:
    return words.provider(name)


@register.filter
def after_colon(sentence: str) -> str:
    """Russian goes on in small letters there, but for abbreviations and what is in Latin letters; English doesn't."""
    if "а" <= sentence[:1].lower() <= "я" and not sentence[1:2].isupper():
        return sentence[:1].lower() + sentence[1:]
    return sentence


@register.filter
def place_word(place: str) -> str:
    return previews.place_word(place)


@register.filter
def limit_words(limits: str) -> list[str]:
    """Limits as they are typed, each in words."""
    units = {1: _("%(n)s per second"), 60: _("%(n)s per minute"), 3600: _("%(n)s per hour"), 86400: _("%(n)s per day")}
    return [
        units[limit.seconds] % {"n": count(int(limit.count)) if limit.count == int(limit.count) else f"{limit.count:g}"}
        for limit in rate.parse_limits(limits)
    ]


@register.filter
def answer_word(name: str) -> str:
    """What a server meant, by the class of its answer."""
    return str(words.ANSWERS.get(name, name))


@register.filter
def shown(bound: BoundField) -> str:
    """What stands in a field, for whoever may only look; of a choice its words."""
    value = bound.value()
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(dict(getattr(bound.field, "choices", ())).get(value, value) or "–")


@register.simple_tag
def field_label(field: FieldView) -> str:
    """What a merge field is called at the desk."""
    return labels.field_label(field.tag, field.label)


@register.filter
def webhook_refusal(state: WebhookState) -> str:
    return words.webhook_refusal(state)


@register.filter
def webhook_steps(view: WebhookView) -> str:
    return _(view.steps)


@register.filter
def route_reason(row: RouteRow) -> str:
    return words.route_reason(row)


@register.filter
def route_actor(row: RouteRow) -> str:
    return words.route_actor(row)


@register.filter
def refusals_told(rows: list[RefusalRow]) -> list[str]:
    return words.refusals_told(rows)


@register.filter
def suppression_told(row: SuppressionCause) -> str:
    return words.suppression_told(row)


@register.filter
def held_bounces_told(row: HeldBounces) -> str:
    return words.held_bounces_told(row)


@register.filter
def bar_reason(row: BarRow) -> str:
    return words.bar_reason(row)


@register.filter
def bar_actor(row: BarRow) -> str:
    return words.bar_actor(row)


@register.filter
def seconds_clock(value: datetime) -> str:
    """A time with its seconds: the instant at which numbers were true."""
    return date_format(timezone.localtime(value), "H:i:s")
