"""./run bench NAME [ARGS]: runs bench/NAME.py (or NAME_.py, where the name is a word of Python)."""

import os
import pkgutil
import runpy
import sys
from pathlib import Path

HELPERS = ("__main__", "backup_kills", "common", "letters", "segments", "sender", "tagging")


os.environ.setdefault("SAMIZDAT_USER", "root")


def main() -> int:
    here = Path(__file__).parent
    names = sorted(m.name.rstrip("_") for m in pkgutil.iter_modules([str(here)]) if m.name not in HELPERS)
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    if wanted not in names:
        print(f"Usage: ./run bench NAME, one of: {', '.join(names)}", file=sys.stderr)
        return 2
    file = next(path for path in (here / f"{wanted}.py", here / f"{wanted}_.py") if path.exists())
    sys.argv[:2] = [str(file)]
    runpy.run_module(f"bench.{file.stem}", run_name="__main__", alter_sys=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
