"""A local Supabase that stays, for tests in other processes: `python -m tests.other_stack`.

Prints the variables under which the tests find it, as lines for a shell; ends with Ctrl-C, SIGTERM,
or the end of its input.
"""

from __future__ import annotations

import secrets
import shlex
import signal
import sys

from services.local.stack import LocalStack, discard, local_stack, watched
from services.local.state import State, remove_tree
from tests.project import NAME, NEEDED
from tests.stack import TESTS, never, unused_backend


def variables(stack: LocalStack) -> dict[str, str]:
    """Return what a run of the tests needs to know of a stack."""
    told = stack.env()
    names = (*NEEDED, "SUPABASE_JWT_SECRET")
    return {NAME: stack.url, **{name: told[name] for name in names}}


def main() -> None:
    """Run a stack until somebody asks it to end."""
    state = State(TESTS / f"other-{secrets.token_hex(4)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with local_stack(state, unused_backend(), pause=never) as stack, watched(stack):
            for name, value in variables(stack).items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            sys.stdin.read()
    except KeyboardInterrupt:
        pass
    finally:
        discard(state)
        remove_tree(state.folder)


if __name__ == "__main__":
    main()
