"""Where the instance key comes from when no supervisor has it: one of four places, chosen by options. Each has a file
here; docs/key-formats.md has what each of them reads."""

from typing import Literal

from samizdat import options
from samizdat.options import BadOption, option
from samizdat.vault.source import WRONG_FILE, InstanceSource
from samizdat.vault.sources import command, key_service, passphrase
from samizdat.vault.sources.key_file import key_in, read_key_text, wrapped_in

type Kind = Literal["file", "passphrase", "command", "keyservice"]

_WRONG_OUTPUT = (
    "The key that SAMIZDAT_KEY_COMMAND prints doesn't belong to this database. Let it print the one that was made with "
    "it."
)

_WRONG_SERVICE = (
    "The key service has the key of another database. Pair this server with the one that has its own: "
    "SAMIZDAT_KEY_SERVICE."
)


def command_line() -> str:
    """The command that prints the key; "" where there is a key file. Errors: BadOption."""
    line = option("SAMIZDAT_KEY_COMMAND")
    if line and option("SAMIZDAT_KEY_FILE"):
        raise BadOption("Both SAMIZDAT_KEY_FILE and SAMIZDAT_KEY_COMMAND are set. Remove the one that isn't used.")
    return line


def check() -> Kind:
    """Which one it is. What can be said without opening it is looked at. Errors: VaultError, BadOption."""
    if key_service.is_set():
        key_service.services()
        return "keyservice"
    if line := command_line():
        command.words(line)
        return "command"
    text = read_key_text(options.key_file())
    if wrapped_in(text):
        return "passphrase"
    key_in(text, str(options.key_file()))
    return "file"


def open_here(key: bytes | None = None) -> InstanceSource:
    """The instance key in this process. key: where somebody asked for it already. Errors as of instance_key()."""
    key = instance_key() if key is None else key
    if key_service.is_set():
        return InstanceSource(key, _WRONG_SERVICE)
    return InstanceSource(key, _WRONG_OUTPUT if command_line() else WRONG_FILE)


def instance_key() -> bytes:
    """Asks for a passphrase or a key service, or runs a command, each time. Errors: VaultError, BadOption."""
    if key_service.is_set():
        return key_service.instance_key(key_service.services())[0]
    if line := command_line():
        return command.instance_key(line)
    text = read_key_text(options.key_file())
    if wrapped := wrapped_in(text):
        return passphrase.instance_key(wrapped, options.key_file())
    return key_in(text, str(options.key_file()))
