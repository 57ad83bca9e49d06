"""The results as a picture: a bar per goal that says how far it is reached."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.results import Goal, Result, number

WIDTH, ROW, TOP = 860, 46, 40
BAR_LEFT, BAR_WIDTH = 430, 300
REACH = 2.0
"""Times its goal at which a bar is full."""
COLOURS = {True: "#2a9d5c", False: "#d1495b", None: "#555"}


def to_svg(results: Sequence[Result], machine: str) -> str:
    """Return an SVG: the bar's length is the reach, the line in its middle the goal."""
    height = TOP + ROW * len(results) + 34
    rows = "".join(_row(result, TOP + ROW * index) for index, result in enumerate(results))
    goal_at = BAR_LEFT + BAR_WIDTH / REACH
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="system-ui, sans-serif" font-size="13">'
        f"<title>Convohooks: benchmark</title>"
        f'<rect width="{WIDTH}" height="{height}" rx="6" fill="#fff"/>'
        f"{_text(goal_at, 22, 'goal', '#555', 'middle')}"
        f"{rows}"
        f'<line x1="{goal_at}" x2="{goal_at}" y1="30" y2="{height - 34}" stroke="#333"/>'
        f"{_text(16, height - 12, machine, '#555', size=10)}"
        f"</svg>\n"
    )


def reach(value: float, goal: Goal) -> float:
    """Return how far a goal is reached: 1 is just so, 2 is twice as good, more is not drawn."""
    ratio = value / goal.bound if goal.sign == "≥" else goal.bound / max(value, 1e-9)
    return min(ratio, REACH)


def _row(result: Result, y: int) -> str:
    colour = COLOURS[result.holds]
    measured = f"{number(result.value)} {result.unit}"
    return (
        _text(16, y + 17, result.name, "#222")
        + (_goal(result, result.goal, y) if result.goal else "")
        + _text(WIDTH - 16, y + 21, measured, colour, "end")
    )


def _goal(result: Result, goal: Goal, y: int) -> str:
    width = round(reach(result.value, goal) * BAR_WIDTH / REACH)
    colour = COLOURS[result.holds]
    return (
        _text(16, y + 34, f"goal {goal} {result.unit}", "#777", size=11)
        + f'<rect x="{BAR_LEFT}" y="{y + 6}" width="{width}" height="20" rx="3" fill="{colour}"/>'
    )


def _text(
    x: float, y: float, text: str, colour: str, anchor: str = "start", *, size: int = 13
) -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" fill="{colour}" text-anchor="{anchor}"'
        f' font-size="{size}">{escape(text)}</text>'
    )
