"""`forecaster serve`: the function on a local port, asked as users ask it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.serving.api_keys import digest_key
from tests.e2e.serving import FORECASTER, ROOT, Served, served
from tests.support.builders import bar_rows, bars, window_rows
from tests.support.scenarios import cube, view

pytestmark = pytest.mark.slow

BARS = bars()
WINDOW = {"data": window_rows(BARS)}
KEY = "fcast_of-a-test"
BLOCKS = re.findall(r"```(sh|python|js)\n(.*?)```", (ROOT / "docs/requests.md").read_text(), re.S)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in which two sessions of the simulated market are published."""
    made = tmp_path_factory.mktemp("desk")
    environ = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)}
    for day in ("2024-12-26", "2024-12-27"):
        run = [*FORECASTER, "run", "--bars", "simulated", "--as-of", day]
        subprocess.run(run, cwd=made, env=environ, check=True, capture_output=True)
    four = view(cube(("DIA", "IWM", "QQQ", "SPY")), absent={})
    (made / "store" / "scenarios.bin").write_bytes(four.encode())
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with served(folder) as running:
        yield running


def said(body: bytes) -> Any:
    return json.loads(body)


def test_each_way_to_ask_is_answered(server: Served) -> None:
    for document in (WINDOW, {"bars": bar_rows(BARS)}, {"ticker": "SPY"}):
        response, body = server.ask("POST", "/predict", json.dumps(document))
        assert (response.status, response.headers["content-type"]) == (200, "application/json")
        assert len(said(body)["horizons"]) == 5
    # A form's kind of body travels as base64, like everything that is not declared as text.
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    again, of_form = server.ask("POST", "/", json.dumps({"ticker": "SPY"}), form)
    assert (again.status, of_form) == (200, body)


