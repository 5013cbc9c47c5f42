"""The lists and files of the audience's tests."""

from tests.audience.conftest import bring, export, letter

__all__ = ["bring", "export", "letter"]
