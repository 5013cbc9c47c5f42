"""`python -m samizdat.confined FOLDERS PROGRAM WORDS`: becomes that program, closed off by the kernel from all files
but those in these folders and the system's libraries. See processes.confined.

A process of its own, since a sandbox is for good, and between the fork and the start of a program no Python may run in
one that has threads.
"""

import os
import sys
from pathlib import Path

from samizdat import processes, sandbox


def main() -> None:
    folders, program, *words = sys.argv[1:]
    processes.close_memory()
    processes.keep_privileges_low()
    sandbox.one_program(Path(program), [Path(folder) for folder in folders.split(os.pathsep) if folder])
    os.execv(program, [program, *words])


if __name__ == "__main__":
    main()
