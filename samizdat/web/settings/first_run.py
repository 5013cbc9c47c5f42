"""The first minutes of a house: nobody can sign in yet, and whoever knows the code may begin."""

import base64
import sys

from samizdat.accounts.models import Organization, Person
from samizdat.core.crypto import seal
from samizdat.vault import keyring


def is_new() -> bool:
    """Whether nobody has been here yet."""
    return not Person.objects.exists() and not Organization.objects.exists()


def code() -> str:
    """What the terminal shows and the page asks for. It comes from the instance key, so only the house knows it."""
    digest = seal.keyed_hash(keyring.derive("set-up code"), "set-up code")
    text = base64.b32encode(digest[:10]).decode().lower()
    return "-".join(text[place : place + 4] for place in range(0, 16, 4))


def announce() -> None:
    """Prints the code where the desk was started."""
    if is_new():
        print(f"Nobody can sign in yet. Open /setup in the browser; the set-up code is {code()}", file=sys.stderr)
