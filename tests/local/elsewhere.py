"""`convohooks …` with settings and state of its own: `python -m tests.local.elsewhere FOLDER …`."""

from __future__ import annotations

import sys
from pathlib import Path

from services.cli import main
from services.local import checkout

if __name__ == "__main__":
    folder = Path(sys.argv.pop(1))
    checkout.ENV_FILE, checkout.STATE = folder / ".env", folder / "state"
    main()
