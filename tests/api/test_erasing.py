"""Erasing over the API: by an access of its own, few in a day, with the key in the log."""

from typing import Any
from unittest.mock import patch

import pytest

from samizdat.audience import actions as audience
from samizdat.audience.actions import erase_by_program
from samizdat.audience.models import Subscriber, Suppression
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])


@pytest.fixture
def eraser(program: Program) -> Program:
    return program.bound(scopes=("subscribers:erase",))


def _here(program: Program, *names: str) -> None:
    for name in names:
        audience.add_subscriber(
            program.organization, f"{name}@reader.example", program.lists["Letter"], consent="Yes.", now=NOW
        )


def _erase(program: Program, name: str) -> tuple[int, Any]:
    return program.ask("POST", "/subscribers/erase", {"email": f"{name}@reader.example"})


def test_somebody_is_erased_and_the_log_names_the_key(eraser: Program) -> None:
    _here(eraser, "ada", "ben")
    assert _erase(eraser, "ADA") == _erase(eraser, "nobody") == (204, None)
    assert Subscriber.objects.count() == 1
    assert Suppression.objects.filter(reason="erased").count() == 1
    [event] = Event.objects.select_related("organization").filter(kind="subscribers.erased_by_program")
    assert (detail_of(event)["name"], event.at.hour, event.at.minute) == ("Program", 0, 0)
    again = {"email": "ada@reader.example", "list": eraser.lists["Letter"].pk, "consent": "Yes."}
    assert eraser.bound().ask("PUT", "/subscribers", again)[1]["code"] == "erased"


def test_a_sign_up_that_waits_is_erased_as_well(eraser: Program) -> None:
    audience.sign_up(eraser.organization, "ada@reader.example", eraser.lists["Letter"], wording="Yes.", now=NOW)
    assert _erase(eraser, "ada") == (204, None)
    assert not Subscriber.objects.exists()


@pytest.mark.parametrize("by_person", [True, False])
def test_beyond_a_few_a_day_it_takes_a_person(eraser: Program, clara: Any, by_person: bool) -> None:
    asking = eraser.bound(scopes=("subscribers:erase",), by=clara if by_person else None)
    _here(eraser, "ada", "ben", "carl")
    with patch.object(erase_by_program, "ALONE_A_DAY", 2):
        assert [_erase(asking, name)[0] for name in ("ada", "ben")] == [204, 204]
        status, problem = _erase(eraser, "carl")
        assert (status, problem["code"]) == (409, "needs_person")
        assert _erase(asking, "nobody") == (status, problem)
    assert Subscriber.objects.count() == 1
    assert Event.objects.filter(kind="subscribers.erased_by_program").count() == 2


def test_the_team_s_limit_holds_for_a_key_of_somebody(eraser: Program, clara: Any) -> None:
    asking = eraser.bound(scopes=("subscribers:erase",), by=clara)
    _here(eraser, "ada")
    with patch("samizdat.audience.actions.bulk.ALONE_A_DAY", 0):
        assert _erase(asking, "ada")[1]["code"] == "needs_person"
    assert Subscriber.objects.count() == 1


def test_a_key_of_some_lists_erases_nobody(eraser: Program) -> None:
    _here(eraser, "ada")
    bound = eraser.bound(eraser.lists["Letter"], scopes=("subscribers:erase",))
    assert (_erase(bound, "ada")[1]["code"], _erase(bound, "nobody")[1]["code"]) == ("key_bound", "key_bound")
    assert Subscriber.objects.count() == 1
