"""A page is read anew soon after something has happened, whatever has made it read before."""

from __future__ import annotations

from tests.modules.node import run

COUNT_READS = """
    const { mock } = await import("node:test");
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
    const listeners = {};
    globalThis.document = {
        hidden: false,
        addEventListener: (name, heard) => (listeners[name] = heard),
        removeEventListener: () => {},
    };
    let reads = 0;
    const settled = () => new Promise(setImmediate);
    const { soon } = module.keepFresh(new AbortController(), async () => reads++, 15_000);
    await settled();
"""


def reads_after(what_happens: str) -> list[int]:
    """Return how often a page had been read at each `told()`."""
    script = f"{COUNT_READS} const seen = []; const told = () => seen.push(reads);"
    found: list[int] = run("fresh.js", f"{script} {what_happens} return seen;")
    return found


def test_a_burst_is_one_read_soon() -> None:
    burst = "soon(); soon(); told(); mock.timers.tick(1_500); await settled(); told();"

    assert reads_after(burst) == [1, 2]


def test_what_comes_after_a_look_at_the_tab_is_read_soon_too() -> None:
    looked_at = "soon(); listeners.visibilitychange(); await settled(); told();"
    then = "soon(); mock.timers.tick(1_500); await settled(); told();"

    assert reads_after(looked_at + then) == [2, 3]
