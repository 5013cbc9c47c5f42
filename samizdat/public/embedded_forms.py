"""Sign-up forms of Mailchimp's that stand in other sites, sent here: the fields of their forms, read as those of ours.
Whoever is named is asked by email, as after a form of our own; here too nothing tells whether an address is known.

    POST /subscribe/post?u=…&id=…                the fields as a form; answered with a page
    GET  /subscribe/post-json?u=…&id=…&…&c=…     the same for a script (JSONP)

`u` is the account and `id` the list, as our answers to Mailchimp's API name them (compat/mailchimp). Source:
Mailchimp's embedded forms, and mc-validate.js, which sends them.
"""

import json
import re
from collections.abc import Iterable

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import override

from samizdat.core import jurisdictions
from samizdat.core.mail import address
from samizdat.public import cache, signup
from samizdat.public.responses import host_of, posted_of, takes
from samizdat.public.signup import FormProblem
from samizdat.publicdb import queries
from samizdat.publicdb.models import Form

ID = re.compile(r"[0-9a-f]{10}")
ACCOUNT_LENGTH = 25  # Hex digits of the organization's number.
# A name of a script's function, or of one in an object of it: nothing else may stand before our answer.
CALLBACK = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,79}(\.[A-Za-z_$][A-Za-z0-9_$]{0,79}){0,3}")
HONEYPOT = "b_"
# (a second in the long run, at once): of one form, and of all of an organization. No stamp comes with them, so they
# share nothing with our own forms, which go on when these are flooded.
ONE, ALL = (1.0, 60.0), (2.0, 120.0)
# Parts that a field is sent in, in the order in which they are written, and what stands between them.
ADDRESS = ("addr1", "addr2", "city", "state", "zip", "country")
PARTS = ((("area", "detail1", "detail2"), "-"), (("year", "month", "day"), "-"), (("month", "day"), "/"))


class EmbeddedAnswer(Exception):
    """What is said instead of a yes. where: as FormProblem.where; "" for all of it."""

    def __init__(self, sentence: str, where: str = "", *, full: bool = False) -> None:
        super().__init__(sentence)
        self.where, self.full = where, full


@takes("GET", "HEAD")
def hosted(request: HttpRequest) -> HttpResponse:
    """The page of a list, as old links name it: our form."""
    return HttpResponseRedirect(f"/f/{_form(request).slug}")


@takes("GET", "HEAD", "POST")
def post(request: HttpRequest) -> HttpResponse:
    form = _form(request)
    if request.method != "POST":
        return HttpResponseRedirect(f"/f/{form.slug}")
    with override(form.language):
        posted = _as_ours(posted_of(request), form)
        try:
            _sign_up(form, posted)
        except EmbeddedAnswer as answer:
            if answer.full:
                return signup.form_page(request, form, posted, {"full": True}, 503)
            if answer.where:
                return signup.form_page(request, form, posted, {"errors": {answer.where: str(answer)}}, 422)
            warned = {"warned": posted["email"], "providers": jurisdictions.named(form.place.hostile_state)}
            return signup.form_page(request, form, posted, warned)
        return signup.asked_page(request, form, signup.details_of(form), posted)


@takes("GET", "HEAD")
def post_json(request: HttpRequest) -> HttpResponse:
    callback = request.GET.get("c", "")
    if callback and CALLBACK.fullmatch(callback) is None:
        return _script('{"result": "error", "msg": "0 - c is no name of a function."}', "", status=400)
    form = _form(request)
    with override(form.language):
        try:
            _sign_up(form, _as_ours(request.GET, form))
        except EmbeddedAnswer as answer:
            document = {"result": "error", "msg": f"{_place_of(form, answer.where)} - {answer}"}
        else:
            asked = _(
                "Almost finished... We need to confirm your email address. To complete the subscription process, "
                "please click the link in the email we just sent you."
            )
            document = {"result": "success", "msg": asked}
    return _script(json.dumps(document), callback)


