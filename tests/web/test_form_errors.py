"""What a form says of its fields names them: the summary above it has nothing else to tell which one is meant."""

import pytest
from django import forms
from django.utils import translation

from samizdat.web.base_form import DeskForm
from samizdat.web.templatetags.desk import commands, errors


class _Form(DeskForm):
    name = forms.CharField(label="Name", max_length=5, min_length=2)
    many = forms.IntegerField(label="How many", min_value=1, max_value=2000)
    which = forms.ChoiceField(label="List", choices=[("1", "News")])
    sure = forms.BooleanField(label="It is meant")
    file = forms.FileField(label="Picture", error_messages={"required": "Choose a picture of 2 MB at most."})


GOOD = {"name": "News", "many": "5", "which": "1", "sure": "1"}


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("name", "", "Fill in “Name”."),
        ("name", "Newspaper", "“Name” is too long: 9 of 5 characters. Shorten it."),
        ("name", "N", "“Name” is too short: 1 of 2 characters. Make it longer."),
        ("many", "3000", "“How many” is too high. Enter 2,000 or less."),
        ("many", "0", "“How many” is too low. Enter 1 or more."),
        ("many", "few", "“How many”: Enter a whole number."),
        ("which", "7", "“List” doesn’t offer “7”. Choose another one."),
        ("which", "", "Choose an option for “List”."),
        ("sure", "", "Select “It is meant”."),
        ("file", "", "Choose a picture of 2 MB at most."),
    ],
)
def test_what_is_wrong_names_the_field_and_what_to_do(field: str, typed: str, said: str) -> None:
    assert _Form(GOOD | {field: typed}).errors[field] == [said]


def test_it_is_said_in_the_language_of_whoever_typed_it() -> None:
    with translation.override("ru"):
        assert _Form(GOOD | {"name": ""}).errors["name"] == ["Заполните поле «Name»."]
        assert _Form(GOOD | {"name": "Newspaper"}).errors["name"] == [
            "Поле «Name» слишком длинное: знаков 9, а помещается 5. Сократите."
        ]


class _Radio(DeskForm):
    format = forms.ChoiceField(label="Format", choices=[("csv", "CSV"), ("xlsx", "Excel")], widget=forms.RadioSelect)


def test_the_summary_leads_to_the_first_of_several_radio_buttons() -> None:
    form = _Radio({})
    ((anchor, _text),) = errors(form)["found"]  # type: ignore[misc]
    assert f'id="{anchor}"' in str(form["format"])


def test_a_command_in_a_sentence_is_code_and_nothing_of_it_is_markup() -> None:
    assert commands("Run `age-keygen -o <file>`.") == "Run <code>age-keygen -o &lt;file&gt;</code>."
    whole = 'Run <code>samizdat move <span class="option">--redirect</span> nginx</code> -- now.'
    assert commands("Run `samizdat move --redirect nginx` -- now.") == whole
