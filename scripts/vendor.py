"""Fetches the few scripts of others that the desk serves, and writes down where each came from.

    python scripts/vendor.py            fetches and checks
    python scripts/vendor.py --record   fetches and records new hashes, after a version below was raised

Uses `npm`, so whatever registry the machine is set up for is asked. The editor is put together by esbuild and terser
from the parts of TipTap and ProseMirror that ours uses, as packages were on one day: nobody else needs a bundler. The
README in the folder is the record: name, version, license and SHA-512 of each file; a hash that is not the recorded one
is refused.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "samizdat" / "web" / "static" / "vendor"
# package, version, file in the package, name here
PACKAGES = (
    ("htmx.org", "2.0.11", "dist/htmx.min.js", "htmx.min.js"),
    ("@tiptap/core", "3.4.0", "LICENSE.md", "editor.LICENSE"),
)
TIPTAP, ESBUILD, TERSER = "3.4.0", "0.25.12", "5.44.1"
PARTS = ("core", "pm", "extensions", "extension-bold", "extension-italic", "extension-hard-break", "extension-text")
# ProseMirror's packages are named by ranges alone: as they were on this day.
DAY = "2026-11-29"
# What static/js/editor imports.
ENTRY = """
export { Editor, Extension, Mark, Node, mergeAttributes } from "@tiptap/core";
export { textblockTypeInputRule, wrappingInputRule } from "@tiptap/core";
export { Bold } from "@tiptap/extension-bold";
export { Italic } from "@tiptap/extension-italic";
export { HardBreak } from "@tiptap/extension-hard-break";
export { Text } from "@tiptap/extension-text";
export { UndoRedo } from "@tiptap/extensions/undo-redo";
import { closeHistory } from "@tiptap/pm/history";
import { Node as DocumentNode } from "@tiptap/pm/model";
import { NodeSelection, Plugin, PluginKey, Selection, TextSelection } from "@tiptap/pm/state";
import { Decoration, DecorationSet } from "@tiptap/pm/view";
export const pm = {
  history: { closeHistory },
  model: { Node: DocumentNode },
  state: { NodeSelection, Plugin, PluginKey, Selection, TextSelection },
  view: { Decoration, DecorationSet },
};
"""
NOTES = """
`editor.js` holds TipTap (MIT, Copyright (c) 2025 Tiptap GmbH, `editor.LICENSE`) and ProseMirror (MIT, Copyright (C)
2015-2017 by Marijn Haverbeke and others), put together by esbuild and made smaller by terser.
"""


def fetch(package: str, version: str, member: str) -> tuple[bytes, str]:
    """The file's bytes and the package's license."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{package}@{version}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (packed,) = Path(folder).iterdir()
        with tarfile.open(packed) as archive:
            facts = json.load(_member(archive, "package.json"))
            return _member(archive, member).read(), str(facts["license"])


def editor() -> bytes:
    """TipTap and ProseMirror as one ES module."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "package.json").write_text("{}")
        (Path(folder) / "entry.js").write_text(ENTRY)
        wanted = [f"esbuild@{ESBUILD}", f"terser@{TERSER}", *(f"@tiptap/{part}@{TIPTAP}" for part in PARTS)]
        flags = ["--before", DAY, "--no-audit", "--no-fund", "--silent"]
        subprocess.run(["npm", "install", *flags, *wanted], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        build = [
            "--bundle",
            "--format=esm",
            "--minify",
            "--charset=utf8",
            "--target=esnext",
            "--drop:console",
            "--legal-comments=none",
        ]
        command = ["node_modules/.bin/esbuild", "entry.js", *build, "--log-level=error", "--outfile=editor.js"]
        subprocess.run(command, cwd=folder, check=True)
        # 2 KB less than esbuild alone.
        smaller = [
            "node_modules/.bin/terser",
            "editor.js",
            "--module",
            "--compress",
            "passes=3,ecma=2020",
            "--mangle",
            "--output=smaller.js",
        ]
        subprocess.run(smaller, cwd=folder, check=True)
        return (Path(folder) / "smaller.js").read_bytes()


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
    files = [(*fetch(package, version, member), package, version, name) for package, version, member, name in PACKAGES]
    files.append((editor(), "MIT", "@tiptap/core", TIPTAP, "editor.js"))
    for content, license, package, version, name in files:
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
