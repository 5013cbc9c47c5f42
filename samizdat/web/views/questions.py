"""The page that waits for what other people's servers say."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.delivery.actions import questions
from samizdat.delivery.models import Question
from samizdat.web.doors import EVERYONE, door
from samizdat.web.views import composing, domains, routes

# Seconds after which the page asks again by itself, with script and without.
AGAIN = 2

# Each has the request, the question, and what its answer says.
TELL: dict[str, Callable[[Any, Question, dict[str, Any]], None]] = {
    "probe": routes.tell_probe,
    "letter": routes.tell_letter,
    "records": domains.tell_records,
    "test": composing.tell_test,
}


@door(see=EVERYONE)
def question(request: Any, question_id: int) -> HttpResponse:
    """Waits; then on to the page where it was asked, with what was found out. Only whoever asked is told."""
    rows = Question.objects.select_related("organisation").filter(organisation=request.organisation)
    found = rows.filter(pk=question_id).exclude(kind="links").first()
    if found is None:
        raise Http404
    then = questions.words_of(found)["then"]
    if found.by_id != request.person.pk:
        return redirect(then)
    if questions.is_lost(found, hours.asked()):
        messages.error(
            request, _("No answer came. If that goes on, ask whoever runs the server to run: samizdat doctor.")
        )
        return redirect(then)
    if found.done is None:
        response = render(request, "web/question.html", {"then": then})
        response["Refresh"] = str(AGAIN)
        return response
    answer = questions.answer_of(found)
    if answer.get("refused"):
        messages.error(request, answer["refused"])
    else:
        TELL[found.kind](request, found, answer)
    return redirect(then)