def _script(text: str, callback: str, status: int = 200) -> HttpResponse:
    """JSON, as a script where a function is to be called with it. The comment keeps what the callback says from being
    read as anything but a script."""
    # It is read by pages of other sites, and some of them put what it says into themselves.
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    if callback:
        return HttpResponse(f"/**/{callback}({text})", status=status, content_type="text/javascript; charset=utf-8")
    return HttpResponse(text, status=status, content_type="application/json; charset=utf-8")


def _form(request: HttpRequest) -> Form:
    """That of the list or form with this id, at the place of this host. An id of Mailchimp's own means the only form
    that there is. Errors: Http404."""
    place = cache.place_of_host(host_of(request))
    if place is None or place.closed:
        raise Http404
    account, id = (_named(request.GET, name) for name in ("u", "id"))
    is_ours = not account or account == bytes(place.uid).hex()[:ACCOUNT_LENGTH]
    form = queries.form_of_list(place, int(id, 16)) if is_ours and ID.fullmatch(id) else None
    if form is None:
        forms = queries.forms(place)
        form = forms[0] if len(forms) == 1 else None
    if form is None:
        raise Http404
    return cache.form(form.slug, host_of(request)) or form


def _named(query: QueryDict, name: str) -> str:
    """Sites often have `&amp;` in the address of the form and send it as it stands."""
    return (query.get(name) or query.get(f"amp;{name}") or "").lower()


def _as_ours(sent: QueryDict, form: Form) -> QueryDict:
    """The same by the names that our own form has."""
    ours = sent.copy()
    ours.pop("appeals", None)  # Another site's page doesn't show the words beside our box.
    emails = sent.getlist("EMAIL") or sent.getlist("MERGE0")
    if emails:
        ours.setlist("email", emails)
    for field in signup.details_of(form).get("fields", []):
        text = _value(sent, field.get("tag", ""))
        if text:
            ours.setlist(f"v{field['number']}", [text])
    return ours


def _value(sent: QueryDict, tag: str) -> str:
    """Of a merge field: one text, or several that belong together, as TAG[part]."""
    if not tag:
        return ""
    if text := sent.get(tag, "").strip():
        return text
    for parts, between in PARTS:
        values = _parts(sent, tag, parts)
        if all(values):
            return between.join(values)
    return "  ".join(filter(None, _parts(sent, tag, ADDRESS)))


def _parts(sent: QueryDict, tag: str, parts: Iterable[str]) -> list[str]:
    return [sent.get(f"{tag}[{part}]", "").strip() for part in parts]


def _sign_up(form: Form, posted: QueryDict) -> None:
    """Errors: EmbeddedAnswer."""
    if _is_program(posted):
        return  # It gets the same answer.
    details = signup.details_of(form)
    try:
        asked = signup.address_in(posted)
        answers = signup.answers_in(posted, details)
    except FormProblem as wrong:
        raise EmbeddedAnswer(wrong.sentence, wrong.where) from None
    if jurisdictions.within(form.place.hostile_state, address.domain(asked)):
        providers = jurisdictions.named(form.place.hostile_state)
        sentence = _(
            "A state that could endanger our subscribers can have mailboxes at %(providers)s read. Use another."
        )
        raise EmbeddedAnswer(sentence % {"providers": providers})
    if not signup.has_room(form, "embedded", ONE, ALL) or not signup.lay(form, asked, answers, posted, details):
        raise EmbeddedAnswer(_("Too many people are signing up right now. Try again in a minute."), full=True)


def _is_program(posted: QueryDict) -> bool:
    """Nobody sees the field b_…; only a program fills it in."""
    return any(name.startswith(HONEYPOT) and posted.get(name) for name in posted)


def _place_of(form: Form, where: str) -> int:
    """The number of the field that an answer is about, as scripts count them: the address is the first."""
    numbers = [str(field["number"]) for field in signup.details_of(form).get("fields", [])]
    return numbers.index(where) + 1 if where in numbers else 0
