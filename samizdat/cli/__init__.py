"""The command line: a door. Others' scripts rely on it word for word (docs/command-line.md).

Apps are imported inside functions: Django has to know first which installation this is, and what needs none of them
(help, a mistyped option) answers at once.
"""
