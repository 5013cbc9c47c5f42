"""Argon2id by OWASP's figures for a server: 19 MiB, two passes, one lane.

Django's own are 100 MB in eight threads for each try, also of an address that nobody has: eight requests took a
gigabyte. A hash of other figures is made anew when its owner signs in.
"""

import threading

from django.contrib.auth.hashers import Argon2PasswordHasher

AT_ONCE = 2
_running = threading.BoundedSemaphore(AT_ONCE)


class Argon2(Argon2PasswordHasher):
    memory_cost = 19 * 1024
    time_cost = 2
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with _running:
            return str(super().encode(password, salt))

    def verify(self, password: str, encoded: str) -> bool:
        with _running:
            return bool(super().verify(password, encoded))
