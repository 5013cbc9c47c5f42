"""Houses for bad input; the command runs as scripts call it, the server as people start it."""

from tests.cli.conftest import empty_house, house

__all__ = ["empty_house", "house"]
