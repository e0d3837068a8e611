"""The settings say everything that is wrong at once, and nothing that is secret."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from handlers.settings import DailySettings, OnDemandSettings, VerifySettings
from pipeline.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
NAMES = [f"FORECASTER_{name}" for name in ("STORE", "BUNDLE", "TICKERS", "BARS", "LOCK", "SSE")]


def read(**environ: str) -> DailySettings:
    return DailySettings.from_env({"FORECASTER_STORE": "s3://bucket/prefix"} | environ)


def test_only_the_store_must_be_named() -> None:
    settings = read()
    assert settings == DailySettings(
        store="s3://bucket/prefix",
        bundle=ROOT / "models" / "default",
        tickers=("SPY", "QQQ", "DIA", "IWM"),
        bars="yahoo",
        calendar="XNYS",
        lock="none",
        sse="none",
    )


def test_every_setting_is_read(tmp_path: Path) -> None:
    settings = read(
        FORECASTER_STORE=f" {tmp_path / 'store'} ",
        FORECASTER_BUNDLE=str(tmp_path),
        FORECASTER_TICKERS="SPY",
        FORECASTER_BARS="simulated",
        FORECASTER_CALENDAR="24/7",
        FORECASTER_LOCK="compliance:10",
        FORECASTER_EVENTS="default",
        FORECASTER_SSE="kms:alias/mine",
    )
    options = ("24/7", "compliance:10", "kms:alias/mine")
    store = str(tmp_path / "store")
    assert settings == DailySettings(
        store, tmp_path, ("SPY",), "simulated", *options, events="default"
    )


def test_bars_may_lie_in_a_folder(tmp_path: Path) -> None:
    assert read(FORECASTER_BARS=str(tmp_path)).bars == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "tickers"),
    [
        ("spy, qqq", ("SPY", "QQQ")),
        ("QQQ,SPY,qqq", ("QQQ", "SPY")),
        ("BRK-B,BF.B,^GSPC,EURUSD=X,7203.T", ("BRK-B", "BF.B", "^GSPC", "EURUSD=X", "7203.T")),
    ],
)
def test_tickers_are_upper_case_and_each_once(text: str, tickers: tuple[str, ...]) -> None:
    assert read(FORECASTER_TICKERS=text).tickers == tickers


@pytest.mark.parametrize("text", ["SPY,,QQQ", "SPY;QQQ", "SPY QQQ", "../SPY", ".", "SPÜ", "A" * 17])
def test_what_is_no_ticker_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="FORECASTER_TICKERS: expected tickers .*, got "):
        read(FORECASTER_TICKERS=text)


@pytest.mark.parametrize("store", ["gs://bucket", "s3://", "~/store", "s3://bucket//x"])
def test_what_is_no_store_is_refused(store: str) -> None:
    with pytest.raises(ConfigError, match=r"FORECASTER_STORE: expected s3://.*, got '"):
        read(FORECASTER_STORE=store)


@pytest.mark.parametrize("lock", ["governance", "governance:0", "legal-hold:7", "none:1"])
def test_what_is_no_lock_is_refused(lock: str) -> None:
    with pytest.raises(ConfigError, match=r"FORECASTER_LOCK: expected none, governance:YEARS .*'"):
        read(FORECASTER_LOCK=lock)


@pytest.mark.parametrize("name", ["FORECASTER_BUNDLE", "FORECASTER_BARS"])
def test_a_folder_that_is_not_there_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{name}: expected .* folder.*, got '.*/none'"):
        read(**{name: str(tmp_path / "none")})


@pytest.mark.parametrize("name", ["FORECASTER_BUNDLE", "FORECASTER_BARS"])
def test_a_file_in_place_of_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    file = tmp_path / "SPY.pdf"
    file.write_text("Date,Open,High,Low,Close,Volume\n")
    with pytest.raises(ConfigError, match=rf"{name}: expected .* folder.*, got '.*/SPY\.pdf'"):
        read(**{name: str(file)})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("text", ["", "  ", "\t\n"])
def test_a_setting_set_to_nothing_is_refused(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(f", got {text!r}")):
        read(**{name: text})


def test_a_missing_store_is_refused() -> None:
    with pytest.raises(ConfigError, match="FORECASTER_STORE: expected .*, got nothing"):
        DailySettings.from_env({})


def test_all_problems_are_told_at_once_and_no_secret() -> None:
    environ = {
        "FORECASTER_BUNDLE": "/none",
        "FORECASTER_TICKERS": "?",
        "FORECASTER_BARS": "bloomberg",
        "FORECASTER_LOCK": "forever",
        "FORECASTER_SSE": "rot13",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "FORECASTER_API_KEY_SHA256": "hush too",
    }
    with pytest.raises(ConfigError) as raised:
        DailySettings.from_env(environ)
    told = str(raised.value)
    assert [told.count(f"{name}: expected") for name in NAMES] == [1] * 6
    assert "hush" not in told


def test_whoever_verifies_must_know_the_store_and_no_more() -> None:
    read = VerifySettings.from_env
    assert read({"FORECASTER_STORE": "s3://bucket/prefix"}) == VerifySettings("s3://bucket/prefix")
    with pytest.raises(ConfigError, match="FORECASTER_STORE: expected .*, got nothing"):
        read({})


class TestOnDemand:
    DIGESTS = ("a" * 64, "0123456789abcdef" * 4)

    def read(self, **environ: str) -> OnDemandSettings:
        return OnDemandSettings.from_env({"FORECASTER_STORE": "s3://bucket/prefix"} | environ)

    def test_keys_are_asked_for_unless_told_otherwise(self) -> None:
        settings = self.read(FORECASTER_API_KEY_SHA256=" , ".join(self.DIGESTS).upper())
        assert settings == OnDemandSettings(
            store="s3://bucket/prefix",
            bundle=ROOT / "models" / "default",
            auth="api-key",
            api_key_sha256=self.DIGESTS,
        )

    @pytest.mark.parametrize("auth", ["iam", "none"])
    def test_by_choice_there_are_no_keys(self, auth: str) -> None:
        settings = self.read(FORECASTER_AUTH=auth, FORECASTER_API_KEY_SHA256="not read")
        assert (settings.auth, settings.api_key_sha256) == (auth, ())

    @pytest.mark.parametrize("auth", ["", "None", "api_key", "basic"])
    def test_another_way_is_refused(self, auth: str) -> None:
        with pytest.raises(ConfigError, match="FORECASTER_AUTH: expected api-key, iam or none"):
            self.read(FORECASTER_AUTH=auth)

    @pytest.mark.parametrize(
        "text", ["fcast_a-key-itself", "a" * 63, "g" * 64, f"{'a' * 64},", f"{'a' * 64};{'b' * 64}"]
    )
    def test_what_is_no_digest_is_refused_and_not_repeated(self, text: str) -> None:
        with pytest.raises(ConfigError, match="FORECASTER_API_KEY_SHA256: expected") as raised:
            self.read(FORECASTER_API_KEY_SHA256=text)
        assert text not in str(raised.value)

    def test_what_comes_past_a_domain_is_refused_where_there_is_one(self) -> None:
        keys = {"FORECASTER_API_KEY_SHA256": self.DIGESTS[0]}
        for none in ({}, {"FORECASTER_ORIGIN_SHA256": "none"}):
            assert self.read(**keys, **none).origin_sha256 is None
        settings = self.read(**keys, FORECASTER_ORIGIN_SHA256=",".join(self.DIGESTS))
        assert settings.origin_sha256 == self.DIGESTS
        for text in ("", "the-secret-itself", "None"):
            with pytest.raises(ConfigError, match="FORECASTER_ORIGIN_SHA256: expected") as raised:
                self.read(**keys, FORECASTER_ORIGIN_SHA256=text)
            assert "the-secret-itself" not in str(raised.value)

    def test_all_problems_are_told_at_once(self) -> None:
        with pytest.raises(ConfigError) as raised:
            OnDemandSettings.from_env({"FORECASTER_BUNDLE": "/none"})
        for name in ("FORECASTER_STORE", "FORECASTER_BUNDLE", "FORECASTER_API_KEY_SHA256"):
            assert f"{name}: expected" in str(raised.value)


class TestImageRequirements:
    """What the image installs is what the project names, locked."""

    def pinned(self) -> dict[str, str]:
        """Return the direct requirements of what the image runs: name -> version."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        named = [*project["dependencies"], *project["optional-dependencies"]["serving"]]
        pairs = [re.sub(r"\[.*\]", "", one).split("==") for one in named]
        return {
            name.replace("_", "-"): version
            for name, version in pairs
            if name not in self.left_out()
        }

    def left_out(self) -> set[str]:
        """Return what is left out of the image: the libraries of the command line."""
        lines = (ROOT / "infra" / "not-in-image.txt").read_text().splitlines()
        return {line for line in lines if not line.startswith("#")}

    def locked(self) -> dict[str, list[str]]:
        """Return the lines of each locked requirement: `name==version` -> hashes."""
        text = (ROOT / "infra" / "image-requirements.txt").read_text().replace("\\\n", "")
        lines = [line.split() for line in text.splitlines() if line]
        return {line[0]: line[1:] for line in lines}

    def test_it_is_in_step_with_the_project(self) -> None:
        direct = {f"{name}=={version}" for name, version in self.pinned().items()}
        assert direct <= self.locked().keys()

    def test_every_requirement_has_its_hashes_and_no_address(self) -> None:
        for requirement, hashes in self.locked().items():
            assert re.fullmatch(r"[a-z0-9.-]+==[0-9][\w.]*", requirement)
            assert hashes
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", one) for one in hashes)

    def test_nothing_of_training_command_line_or_tests_is_in_it(self) -> None:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        others = [one for name in ("training", "dev") for one in extras[name]]
        names = {re.split(r"[\[=]", one)[0] for one in others} | {"scikit-learn", "mlflow"}
        names |= self.left_out() | {"pydantic"}
        assert {"rich", "typer"} == self.left_out()
        assert names.isdisjoint(requirement.split("==")[0] for requirement in self.locked())


