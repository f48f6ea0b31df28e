"""A page is whole, says all that it must, needs nothing else, and is the same each time."""

import json
import re
from html.parser import HTMLParser

import pytest

from region_sim.history import CallKind
from region_sim.report import page
from region_sim.report.subject import Subject
from tests.sim.report.evening import told

VOID = {"meta", "input", "br"}


class Reader(HTMLParser):
    """Keeps what a browser would see, and complains where one would have to guess."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.data = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if ("id", "data") in attrs:
            self.open[-1] = "script"

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script" and data.startswith("{"):
            self.data = data
        elif self.open and self.open[-1] not in ("script", "style"):
            self.words.append(data)


@pytest.fixture(scope="module")
def subject() -> Subject:
    return told()


@pytest.fixture(scope="module")
def written(subject: Subject) -> str:
    return page(subject)


@pytest.fixture(scope="module")
def reader(written: str) -> Reader:
    reader = Reader()
    reader.feed(written)
    reader.close()
    return reader


def details(reader: Reader) -> list[list[str]]:
    found: list[list[str]] = json.loads(reader.data)["details"]
    return found


def test_every_element_is_closed_and_no_id_is_used_twice(reader: Reader) -> None:
    assert reader.open == []
    assert len(set(reader.ids)) == len(reader.ids)


def test_the_head_says_what_ran_how_it_went_and_how_to_run_it_again(reader: Reader) -> None:
    words = " ".join(reader.words)
    for expected in (
        "words of the outcome", "what was <drawn>", "seed 7",
        "region-sim run --scenario told --seed 7", "p99.9",
    ):  # fmt: skip
        assert expected in words, expected


def test_every_finding_is_told_marked_and_linked(
    subject: Subject, written: str, reader: Reader
) -> None:
    findings = subject.verdict.findings
    assert [finding.promise for finding in findings] == ["P1", "P7"]
    words = " ".join(reader.words)
    for number, finding in enumerate(findings, start=1):
        assert finding.text in words
        assert f"finding-{number}" in reader.ids
        assert f'href="#finding-{number}"' in written
        assert not finding.account or f"story-{finding.account}" in reader.ids


def test_every_fault_is_there_in_words(subject: Subject, reader: Reader) -> None:
    titles = {lines[0] for lines in details(reader)}
    assert len(subject.faults) == 3
    for span in subject.faults:
        assert f"fault: {span.text}" in titles


def test_every_refusal_shows_its_evidence_and_what_the_oracle_says_of_it(
    subject: Subject, reader: Reader
) -> None:
    shown = [lines for lines in details(reader) if lines[0].startswith("refused at")]
    refused = [c for c in subject.history.calls if c.status == 409 and c.kind is CallKind.START]
    assert len(shown) == len(refused) == 3
    text = ["\n".join(lines) for lines in shown]
    assert "eu-1-1 on tv in eu: local, 0.5 s old. Oracle: lives since 10.020 s" in text[0]
    assert "confirmed, 0.5 s old. Oracle: DEAD: stopped in us 20.0 s before" in text[1]
    assert "DEAD: kicked in eu 10.0 s before\nRests on an end that was spoken beyond" in text[2]


def test_every_end_is_a_mark_whether_a_region_spoke_it_or_a_device_was_told(
    reader: Reader,
) -> None:
    titles = [lines[0] for lines in details(reader)]
    assert "stopped at 50.010 s in us (released)" in titles
    assert "kicked at 110.010 s in eu (kick by tv)" in titles
    assert "410 kicked at 155.020 s in us" in titles
    assert any("heard in us after 41.0 s" in lines for lines in details(reader))


def test_every_mark_has_its_details(reader: Reader) -> None:
    known = len(details(reader))
    numbers = {int(value) for _, name, value in reader.attributes if name == "data-d"}
    assert numbers
    assert numbers <= set(range(known))


def test_names_from_outside_are_text_and_never_markup(written: str) -> None:
    assert "<b>tablet" not in written
    assert "&lt;b&gt;tablet" in written


def test_the_page_needs_nothing_from_outside(written: str, reader: Reader) -> None:
    for tag, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith("#"), (tag, name, value)
    assert "src=" not in written
    assert "@import" not in written
    assert not re.search(r"url\((?!#)", written)
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|importScripts)\(", written)


def test_the_same_run_gives_the_same_bytes(written: str) -> None:
    assert page(told()) == written


def test_the_chosen_account_is_told_first_and_open() -> None:
    assert '<details class="story" id="story-anna" open>' in page(told(account="anna"))


def test_the_chosen_moment_is_shown_first() -> None:
    reader = Reader()
    reader.feed(page(told(around_us=33_000_000)))
    diagram = json.loads(reader.data)["diagram"]
    assert diagram["focus"] == 33
    (chosen,) = [found for found in diagram["windows"] if found["at"] == 33]
    assert [frame[0] for frame in chosen["frames"]] == [5_000, 15_000, 25_000]


def test_without_a_wish_the_first_finding_is_shown_and_lost_messages_stay_lost(
    subject: Subject, reader: Reader
) -> None:
    diagram = json.loads(reader.data)["diagram"]
    assert diagram["focus"] == subject.verdict.findings[0].at_us / 1e6
    (cut,) = [found for found in diagram["windows"] if "begins: cut" in found["label"]]
    assert [frame[1] for frame in cut["frames"]] == [5_200, None, None]
