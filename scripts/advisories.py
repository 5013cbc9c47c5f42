"""Asks PyPI for advisories about the versions that are pinned in requirements.txt and requirements-dev.txt.

    .venv/bin/python scripts/advisories.py [--at https://pypi.org]

Exit 0: none is known. 1: each is named, with the version that mends it. 3: PyPI could not be asked.
"""

import argparse
import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent.parent
FILES = ("requirements.txt", "requirements-dev.txt")
# Seconds for one answer.
PATIENCE = 10
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)

type Ask = Callable[[str, str], dict[str, Any]]


@dataclass(frozen=True, slots=True, order=True)
class Advisory:
    name: str
    version: str
    id: str
    mended_in: tuple[str, ...]

    def __str__(self) -> str:
        mended = f"mended in {', '.join(self.mended_in)}" if self.mended_in else "no version mends it yet"
        return f"{self.name} {self.version}: {self.id}, {mended}"


def pinned(texts: list[str]) -> list[tuple[str, str]]:
    """(name, version) of each package, once."""
    return sorted({found for text in texts for found in _PINNED.findall(text)})


def advisories(packages: list[tuple[str, str]], ask: Ask) -> list[Advisory]:
    """Of all packages, those that were not withdrawn. Errors: OSError where PyPI cannot be asked, ValueError where
    what answers is not PyPI.
    """
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda package: ask(*package), packages))
    found = [
        Advisory(name, version, row["id"], tuple(row.get("fixed_in") or ()))
        for (name, version), answer in zip(packages, answers, strict=True)
        for row in answer["vulnerabilities"]
        if not row.get("withdrawn")
    ]
    return sorted(found)


def asks(at: str) -> Ask:
    """PyPI's JSON API: https://docs.pypi.org/api/json/, "Known vulnerabilities"."""

    def ask(name: str, version: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{at}/pypi/{name}/{version}/json", timeout=PATIENCE) as answer:  # noqa: S310 - https, or what a maintainer names.
            told = json.load(answer)
        if not isinstance(told, dict) or "vulnerabilities" not in told:
            raise ValueError("It says nothing of vulnerabilities.")
        return told

    return ask


def main() -> int:
    parser = argparse.ArgumentParser(description="Advisories about the pinned packages.")
    parser.add_argument("--at", default="https://pypi.org")
    options = parser.parse_args()
    packages = pinned([(HERE / name).read_text() for name in FILES])
    try:
        found = advisories(packages, asks(options.at.rstrip("/")))
    except (OSError, ValueError) as error:
        print(f"PyPI could not be asked for advisories ({type(error).__name__}).")
        return 3
    print("\n".join(map(str, found)) or f"No advisory is known about {len(packages)} packages.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
