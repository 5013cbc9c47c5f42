"""Completion for the shell."""

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell completion script: samizdat completion bash >> ~/.bashrc"""
    from samizdat.cli.__main__ import samizdat

    completion_class = get_completion_class(shell)
    assert completion_class is not None
    click.echo(completion_class(samizdat, {}, "samizdat", "_SAMIZDAT_COMPLETE").source())
