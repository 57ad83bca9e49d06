"""The messages of a conversation, of which a watch tells the newest."""

from __future__ import annotations

import json

from tests.modules.node import run


def shown(*told: list[str]) -> list[str]:
    """Return the ids that are shown after a watch has told of these, one list after the other."""
    taking = f"""
        let shown = [];
        const messages = module.createMessages(null, "c1", {{
            signal: new AbortController().signal,
            onMessages: (rows) => (shown = rows),
        }});
        const row = (id) => ({{ id, origin: "live" }});
        for (const ids of {json.dumps(told)}) messages.take(ids.map(row));
        return shown.map(({{ id }}) => id);
    """
    found: list[str] = run("conversations/messages.js", taking)
    return found


def test_a_line_whose_sender_takes_the_place_of_the_browser_is_shown_once() -> None:
    ids = shown(["greeting", "heard in a browser"], ["greeting", "told by the sender"])

    assert ids == ["greeting", "told by the sender"]


def test_lines_that_are_gone_are_not_shown_any_more() -> None:
    assert shown(["first", "second"], ["second"]) == ["second"]


def test_lines_that_others_have_moved_out_of_the_newest_are_shown_still() -> None:
    lines = [f"m{number}" for number in range(502)]

    ids = shown(lines[:499], lines[:500], lines[1:501], lines[2:])

    assert ids == lines


def test_a_line_that_goes_from_a_long_talk_is_not_shown_among_what_came_before() -> None:
    lines = [f"m{number}" for number in range(502)]

    ids = shown(lines[:499], lines[:500], [*lines[1:500], "heard"], lines[1:501], lines[2:])

    assert ids == lines
