"""A Postfix on this machine, asked by its own commands: postconf(1), postqueue(1)."""

import shutil
import subprocess

# Seconds that one of its commands has to answer.
PATIENCE = 10.0
PLACES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/sbin"


def is_installed() -> bool:
    return shutil.which("postconf", path=PLACES) is not None


def output(command: str, *words: str) -> str | None:
    """What one of its commands prints; None where it fails or hangs."""
    program = shutil.which(command, path=PLACES)
    if program is None:
        return None
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def settings(*names: str) -> dict[str, str]:
    """Of these settings the values, with the names of others in them filled in."""
    lines = (output("postconf", "-x", *names) or "").splitlines()
    return {name.strip(): value.strip() for name, _equals, value in (line.partition("=") for line in lines)}


def helo_name() -> str:
    """What it calls itself to the servers of receivers, which compare it with the PTR record; "" where nobody knows."""
    return settings("smtp_helo_name").get("smtp_helo_name", "")
