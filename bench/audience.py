"""What issue 4 asks of the audience, at a million subscribers and on both databases.

python -m bench audience [PART ...] [--size 1000000] [--rounds 3] [--only sqlite|postgresql]

Parts: `export`, the whole command `samizdat export`, sealed, from its start to its last word: seconds, and the most
memory that its process tree held at once, shared pages counted by their share. `segments`: how long a count of a
readable segment takes, and of one that opens what is sealed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import common, import_
from bench.segments import segments

EXPORT_SECONDS = 30.0
EXPORT_MEMORY_MB = 300.0
FORMATS = ("samizdat", "mailchimp", "csv", "xlsx")


@dataclass(frozen=True, slots=True)
class House:
    """A house with `size` subscribers, brought in from a generated export of Mailchimp's."""

    folder: Path
    vendor: str
    size: int
    environment: dict[str, str]
    server: int | None


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench audience", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them without")
    parser.add_argument("--size", type=int, default=import_.MILLION)
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    targets: list[common.Target] = []
    with common.folder() as folder:
        file = import_.export(folder, options.size)
        for vendor in [options.only] if options.only else common.VENDORS:
            with import_.database(folder, vendor) as (url, server):
                house = furnish(folder / "house", vendor, url, server, file, options.size)
                for part in options.parts or PARTS:
                    targets += PARTS[part](house, options.rounds)
    return common.conclude(targets)


def furnish(place: Path, vendor: str, url: str, server: int | None, file: Path, size: int) -> House:
    shutil.rmtree(place, ignore_errors=True)
    place.with_name(place.name + ".key").unlink(missing_ok=True)
    place.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMIZDAT")}
    environment |= {"SAMIZDAT_DATA": str(place), "DATABASE_URL": import_.emptied(url) if url else ""}
    subprocess.run([sys.executable, "-m", "bench.import_", "--prepare"], env=environment, check=True)
    words = [sys.executable, "-m", "samizdat.cli", "import", str(file), "--list", import_.LIST, "--json"]
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return House(place.parent, vendor, size, environment, server)


def export(house: House, rounds: int) -> list[common.Target]:
    """Our own format is what must be quick; the others are told beside it."""
    targets = []
    for form in FORMATS:
        runs = [one_export(house, form) for _ in range(rounds if form == "samizdat" else 1)]
        seconds, memory = [run[0] for run in runs], max(run[1] for run in runs)
        common.say(
            f"{house.vendor}, export of {house.size:,} as {form}: {common.spread(seconds, 1)} s, "
            f"at most {memory:.0f} MB of memory, a file of {runs[0][2] / 2**20:.0f} MB"
        )
        if form == "samizdat":
            targets.append(common.Target(f"{house.vendor}: export, memory", memory, EXPORT_MEMORY_MB, "MB"))
            if house.size == import_.MILLION:
                name = f"{house.vendor}: export of a million"
                targets.append(common.Target(name, common.median(seconds), EXPORT_SECONDS, "s"))
    return targets


def one_export(house: House, form: str) -> tuple[float, float, int]:
    """(seconds, MB of memory, bytes of the file)."""
    import pyrage

    path = house.folder / "export.age"
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    words = [sys.executable, "-m", "samizdat.cli", "export", "--to", str(path), "--format", form]
    words += ["--recipient", recipient, "--json"]
    begun, memory = time.perf_counter(), 0.0
    with subprocess.Popen(words, env=house.environment, stdout=subprocess.PIPE, text=True) as running:
        while running.poll() is None:
            memory = max(memory, common.memory_of_tree(running.pid))
            time.sleep(1 / import_.SAMPLES_A_SECOND)
        seconds = time.perf_counter() - begun
        assert running.stdout is not None
        said = running.stdout.read()
    if running.returncode:
        raise SystemExit(f"samizdat export failed: {said}")
    size = path.stat().st_size
    path.unlink()
    return seconds, memory, size


PARTS: dict[str, Callable[[House, int], list[common.Target]]] = {"export": export, "segments": segments}


if __name__ == "__main__":
    sys.exit(main())
