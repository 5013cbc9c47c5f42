"""Addresses, names and passwords are read from standard input, and whoever writes them into a command line is told."""

from collections.abc import Iterator

import click

from samizdat.cli.__main__ import samizdat
from samizdat.cli.secret_arguments import Private
from tests.cli.conftest import House

# Texts of commands that name no person and hold no password. A new one stands here, or is a Private.
OF_A_LETTER = "subject preheader reply_to sender senders subjects accepted link wrong right intro thanks title words"
OF_THE_HOUSE = (
    "organization typed accent appeals basis code consent content_url desk_url fields host identity language list_name "
    "lists maps mark means name names new_name organization_slug place plan postal_address provider public_url quiet "
    "quiet_hours rate reason recipients required return_address segment segment_name selector source state tag "
    "tag_name tags template_name timezone topics old unsubscribe_mailbox warm_up when file files to move_to "
    "events folders sending_domain redirect listen networks own servers scopes service key_file only authority "
    "bic crypto currency goal holder iban lines merchant method never statement suggested"
)
KNOWN = {*OF_A_LETTER.split(), *OF_THE_HOUSE.split()}
PRIVATE = {"address", "amount", "addresses", "email", "url", "values", "wanted", "whose", "condition"}


def parameters(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Parameter]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from parameters(command, f"{path}{name} ")
        else:
            yield from ((path + name, parameter) for parameter in command.params)


def test_every_address_and_every_password_of_a_command_can_be_told_by_standard_input() -> None:
    found = list(parameters(samizdat))
    named = {parameter.name for _command, parameter in found if isinstance(parameter.type, Private)}
    assert named >= PRIVATE
    for command, parameter in found:
        if isinstance(parameter.type, click.types.StringParamType):
            assert parameter.name in KNOWN or (command, parameter.name) == ("template rename", "new"), command
            assert (command, parameter.name) != ("person add", "name")


def test_what_is_read_from_standard_input_is_shown_to_nobody(house: House) -> None:
    house.say("list", "new", "Letter")
    added = house("subscribers", "add", "-", "--list", "Letter", "--consent", "said so", feed="ada@reader.example\n")
    assert (added.code, added.err) == (0, "")
    for words in (("show",), ("object",), ("access",), ("erase", "--yes")):
        shown = house("subscribers", words[0], "-", *words[1:], feed="ada@reader.example\n")
        assert (shown.code, shown.err) == (0, ""), words
    moved = ("subscribers", "correct", "-", "--address", "-")
    house.say("subscribers", "add", "-", "--list", "Letter", "--consent", "said so", feed="zoya@reader.example\n")
    told = house(*moved, feed="zoya@reader.example\nzoya@north.example\n")
    assert (told.code, told.err) == (0, "")
    assert house.say("subscribers", "show", "-", feed="zoya@north.example\n")["address"] == "zoya@north.example"
    out = house.folder / "out"
    out.mkdir()
    made = house("route", "add", "paper", "-", "--untested", feed=f"folder://{out}\n")
    assert (made.code, made.err) == (0, "")
    house.say("route", "edit", "paper", "--url", "-", feed=f"folder://{out}\n")


def test_whoever_writes_one_into_the_command_line_is_told_once_what_it_shows(house: House) -> None:
    house.say("list", "new", "Post")
    for line, told in (
        ("subscribers add boris@reader.example --list Post --consent so", True),
        ("subscribers show boris@reader.example", True),
        ("subscribers correct boris@reader.example --address boris@north.example", True),
        ("route add first smtp://us:secret@127.0.0.1:1 --untested", True),
        ("route add second smtp+plain://127.0.0.1:1 --untested", False),
        ("subscribers count --list Post", False),
    ):
        done = house(*line.split())
        assert (done.code, done.err.count("in place of addresses")) == (0, told), line


def test_a_dash_with_nothing_to_read_is_wrong_usage(house: House) -> None:
    nothing = house("subscribers", "show", "-")
    assert nothing.code == 2 and "Standard input ends before the address" in nothing.err
    unknown = house("subscribers", "show", "nobody@reader.example")
    assert unknown.code == 1 and len(unknown.err.strip().splitlines()) == 1, "a failure is one sentence"
