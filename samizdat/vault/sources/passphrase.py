"""The passphrase of a key file: from a file or descriptor that an option names, else asked for at the terminal."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from samizdat.core.crypto.passphrase import PassphraseError, PassphraseWrong, WrappedKey
from samizdat.options import option
from samizdat.vault.errors import PassphraseNeeded, PassphraseRefused

TRIES = 3
# Bytes of a passphrase file.
_MOST = 4096

# Asks somebody, given the question; None where nobody can be asked. Set by the commands.
type Ask = Callable[[str], str]
_ask: Ask | None = None
_held: int | None = None


def ask_by(ask: Ask | None) -> None:
    global _ask
    _ask = ask


def hold_file() -> None:
    """Opens the passphrase's file while we still may: systemd gives it to root, and `serve` becomes another user. It is
    read when the key is opened, so no process that is forked before has it in memory."""
    global _held
    if path := option("SAMIZDAT_PASSPHRASE_FILE"):
        try:
            _held = os.open(path, os.O_RDONLY)
        except OSError:
            _held = None  # Whoever reads it says so.


def instance_key(wrapped: WrappedKey, path: Path) -> bytes:
    """Errors: PassphraseNeeded, PassphraseRefused."""
    return opened(wrapped, path)[0]


def opened(wrapped: WrappedKey, path: Path) -> tuple[bytes, str]:
    """The key, and the passphrase that opens it. Errors as of instance_key()."""
    try:
        if file := option("SAMIZDAT_PASSPHRASE_FILE"):
            typed = _first_line(file)
            return wrapped.open(typed), typed
        if _ask is None:
            raise PassphraseNeeded(
                f"The key file {path} has a passphrase, and nobody can be asked for it. Start this in a terminal, or "
                "set SAMIZDAT_PASSPHRASE_FILE."
            )
        return _asked(wrapped, f"Passphrase of the key file {path}: ", _ask)
    except PassphraseError as error:
        raise PassphraseRefused(str(error)) from None


def _asked(wrapped: WrappedKey, question: str, ask: Ask) -> tuple[bytes, str]:
    for _try in range(TRIES - 1):
        typed = ask(question)
        try:
            return wrapped.open(typed), typed
        except PassphraseWrong:
            question = f"This isn't it. {question.removeprefix("This isn't it. ")}"
    typed = ask(question)
    return wrapped.open(typed), typed


def _first_line(file: str) -> str:
    global _held
    try:
        descriptor = _held if _held is not None else os.open(file, os.O_RDONLY)
        _held = None
        with open(descriptor, "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            text = opened.read(_MOST).decode("utf-8-sig")
    except OSError as error:
        raise PassphraseNeeded(
            f"The passphrase file {file} can't be read ({os.strerror(error.errno or 0)}). Check "
            "SAMIZDAT_PASSPHRASE_FILE."
        ) from None
    except UnicodeDecodeError:
        raise PassphraseNeeded(f"The passphrase file {file} isn't UTF-8 text. Save it as UTF-8.") from None
    if stat.S_ISREG(mode) and mode & 0o007:
        raise PassphraseNeeded(f"Others may read the passphrase file {file}. Run: chmod 600 {file}")
    lines = text.splitlines()
    if not lines or not lines[0].strip():
        raise PassphraseNeeded(f"The first line of the passphrase file {file} is empty. Write the passphrase there.")
    return lines[0]
