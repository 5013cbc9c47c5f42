"""The API of Samizdat from Python: needs nothing but Python's own library, so this folder can be copied anywhere.

    from samizdat_client import Client

    with Client("https://desk.example.org", key) as client:
        client.put_subscriber(email="vera@post.example", list=1380254706, consent="Ticked “Letter”, 25 Nov 2026")

docs/python-client.md shows more.
"""

from samizdat_client.connection import NoAnswer, Problem, read_key
from samizdat_client.decoding import NotAsDescribed
from samizdat_client.operations import *  # noqa: F403
from samizdat_client.operations import __all__ as _of_operations

__all__ = ["NoAnswer", "NotAsDescribed", "Problem", "read_key", *_of_operations]
