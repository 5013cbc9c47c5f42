"""What issue 4 asks of the audience, at a million subscribers and on both databases, each figure beside its limit.

python -m bench audience [PART ...] [--size 1000000] [--small 10000] [--rounds 3] [--only sqlite|postgresql]

Parts: `import`, Mailchimp's thirty columns brought in by `samizdat import`. `export`, the whole command `samizdat
export`, sealed, from its start to its last word. `segments`, counts of readable segments and of those that open what is
sealed. `tagging`, 100,000 of them given a tag, as the worker does it. `pages`, every page of the desk, as `bench pages`
asks for them: over its own house, which takes minutes to build where it is not there.

Memory is the most that a process tree held at once, shared pages counted by their share. What a row costs is compared
with a house of `--small`; beside that stands where it comes from, since a small one pays for the start of a process.
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import common, import_, tagging
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


@dataclass(frozen=True, slots=True)
class Ground:
    """Where houses of one database are built: the exports by their size, PostgreSQL's URL and process."""

    folder: Path
    vendor: str
    files: dict[int, Path]
    url: str
    server: int | None
    rounds: int

    @property
    def sizes(self) -> list[int]:
        """The small one last, so that the large one is fresh when it is asked."""
        return sorted(self.files, reverse=True)

    def house(self, size: int) -> House:
        """One that stays until the end; built where no part has built it yet."""
        place = self.folder / f"{self.vendor}-{size}"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMIZDAT")}
        url = import_.named(self.url, f"house{size}") if self.url else ""
        environment |= {"SAMIZDAT_DATA": str(place), "DATABASE_URL": url}
        if not place.exists():
            if self.url:
                import_.emptied(self.url, f"house{size}")
            place.mkdir()
            subprocess.run([sys.executable, "-m", "bench.import_", "--prepare"], env=environment, check=True)
            words = [sys.executable, "-m", "samizdat.cli", "import", str(self.files[size])]
            words += ["--list", import_.LIST, "--json"]
            quiet = subprocess.DEVNULL
            subprocess.run(words, env=environment, check=True, stdout=quiet, stderr=quiet)
        return House(self.folder, self.vendor, size, environment)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench audience", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join((*PARTS, PAGES))}; all without")
    parser.add_argument("--size", type=int, default=import_.MILLION)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    parts = options.parts or [*PARTS, PAGES]
    if unknown := set(parts) - {*PARTS, PAGES}:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    vendors = [options.only] if options.only else common.VENDORS
    targets: list[common.Target] = []
    with common.folder() as folder:
        files = {size: import_.export(folder, size) for size in {options.size, options.small}}
        for vendor in vendors:
            with import_.database(folder, vendor) as (url, server):
                ground = Ground(folder, vendor, files, url, server, options.rounds)
                for part in PARTS:
                    if part in parts:
                        targets += PARTS[part](ground)
            for size in files:
                shutil.rmtree(folder / f"{vendor}-{size}", ignore_errors=True)
    if PAGES in parts:
        from bench import pages

        targets += [pages.slowest(vendor, options.size) for vendor in vendors]
    return common.conclude(targets)


def bringing_in(ground: Ground) -> list[common.Target]:
    runs: dict[int, list[import_.Run]] = {size: [] for size in ground.sizes}
    for _ in range(ground.rounds):
        for size in ground.sizes:
            runs[size] += import_.one(
                ground.folder / "import", ground.url, ground.server, ground.files[size], again=False
            )
    for size, found in runs.items():
        import_.report(ground.vendor, size, found)
    shutil.rmtree(ground.folder / "import", ignore_errors=True)
    return import_.targets_of(ground.vendor, runs)


def taking_out(ground: Ground) -> list[common.Target]:
    """Our own format is what must be quick; the others are told beside it."""
    large, small = ground.sizes[0], ground.sizes[-1]
    house, targets, a_row = ground.house(large), [], {}
    for form in FORMATS:
        runs = [one_export(house, form) for _ in range(ground.rounds if form == "samizdat" else 1)]
        seconds, memory = [run[0] for run in runs], max(run[1] for run in runs)
        common.say(
            f"{house.vendor}, export of {large:,} as {form}: {common.spread(seconds, 1)} s, "
            f"at most {memory:.0f} MB of memory, a file of {runs[0][2] / 2**20:.0f} MB"
        )
        if form == "samizdat":
            a_row[large] = common.median(seconds) / large
            if large == import_.MILLION:
                name = f"{house.vendor}: export of a million"
                targets.append(common.Target(name, common.median(seconds), EXPORT_SECONDS, "s"))
            targets.append(common.Target(f"{house.vendor}: export, memory of the tree", memory, EXPORT_MEMORY_MB, "MB"))
    if small < large:
        seconds = [one_export(ground.house(small), "samizdat")[0] for _ in range(ground.rounds)]
        common.say(f"{house.vendor}, export of {small:,} as samizdat: {common.spread(seconds, 1)} s")
        ratio = a_row[large] / (common.median(seconds) / small)
        name = f"{house.vendor}: export, a row, {small:,} to {large:,}"
        targets.append(common.Target(name, ratio, import_.RATIO, "times"))
    return targets


def one_export(house: House, form: str) -> tuple[float, float, int]:
    """(seconds, MB of memory, bytes of the file)."""
    import pyrage

    path = house.folder / "export.age"
    recipient = str(pyrage.x25519.Identity.generate().to_public())
    words = [sys.executable, "-m", "samizdat.cli", "export", "--to", str(path), "--format", form]
    watched = import_.watch([*words, "--recipient", recipient, "--json"], house.environment)
    size = path.stat().st_size
    path.unlink()
    return watched.seconds, watched.memory, size


def counting(ground: Ground) -> list[common.Target]:
    return segments(ground.house(ground.sizes[0]), ground.rounds)


def giving_tags(ground: Ground) -> list[common.Target]:
    houses = [ground.house(size) for size in ground.sizes]
    return tagging.tagging(ground.vendor, [(one.size, one.environment) for one in houses], ground.rounds)


PARTS: dict[str, Callable[[Ground], list[common.Target]]] = {
    "import": bringing_in,
    "export": taking_out,
    "segments": counting,
    "tagging": giving_tags,
}
PAGES = "pages"


if __name__ == "__main__":
    sys.exit(main())
