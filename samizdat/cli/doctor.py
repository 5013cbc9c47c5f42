"""doctor: looks at the installation and names each problem with its next step."""

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, say


@click.command()
@common
def doctor() -> None:
    """Check the installation and say what to do next. Exit code 1 if something needs fixing."""
    bootstrap.open_house()  # Whatever is wrong with database or key is said there, in one sentence.
    from samizdat.health import everything

    signs = list(everything.findings())
    document = {"well": not any(sign.state == "red" for sign in signs), "signs": [sign.document() for sign in signs]}
    lines = [f"{sign.state:5}  {sign.subject}: {sign.sentence}" for sign in signs]
    red = [f"{sign.subject}: {sign.sentence}" for sign in signs if sign.state == "red"]
    if red:
        raise CommandFailed(" ".join(red), "not_well", document, lines)
    say(document, *lines)
