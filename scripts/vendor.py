"""Fetches the few scripts of others that the desk serves, and writes down where each came from.

    python scripts/vendor.py            fetches and checks
    python scripts/vendor.py --record   fetches and records new hashes, after a version below was raised

Uses `npm pack` and `pip download`, so whatever registry the machine is set up for is asked. The README in the folder is
the record: name, version, license and SHA-512 of each file; a hash that is not the recorded one is refused.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from email.parser import HeaderParser
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "samizdat" / "web" / "static" / "vendor"
# registry, package, version, file in the package, name here
PACKAGES = (
    ("npm", "htmx.org", "2.0.11", "dist/htmx.min.js", "htmx.min.js"),
    # TipTap and ProseMirror as one ES module, so that nobody needs a bundler.
    ("pip", "django-prose-editor", "0.28.0", "django_prose_editor/static/django_prose_editor/editor.js", "editor.js"),
    ("pip", "django-prose-editor", "0.28.0", "django_prose_editor-0.28.0.dist-info/licenses/LICENSE", "editor.LICENSE"),
)
NOTES = """
`editor.js` holds TipTap (MIT, Copyright (c) Tiptap GmbH and contributors) and ProseMirror (MIT, Copyright (C) Marijn
Haverbeke and others), built by django-prose-editor, whose license stands in `editor.LICENSE`.
"""


def fetch(registry: str, package: str, version: str, member: str) -> tuple[bytes, str]:
    """The file's bytes and the package's license."""
    return (_from_npm if registry == "npm" else _from_pip)(package, version, member)


def _from_pip(package: str, version: str, member: str) -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{package}=={version}", "--no-deps", "--only-binary", ":all:", "--dest", folder, "--quiet"]
        subprocess.run([sys.executable, "-m", "pip", "download", *wanted], check=True, stdout=subprocess.DEVNULL)
        (packed,) = Path(folder).iterdir()
        with zipfile.ZipFile(packed) as wheel:
            facts = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            told = HeaderParser().parsestr(wheel.read(facts).decode())
            return wheel.read(member), str(told["License-Expression"] or told["License"])


def _from_npm(package: str, version: str, member: str) -> tuple[bytes, str]:
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (packed,) = Path(folder).iterdir()
        with tarfile.open(packed) as archive:
            facts = json.load(_member(archive, "package.json"))
            return _member(archive, member).read(), str(facts["license"])


def _member(archive: tarfile.TarFile, name: str):
    found = archive.extractfile(f"package/{name}")
    if found is None:
        raise SystemExit(f"The package has no {name} any more. Look where it went and correct PACKAGES.")
    return found


def recorded() -> dict[str, str]:
    readme = FOLDER / "README.md"
    text = readme.read_text() if readme.exists() else ""
    return dict(re.findall(r"^\| (\S+) \|.*\| `([0-9a-f]{128})` \|$", text, re.MULTILINE))


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    known, record = recorded(), "--record" in sys.argv
    lines = []
    for registry, package, version, member, name in PACKAGES:
        content, license = fetch(registry, package, version, member)
        digest = hashlib.sha512(content).hexdigest()
        if not record and known.get(name) != digest:
            raise SystemExit(f"{name} is not the file that was recorded. Compare it, then run with --record.")
        (FOLDER / name).write_bytes(content)
        lines.append(f"| {name} | {package} | {version} | {license} | `{digest}` |")
    heading = "# Scripts of others\n\nWritten by `scripts/vendor.py`. Served as they are, never changed by hand.\n\n"
    table = "| file | package | version | license | SHA-512 |\n|---|---|---|---|---|\n"
    (FOLDER / "README.md").write_text(heading + table + "\n".join(lines) + "\n" + NOTES)


if __name__ == "__main__":
    main()