def test_a_universe_is_a_file_or_lies_in_s3(tmp_path: Path) -> None:
    file = tmp_path / "universe.csv"
    file.write_text("ticker")
    for text in (str(file), "s3://bucket/store/universe.csv"):
        assert read(FORECASTER_UNIVERSE=text).universe == text
    assert read(FORECASTER_UNIVERSE="none").universe is None
    for text in ("", "nowhere.csv", str(tmp_path), "https://universe.csv"):
        with pytest.raises(ConfigError, match="FORECASTER_UNIVERSE: expected a CSV file"):
            read(FORECASTER_UNIVERSE=text)


@pytest.mark.parametrize(
    ("text", "rate"), [("1", 1.0), ("120", 120.0), ("6000", 6000.0), ("none", None)]
)
def test_a_rate_is_requests_a_minute(text: str, rate: float | None) -> None:
    assert read(FORECASTER_RATE=text).rate == rate


@pytest.mark.parametrize("text", ["", "0", "6001", "-1", "1.5", "fast", "\u0661"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="FORECASTER_RATE: expected requests a minute, 1 to 6000"):
        read(FORECASTER_RATE=text)


@pytest.mark.parametrize(
    ("text", "renamed"),
    [("FB=META", {"META": "FB"}), (" fb=meta , A=SPY", {"META": "FB", "SPY": "A"}), ("none", {})],
)
def test_renames_are_said_as_on_the_command_line(text: str, renamed: dict[str, str]) -> None:
    assert read(FORECASTER_TICKERS="SPY,META", FORECASTER_RENAMED=text).renamed == renamed


@pytest.mark.parametrize(
    "text", ["", "META", "FB=GOOG", "SPY=META", "META=META", "FB=META,A=META", "A=B=C", "FB=META;"]
)
def test_what_is_no_rename_of_the_tickers_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="FORECASTER_RENAMED: expected old and new names as FB="):
        read(FORECASTER_TICKERS="SPY,META", FORECASTER_RENAMED=text)


def test_a_universe_says_its_renames_itself(tmp_path: Path) -> None:
    file = tmp_path / "u.csv"
    file.write_text("ticker\nSPY\n")
    environ = {"FORECASTER_UNIVERSE": str(file), "FORECASTER_TICKERS": "META"}
    assert read(**environ, FORECASTER_RENAMED="none").renamed == {}
    with pytest.raises(ConfigError, match="FORECASTER_RENAMED: expected none with FORECASTER_UNIV"):
        read(**environ, FORECASTER_RENAMED="FB=META")


def test_of_tickers_that_are_none_only_that_is_said() -> None:
    with pytest.raises(ConfigError) as raised:
        read(FORECASTER_TICKERS="?", FORECASTER_RENAMED="FB=META")
    assert "FORECASTER_RENAMED" not in str(raised.value)
