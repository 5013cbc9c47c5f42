"""Leaving whole: everything about subscribers as a file, at any moment, sealed on its way out."""