def test_a_head_has_no_body_and_the_connection_lives_on(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        asked = b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n"
        line.sendall(asked + b"Connection: close\r\n\r\n")
        came = b"".join(iter(lambda: line.recv(65536), b""))
    head, _, rest = came.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert rest.startswith(b"HTTP/1.1 404")


def test_what_is_published_is_shown_and_not_sent_twice(server: Served) -> None:
    response, body = server.ask("GET", "/forecasts")
    assert sorted(said(body)["tickers"]) == ["DIA", "IWM", "QQQ", "SPY"]
    known = {"If-None-Match": response.headers["etag"]}
    again, nothing = server.ask("GET", "/forecasts", headers=known)
    assert (again.status, nothing) == (304, b"")


@pytest.mark.parametrize("size", [300_000, 10_000_000])
def test_a_huge_body_is_refused_with_a_reason(server: Served, size: int) -> None:
    response, body = server.ask("POST", "/predict", b"[" * size)
    assert (response.status, said(body)["code"]) == (413, "body_too_large")


def test_a_body_in_chunks_is_read(server: Served) -> None:
    response, body = server.ask("POST", "/predict", iter([b'{"ticker":', b'"SPY"}']))
    assert (response.status, said(body)["ticker"]) == (200, "SPY")


@pytest.mark.parametrize(
    "head", ["Content-Length: -1", "Content-Length: a", "Transfer-Encoding: chunked\r\n\r\n-1"]
)
def test_a_body_whose_end_cannot_be_told_is_refused(server: Served, head: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(f"POST / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
        came = b"".join(iter(lambda: line.recv(65536), b""))
    assert came.startswith(b"HTTP/1.1 400")
    assert b"expected the length of the body" in came


@pytest.mark.parametrize("path", ["//[", "/%", "/%ff", "/x?y#z", "/forecasts/%2e%2e"])
def test_an_odd_path_is_not_found(server: Served, path: str) -> None:
    response, body = server.ask("GET", path)
    assert (response.status, said(body)["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "BREW"])
def test_any_other_method_is_the_function_s_to_refuse(server: Served, method: str) -> None:
    response, body = server.ask(method, "/predict")
    assert (response.status, said(body)["code"]) == (405, "method_not_allowed")


def test_with_a_key_and_without(folder: Path) -> None:
    environ = {"FORECASTER_API_KEY_SHA256": digest_key(KEY)}
    with served(folder, "--auth", "api-key", **environ) as guarded:
        assert guarded.ask("GET", "/forecasts")[0].status == 401
        assert guarded.ask("GET", "/forecasts", headers={"X-API-Key": KEY})[0].status == 200
        assert guarded.ask("GET", "/health")[0].status == 200


def test_what_goes_well_is_logged_where_it_is_asked_for_and_what_fails_always(
    tmp_path: Path,
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "latest.json").write_text("damaged")
    for options, paths in (
        ([], ["/forecasts"]),
        (["--verbose"], ["/health", "/none", "/forecasts"]),
    ):
        with served(tmp_path, *options) as running:
            asked = [running.ask("GET", path)[0].status for path in ("/health", "/none")]
            assert [*asked, running.ask("GET", "/forecasts")[0].status] == [200, 404, 503]
        log = [json.loads(line) for line in running.log.read_text().splitlines()]
        assert [line["path"] for line in log] == paths


def test_it_listens_on_this_machine_alone_and_stops_at_ctrl_c(folder: Path) -> None:
    with served(folder) as running:
        connect = f"import socket; socket.create_connection(('127.0.0.2', {running.port}), 2)"
        elsewhere = subprocess.run(
            [sys.executable, "-c", connect], check=False, capture_output=True
        )
        assert elsewhere.returncode == 1
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(30) == 0
    assert "Traceback" not in running.log.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--auth", "api-key"], "FORECASTER_API_KEY_SHA256: expected"),
        (["--store", "gs://x"], "FORECASTER_STORE: expected"),
        (["--bundle", "/none"], "FORECASTER_BUNDLE: expected"),
        (["--auth", "perhaps"], "perhaps"),
        (["--port", "70000"], "--port"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    tmp_path: Path, options: list[str], message: str
) -> None:
    done = subprocess.run(
        [*FORECASTER, "serve", *options],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_said(server: Served, tmp_path: Path) -> None:
    done = subprocess.run(
        [*FORECASTER, "serve", "--port", str(server.port)],
        cwd=tmp_path,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert f"port {server.port}" in done.stderr


def test_schemathesis_finds_nothing(folder: Path) -> None:
    """Thousands of requests made from the document, valid and not; each answer is judged by it."""
    for name, text in (("track_record.json", "{}"), ("index.html", "<!doctype html>")):
        (folder / "store" / name).write_text(text)
    environ = {"FORECASTER_API_KEY_SHA256": digest_key(KEY)}
    with served(folder, "--verbose", "--auth", "api-key", **environ) as guarded:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{guarded.url}/openapi.json"]
        # A schema cannot say that dates ascend or that the high is not below the low.
        options = ["--exclude-checks", "positive_data_acceptance", "--max-examples", "50"]
        fixed = ["--seed", "1", "--no-color", "--generation-database", "none"]
        done = subprocess.run(
            [*command, "-H", f"X-API-Key: {KEY}", *options, *fixed],
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        log = [json.loads(line) for line in guarded.log.read_text().rstrip("\n").split("\n")]
    assert done.returncode == 0, done.stdout[-5000:]
    assert "Tested: 10" in done.stdout
    assert len(log) > 500
    assert {line["status"] for line in log if line["status"] >= 500} == set()
    assert {200, 401, 404, 405, 422} <= {line["status"] for line in log}


class TestRequestCollection:
    """What docs/requests.md shows is run as it stands there."""

    RUNNERS = {
        "sh": ["bash", "-euo", "pipefail"],
        "python": [sys.executable],
        "js": ["node", "--input-type=module"],
    }

    @pytest.mark.parametrize(
        ("language", "text"), BLOCKS, ids=[f"{b[0]}-{i}" for i, b in enumerate(BLOCKS)]
    )
    def test_a_request_as_documented_works(
        self, server: Served, folder: Path, language: str, text: str
    ) -> None:
        command = self.RUNNERS[language]
        if shutil.which(command[0]) is None:
            pytest.skip(f"expected {command[0]} on this machine, found none")
        environ = {**os.environ, "URL": server.url, "KEY": "any", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command,
            input=text,
            cwd=folder,
            env=environ,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert re.search(r"304|\d{3}\.\d\d", done.stdout), done.stdout

    def test_every_language_is_shown(self) -> None:
        assert {language for language, _ in BLOCKS} == set(self.RUNNERS)
