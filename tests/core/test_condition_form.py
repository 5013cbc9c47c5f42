"""The form of a segment's condition as data: to JSON and back."""

from typing import Any

import pytest

from samizdat.core.segment.form import ConditionForm, Input

ASKED = {"": "is", "!": "is not"}
DAYS = {"last": "in the last (days)", "!last": "not in the last (days)"}


def form(*inputs: Input, ways: dict[str, str] = ASKED, **more: Any) -> ConditionForm:
    return ConditionForm("seen", "Seen", ways, inputs, position=1, **more)


FILLED = [
    (form(constant=True), "!", [], {"seen": True}),
    (form(Input("tag", numbered=True)), "", ["12"], {"seen": 12}),
    (form(Input("language", empty="-")), "", ["-"], {"seen": ""}),
    (
        form(Input("list", "id", numbered=True), Input("status", "status")),
        "",
        ["5", ""],
        {"seen": {"id": 5, "status": ""}},
    ),
    (form(Input("days", "days", "number"), ways=DAYS), "!last", ["30"], {"seen": {"op": "last", "days": 30}}),
    (
        form(Input("days", "days", "number"), ways=DAYS, name="joined"),
        "last",
        ["1"],
        {"joined": {"op": "last", "days": 1}},
    ),
]


@pytest.mark.parametrize(("asked", "way", "texts", "condition"), FILLED)
def test_what_is_filled_in_becomes_json_and_goes_back(
    asked: ConditionForm, way: str, texts: list[str], condition: dict[str, object]
) -> None:
    assert asked.json("seen", way, texts) == condition
    ((name, value),) = condition.items()
    assert asked.takes(name, value)
    assert asked.filled(value) == ("seen", way.removeprefix("!"), texts)


def test_what_is_not_chosen_or_no_number_is_never_a_value() -> None:
    assert form(Input("tag", numbered=True)).json("seen", "", ["many"]) == {"seen": None}
    assert form(Input("language", empty="-")).json("seen", "", [""]) == {"seen": None}


def test_of_two_forms_of_one_condition_the_one_that_has_its_values_takes_it() -> None:
    on, ago = form(Input("day", "day", "date"), ways=DAYS), form(Input("days", "days", "number"), ways=DAYS)
    assert ago.takes("seen", {"op": "last", "days": 30}) and not on.takes("seen", {"op": "last", "days": 30})
    assert not ago.takes("joined", {"op": "last", "days": 30})


def test_a_form_for_many_things_has_their_number_in_its_kind() -> None:
    each = form(
        Input("value", "value", "text", without=frozenset({"filled"})), ways={"filled": "is filled in"}, each="number"
    )
    assert each.json("seen:17", "filled", ["Riga"]) == {"seen": {"number": 17, "op": "filled"}}
    assert each.filled({"number": 17, "op": "filled"}) == ("seen:17", "filled", [""])
