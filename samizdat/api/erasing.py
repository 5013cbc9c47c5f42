"""Somebody who asks for it is erased: by an access of its own, since it can't be undone."""

from django.http import HttpResponse
from ninja import Router

from samizdat import dbclock
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.api.subscribers import EmailIn
from samizdat.audience import queries
from samizdat.audience.actions.bulk import BulkRefused
from samizdat.audience.actions.erase_by_program import erase_by_program, insist_on_room
from samizdat.audience.errors import NoSuchSubscriber

router = Router(tags=["Subscribers"])
ERASE = KeyAuth("subscribers:erase")


@router.post(
    "/erase",
    response={204: None, 409: ProblemOut, ERRORS: ProblemOut},
    auth=ERASE,
    summary="Erase the data of an address",
)
def erase_subscriber(request: KeyedRequest, body: EmailIn) -> HttpResponse:
    """All that is known of them, on every list; it can't be undone. No file and no program brings them back: they can
    sign up again themselves. The answer is the same whoever it is. Programs erase at most 20 people a day; beyond that
    it is 409 `needs_person`. Only for a key that is bound to no list."""
    key = request.auth
    insist_on_all_lists(key)
    now = dbclock.asked()
    try:
        insist_on_room(key.organization, key, now=now)
        subscriber = queries.subscriber_at(key.organization, body.email)
        if subscriber is not None:
            erase_by_program(subscriber, key, now=now)
    except BulkRefused as refused:
        raise ApiProblem(409, "needs_person", str(refused)) from None
    except NoSuchSubscriber:
        pass  # Meanwhile.
    return HttpResponse(status=204)
