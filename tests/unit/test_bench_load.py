"""What the benchmark sends, and how it reads what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bench import callbacks
from bench.callbacks import BODY_BYTES, NUMBER
from bench.ledger import EVERY_TABLE, MismatchError, require_equal
from bench.load import Load, LoadError, read_load
from bench.paced import Answers, Tally, load

Result = TypeVar("Result")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\ncontent-length: 0\r\n\r\n"


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run in a thread of its own: the browser tests leave a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


def prepared() -> list[bytes]:
    return callbacks.requests(callbacks.conversations(), "run1", "127.0.0.1:1", "key")


def test_a_body_is_half_a_kilobyte_of_json_with_its_number() -> None:
    body = callbacks.numbered(callbacks.body("c1", "run1"), 42)
    event = json.loads(body)

    assert len(body) == BODY_BYTES
    assert event["inference_id"] == "run1-0000000042"
    assert event["seq"] == 10000000042


def test_a_number_keeps_the_length_that_the_head_tells() -> None:
    for request in prepared():
        sent = callbacks.numbered(request, 1234567)
        head, _, body = sent.partition(b"\r\n\r\n")

        assert NUMBER.encode() not in sent
        assert f"Content-Length: {len(body)}".encode() in head


def test_requests_come_back_from_their_file(tmp_path: Path) -> None:
    made = prepared()

    callbacks.write_requests(tmp_path / "requests", made)

    assert callbacks.read_requests(tmp_path / "requests") == made


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_answers_are_cut_out_of_any_pieces(size: int) -> None:
    stream, answers = OK + BUSY + OK, Answers()

    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]

    assert [status for piece in pieces for status in answers.feed(piece)] == [200, 503, 200]


def test_refused_requests_are_not_acknowledged() -> None:
    line = '{"sent": 10, "answered": 10, "refused": 4, "lost": 0, "seconds": 2.0}'

    figures = read_load(f"Running 2s test\n\nRESULT {line}\n")

    assert (figures.acknowledged, figures.rate) == (6, 3.0)


def test_a_generator_without_a_result_has_failed() -> None:
    with pytest.raises(LoadError, match="unable to connect"):
        read_load("unable to connect")


@pytest.mark.parametrize("table", EVERY_TABLE)
@pytest.mark.parametrize("stored", [9, 11])
def test_a_run_fails_when_a_table_does_not_hold_what_was_acknowledged(
    table: str, stored: int
) -> None:
    figures = Load(sent=10, answered=10, refused=0, lost=0, seconds=1.0)
    counts = dict.fromkeys(EVERY_TABLE, 10)
    require_equal("run1", figures, counts)

    with pytest.raises(MismatchError, match=f"'{table}': {stored}"):
        require_equal("run1", figures, {**counts, table: stored})


def test_a_run_fails_when_a_request_is_refused() -> None:
    figures = Load(sent=10, answered=10, refused=1, lost=0, seconds=1.0)

    with pytest.raises(MismatchError, match="10 sent, 9 acknowledged"):
        require_equal("run1", figures, {})


@pytest.mark.parametrize("rate", [None, 200.0])
def test_all_that_is_sent_is_answered_before_the_load_ends(rate: float | None) -> None:
    tally, _ = run(_against_a_server(rate))

    assert tally.sent == len(tally.latencies) > 0
    assert tally.lost == tally.refused == 0
    assert rate is None or tally.sent == int(0.2 * rate)


async def _against_a_server(rate: float | None) -> tuple[Tally, float]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(OK)
            await asyncio.sleep(0.001)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await load(f"http://127.0.0.1:{port}", prepared(), 0.2, rate)
