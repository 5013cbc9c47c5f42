"""The output of a command: `age`, `pass`, a smart card, a program of yours."""

import os
import select
import shlex
import subprocess
import time

from samizdat.core.crypto import passphrase
from samizdat.vault.errors import KeyCommandFailed, KeyFileBroken
from samizdat.vault.sources.key_file import key_in

# Seconds: somebody may have to find a card and type its number.
PATIENCE = 120.0
# Bytes of its output; a key file has 77.
MOST = 4096


def words(line: str) -> list[str]:
    """Errors: KeyCommandFailed."""
    try:
        split = shlex.split(line)
    except ValueError:
        split = []
    if not split:
        raise KeyCommandFailed("SAMIZDAT_KEY_COMMAND can't be split into words. Check its quotation marks.")
    return split


def instance_key(line: str) -> bytes:
    """Runs it once, without a shell and without standard input; what it writes to standard error is seen where ours is.

    It runs in our own session, so that it can ask for a PIN at the terminal. Errors: KeyCommandFailed.
    """
    command = words(line)
    deadline = time.monotonic() + PATIENCE
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except OSError as error:
        raise KeyCommandFailed(
            f"The key command {command[0]} can't be started ({os.strerror(error.errno or 0)}). Check "
            "SAMIZDAT_KEY_COMMAND."
        ) from None
    with process:
        try:
            output = _output(process, deadline)
            if len(output) > MOST:
                raise _no_key_file(command[0])
            code = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise KeyCommandFailed(
                f"The key command {command[0]} didn't end within {PATIENCE:.0f} seconds and was stopped. Run it by "
                "hand to see what it waits for."
            ) from None
        finally:
            process.kill()
    if code:
        raise KeyCommandFailed(
            f"The key command {command[0]} failed (exit code {code}). Its own message is above; run it by hand."
        )
    return _key_in(output, command[0])


def _output(process: "subprocess.Popen[bytes]", deadline: float) -> bytes:
    """Until it ends, or has printed more than any key file has. Errors: TimeoutExpired."""
    assert process.stdout is not None
    poll, output = select.poll(), b""
    poll.register(process.stdout, select.POLLIN)
    while len(output) <= MOST:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise subprocess.TimeoutExpired(process.args, PATIENCE)
        if not (part := os.read(process.stdout.fileno(), MOST)):
            break
        output += part
    return output


def _key_in(output: bytes, name: str) -> bytes:
    text = output.decode("ascii", "replace")
    if not text.strip():
        raise KeyCommandFailed(f"The key command {name} printed nothing. Let it print the key file.")
    if text.lower().startswith(passphrase.WrappedKey.HEADING):
        raise KeyCommandFailed(
            f"The key command {name} printed a key file with a passphrase. Let it print one without, or use that "
            "one as the key file."
        )
    if text.lower().count("samizdat instance key") > 1:
        raise KeyCommandFailed(f"The key command {name} printed more than one key. Let it print only the right one.")
    try:
        return key_in(text, "")
    except KeyFileBroken:
        raise _no_key_file(name) from None


def _no_key_file(name: str) -> KeyCommandFailed:
    return KeyCommandFailed(
        f"What the key command {name} printed isn't a key file. Let it print exactly the two lines of one."
    )
