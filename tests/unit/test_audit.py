"""The audits: a weakness fails them, and an advisory service that is silent is said to be."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from checks import audit
from checks.audit import Weakness, of_node, of_python, report

NODE_LOCKS = subprocess.run(
    ["git", "ls-files", "*package-lock.json"], capture_output=True, text=True, check=True
).stdout.split()
WEAK = {
    "id": "PYSEC-2099-1",
    "summary": "It tells.",
    "modified": "2099-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "acme", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0"}]}],
            "versions": ["1.0"],
        }
    ],
}
ADVISORY = {
    "id": 1,
    "url": "https://github.com/advisories/GHSA-test",
    "title": "It tells.",
    "severity": "high",
    "vulnerable_versions": "<2.0.0",
    "cwe": [],
    "cvss": {"score": 7, "vectorString": None},
}


class Advisories(BaseHTTPRequestHandler):
    """OSV and the registry's advisories: both know a weakness of acme."""

    is_sick: ClassVar[bool] = False

    def do_POST(self) -> None:
        told = self.rfile.read(int(self.headers["Content-Length"]))
        status, body = (503, b"away") if self.is_sick else (200, json.dumps(self._answer(told)))
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, told: bytes) -> dict[str, Any]:
        if self.path.endswith("/query"):
            return {"vulns": [WEAK]} if b"acme" in told else {}
        return {"acme": [ADVISORY]}

    def log_message(self, *_: object) -> None:
        pass


class Sick(Advisories):
    """The same, out of order."""

    is_sick = True


@pytest.fixture(name="service", params=[Advisories])
def _service(request: pytest.FixtureRequest) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def lock(folder: Path, *lines: str) -> Path:
    path = folder / "requirements.lock"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def project(folder: Path, *names: str) -> Path:
    packages = {f"node_modules/{name}": {"version": "1.0.0"} for name in names}
    wanted = {"name": "x", "version": "1.0.0", "dependencies": dict.fromkeys(names, "1.0.0")}
    (folder / "package.json").write_text(json.dumps(wanted))
    locked = {"name": "x", "lockfileVersion": 3, "packages": {"": wanted, **packages}}
    (folder / "package-lock.json").write_text(json.dumps(locked))
    return folder


def test_weakness_of_a_python_package_is_told(
    tmp_path: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = lock(tmp_path, "acme==1.0", "sound==1.0")

    assert report(lambda: of_python(packages, f"{service}/v1/query")) == 1
    assert capsys.readouterr().out == "acme 1.0: PYSEC-2099-1 (mended in 2.0)\n"


def test_weakness_of_a_node_package_is_told(
    tmp_path: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(lambda: of_node([project(tmp_path, "acme")], service)) == 1
    told = capsys.readouterr().out
    assert told == "acme <2.0.0: https://github.com/advisories/GHSA-test It tells.\n"


def test_accepted_weakness_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [Weakness("acme 1.0", "PYSEC-2099-1", "")]

    assert report(lambda: found) == 1
    monkeypatch.setattr(audit, "ACCEPTED", {"PYSEC-2099-1": "a test's"})
    assert report(lambda: found) == 0
    assert capsys.readouterr().out == "acme 1.0: PYSEC-2099-1\nno known weakness\n"


@pytest.mark.parametrize("service", [Sick], indirect=True)
def test_registry_out_of_order_is_no_good_news(
    tmp_path: Path, service: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = report(lambda: of_node([project(tmp_path, "acme")], service))

    assert told == os.EX_TEMPFAIL
    said = "not audited: the npm registry gives no advisories (it answers 503)\n"
    assert capsys.readouterr().out == said


def test_service_that_is_not_there_is_no_good_news(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = "http://127.0.0.1:9/query"

    assert report(lambda: of_python(lock(tmp_path, "acme==1.0"), nowhere)) == os.EX_TEMPFAIL
    assert capsys.readouterr().out == f"not audited: {nowhere} does not answer\n"


def test_package_that_nobody_could_look_up_is_no_good_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """pip-audit ends with success when it has skipped what it does not find."""
    told = {
        "dependencies": [{"name": "acme", "skip_reason": "not found"}, {"name": "b", "vulns": []}]
    }
    monkeypatch.setattr(audit, "_json", lambda *_: told)

    assert report(of_python) == os.EX_TEMPFAIL
    assert "does not know 1 of 2 packages" in capsys.readouterr().out


def test_only_what_there_is_can_be_audited() -> None:
    assert audit.main(["cargo"]) == audit.main([]) == 2


def test_every_lock_of_node_packages_is_audited_and_brought_up_to_date() -> None:
    folders = [Path(path).parent for path in NODE_LOCKS]
    updates = yaml.safe_load(Path(".github/dependabot.yml").read_text())["updates"]
    (updated,) = [each["directories"] for each in updates if each["package-ecosystem"] == "npm"]

    assert sorted(audit.NODE_PROJECTS) == sorted(audit.ROOT / folder for folder in folders)
    assert sorted(updated) == sorted(f"/{folder}" for folder in folders)


def test_what_is_accepted_has_its_reason() -> None:
    assert all(len(reason) > 20 for reason in audit.ACCEPTED.values())
