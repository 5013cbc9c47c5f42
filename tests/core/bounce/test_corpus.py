"""What 304 real messages mean, as those who gathered them say."""

import json
from pathlib import Path
from typing import Any

import pytest

from samizdat.core.bounce.reading import read
from samizdat.core.bounce.report import Report

FILES = Path(__file__).parents[2] / "payloads" / "bounces"


@pytest.fixture(scope="module")
def corpus() -> list[tuple[dict[str, Any], Report]]:
    rows = [json.loads(line) for line in (FILES / "truth.jsonl").read_text().splitlines()]
    return [(row, read((FILES / row["file"]).read_bytes())) for row in rows]


def test_nobody_who_is_away_or_writes_is_taken_for_dead(corpus: list[tuple[dict[str, Any], Report]]) -> None:
    marked = [
        row["file"] for row, report in corpus if row["kind"] == "none" and report.kind in ("hard", "soft", "complaint")
    ]
    assert marked == []


def test_every_complaint_is_seen(corpus: list[tuple[dict[str, Any], Report]]) -> None:
    complaints = [(row, report) for row, report in corpus if row["kind"] in ("complaint", "unsubscribe")]
    assert len(complaints) == 6
    assert [row["file"] for row, report in complaints if report.kind != row["kind"]] == []


def test_hard_and_soft_are_told_apart_in_95_of_100(corpus: list[tuple[dict[str, Any], Report]]) -> None:
    bounces = [(row, report) for row, report in corpus if row["kind"] in ("hard", "soft", "bounce")]
    wrong = [
        row["file"]
        for row, report in bounces
        if report.kind not in (("hard", "soft") if row["kind"] == "bounce" else (row["kind"],))
    ]
    assert len(wrong) / len(bounces) <= 0.05, wrong


def test_98_of_100_recipients_are_named(corpus: list[tuple[dict[str, Any], Report]]) -> None:
    expected = [
        (
            row["file"],
            event["recipient"].lower().rstrip(">"),
            {(ours.recipient or "").lower() for ours in report.events},
        )
        for row, report in corpus
        for event in row["events"]
        if event["recipient"] and row["kind"] is not None
    ]
    missing = [(file, recipient) for file, recipient, ours in expected if recipient not in ours]
    assert len(missing) / len(expected) <= 0.02, missing


def test_line_ends_change_nothing() -> None:
    for row in map(json.loads, (FILES / "truth.jsonl").read_text().splitlines()):
        raw = (FILES / row["file"]).read_bytes()
        if b"\r" in raw:
            continue
        kinds = {read(raw.replace(b"\n", ends)).kind for ends in (b"\n", b"\r\n", b"\r")}
        assert kinds == {read(raw).kind}, row["file"]


def test_a_message_that_is_cut_anywhere_harms_nothing() -> None:
    for row in list(map(json.loads, (FILES / "truth.jsonl").read_text().splitlines()))[::10]:
        raw = (FILES / row["file"]).read_bytes()
        for end in range(0, min(len(raw), 4000), 97):
            read(raw[:end])
