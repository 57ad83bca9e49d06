"""A tunnel program for the tests: `python -m tests.local.tunnel_fake PORT FOLDER`.

Each start takes the next word of FOLDER/plan and does what it says:

    lead     tells an address that leads to PORT
    nothing  tells none and stays
    die      ends at once
    stale    tells an address where somebody else's page answers 200
    chatty   as `lead`, but tells other people's addresses too

While it runs, FOLDER/next may hold one more word:

    freeze   the address takes connections and answers none
    move     the address is gone, another one is told
    end      the program ends

It starts a child that SIGTERM does not end; the ids of both are in FOLDER/pids.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from tests.forwarder import Forwarder

CHILD = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


class Page(BaseHTTPRequestHandler):
    """Says 200 to everything."""

    def do_GET(self) -> None:
        content = b'{"status": "healthy", "proof": "0000"}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Write nothing."""


def main(port: int, folder: Path) -> None:
    """Do what the plan says."""
    child = subprocess.Popen([sys.executable, "-c", CHILD])
    with (folder / "pids").open("a") as pids:
        pids.write(f"{child.pid}\n")
    plan = (folder / "plan").read_text().split()
    (folder / "plan").write_text(" ".join(plan[1:] or plan))
    word = plan[0]
    print(f"\x1b[32mleading to http://127.0.0.1:{port}\x1b[0m", flush=True)
    if word == "die":
        print("no tunnel today", flush=True)
        sys.exit(3)
    if word == "nothing":
        time.sleep(600)
    if word == "stale":
        page = HTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        say(f"http://127.0.0.1:{page.server_port}")
        time.sleep(600)
    lead(port, folder, word)


def lead(port: int, folder: Path, word: str) -> None:
    """Lead to the port until told otherwise."""
    with Forwarder(port) as tunnel:
        say(tunnel.url)
        if word == "chatty":
            say("http://elsewhere.example.test")
            page = HTTPServer(("127.0.0.1", 0), Page)
            threading.Thread(target=page.serve_forever, daemon=True).start()
            say(f"GET http://127.0.0.1:{page.server_port}/stranger 404")
        match wait_for_word(folder):
            case "freeze":
                tunnel.mode = "hang"
                time.sleep(600)
            case "end":
                sys.exit(0)
    # `move`
    lead(port, folder, "lead")


def wait_for_word(folder: Path) -> str:
    """Return what FOLDER/next says, which is then gone."""
    path = folder / "next"
    while not path.exists():
        time.sleep(0.02)
    word = path.read_text().strip()
    path.unlink()
    return word


def say(url: str) -> None:
    """Tell an address."""
    print(f"your url is: {url}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
