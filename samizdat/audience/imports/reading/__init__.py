"""From files to slices that are ready to be stored. Knows core and the importers, no Django and no database.

It runs in a process of its own (`subprocess_reader.py`), so that one core reads while the other writes; keys and the
order come through a pipe.
"""
