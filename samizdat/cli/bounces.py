"""bounce: what a raw message that came back says. Needs neither keys nor a data folder."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click

from samizdat import limited_process
from samizdat.cli.output import common, print_document
from samizdat.core.bounce import mime
from samizdat.core.bounce.reading import UNREADABLE, read_all
from samizdat.core.bounce.report import Report

# Messages that a process is asked about at once.
AT_ONCE = 50


@click.group()
def bounce() -> None:
    """Bounces: emails that came back."""


@bounce.command("read")
@click.argument("files", nargs=-1, required=True, type=click.Path())
@common
def bounce_read(files: tuple[str, ...]) -> None:
    """Say what each of FILES means: a raw message as it came, - for standard input.

    Prints one JSON object a line for each, with and without --json: file, kind (hard, soft, complaint, unsubscribe,
    auto-reply, reply, none), recipient, status, route_fault (whether it's about us and not about the recipient),
    and every recipient under events.
    """
    pool = limited_process.Pool(1)
    try:
        for names, heads, sizes in _batches(files):
            for name, report in zip(names, _reports(pool, heads, sizes), strict=True):
                _print(name, report)
    finally:
        pool.close()


def _batches(files: tuple[str, ...]) -> Iterator[tuple[list[str], list[bytes], list[int]]]:
    """(names, beginnings of the messages, their sizes in bytes)."""
    for start in range(0, len(files), AT_ONCE):
        names = list(files[start : start + AT_ONCE])
        opened = [_beginning(name) for name in names]
        yield names, [head for head, _size in opened], [size for _head, size in opened]


def _beginning(name: str) -> tuple[bytes, int]:
    """(its first bytes, its size)."""
    if name == "-":
        head = sys.stdin.buffer.read(mime.BYTES_READ)
        return head, len(head) + _rest(sys.stdin.buffer)
    with Path(name).open("rb") as file:
        head = file.read(mime.BYTES_READ)
        return head, max(len(head), os.fstat(file.fileno()).st_size)


def _rest(stream: BinaryIO) -> int:
    """How many bytes more there are, up to more than any message has."""
    size = 0
    while size <= mime.MOST_BYTES and (piece := stream.read(1 << 20)):
        size += len(piece)
    return size


def _reports(pool: limited_process.Pool, heads: list[bytes], sizes: list[int]) -> tuple[Report, ...]:
    """A message that breaks what reads it holds up no other."""
    try:
        return pool.work(0, read_all, heads, sizes)
    except (limited_process.TooMuch, limited_process.HelperBroke):
        if len(heads) == 1:
            return (UNREADABLE,)
        return tuple(
            report for pair in zip(heads, sizes, strict=True) for report in _reports(pool, [pair[0]], [pair[1]])
        )


def _print(name: str, report: Report) -> None:
    main = report.main
    document = {
        "file": name,
        "kind": report.kind,
        "recipient": main.recipient,
        "status": main.status,
        "route_fault": main.fault == "route",
        "reason": main.reason,
        "events": [
            {
                "kind": event.kind,
                "recipient": event.recipient,
                "also": event.also,
                "status": event.status,
                "reply": event.reply,
                "fault": event.fault,
                "reason": event.reason,
            }
            for event in report.events
        ],
    }
    print_document(document)
