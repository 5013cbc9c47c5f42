"""Argon2id by OWASP's figures for a server: 19 MiB, two passes, one lane.

Django's own are 100 MB in eight threads for each try, also of an address that nobody has: eight requests took a
gigabyte. A hash of other figures is made anew when its owner signs in.
"""

import os
from concurrent.futures import ThreadPoolExecutor

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE = 2


def _begin() -> None:
    """Two threads for all: what malloc keeps of the memory is kept by thread, so each of the desk's would keep its own
    19 MB (209 MB instead of 94 after eight)."""
    global _threads
    _threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")


_threads: ThreadPoolExecutor
_begin()
# Threads do not come along into a child.
os.register_at_fork(after_in_child=_begin)


class Argon2(Argon2PasswordHasher):
    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        return str(_threads.submit(super().encode, password, salt).result())

    def verify(self, password: str, encoded: str) -> bool:
        return bool(_threads.submit(super().verify, password, encoded).result())
