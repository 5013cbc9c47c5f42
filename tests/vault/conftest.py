"""The lists and files of the audience's tests."""

from tests.audience.conftest import bring, export, letter  # noqa: F401
