"""python -m tests.power_loss FOLDER PATH: what is in FOLDER, at PATH, until the power goes.

Reads lines: `sync`, all of it is on the disk; `stop`, nothing more is answered; `lose SEED`, what is left (see
volatile_files.py) is at PATH anew. Answers each with a line, also when it is ready. A process of its own: one that asks
itself would wait for ever.
"""

import os
import select
import sys
from pathlib import Path

from tests.power_loss.kernel import Mount
from tests.power_loss.volatile_files import VolatileFiles


def main(folder: Path, path: Path) -> int:
    mount = Mount(VolatileFiles.copied(folder), path)
    print("ready", flush=True)
    is_answering = True
    while True:
        readable, *_rest = select.select([sys.stdin, *([mount.descriptor] if is_answering else [])], [], [])
        if sys.stdin in readable:
            line = os.read(0, 100).split()
            if not line:
                mount.end()
                return 0
            if line[0] == b"sync":
                mount.files.sync()
            elif line[0] == b"stop":
                is_answering = False
            else:
                mount.end()
                mount, is_answering = Mount(mount.files.left(int(line[1])), path), True
            print("done", flush=True)
        elif not mount.answer_one():
            return 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
