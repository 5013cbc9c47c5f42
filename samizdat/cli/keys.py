"""keys: the keys of organizations, locked and unlocked."""

import click

from samizdat.cli.key_locks import keys_lock, keys_unlock


@click.group()
def keys() -> None:
    """Lock an organization in an emergency, and unlock it."""


keys.add_command(keys_lock)
keys.add_command(keys_unlock)
