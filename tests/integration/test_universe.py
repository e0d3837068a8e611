"""A universe of three shards: from the command line, from the function, in a folder, in S3."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handlers.local.invoke import LocalContext
from pipeline.errors import IncompleteRun, RequestError
from pipeline.ports import Announcement
from tests.support.clock import StoppedDatetime
from tests.support.commands import Clock, ColdStart, Forecaster, assert_refused, digests
from tests.support.s3_server import BUCKET, S3, s3_server

CSV = "ticker,group\nSPY,core\nQQQ,core\nDIA,old\nIWM,small\n"
SESSION = "2025-06-05"
NOW = datetime(2025, 6, 5, 23, tzinfo=UTC)
TIME = "2025-06-05T22:30:00Z"
RUN = ("run", "--bars", "simulated", "--universe", "u.csv", "--store", "store")
SHARDS = ("shard=0000", "shard=0001", "shard=0002")
VIEWED = {"universe.json", "universe/latest.json", f"universe/{SESSION}.json"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "u.csv"
    path.write_text(CSV)
    return path


@pytest.fixture
def evening(clock: Clock) -> None:
    clock(NOW)


def record_of(folder: Path) -> dict[str, str]:
    """Digests of what a universe's store holds, but for the list of shards, which has a time."""
    prefix = f"{folder}/"
    named = {path.removeprefix(prefix): digest for path, digest in digests(folder).items()}
    return {key: digest for key, digest in named.items() if not key.endswith("shards.json")}


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.mark.usefixtures("file", "evening")
class TestCommandLine:
    def test_shards_are_run_gathered_and_shown(self, forecaster: Forecaster) -> None:
        answer = forecaster(*RUN, "--shards", "4")
        assert (answer.code, answer.err) == (0, "")
        assert [line.split()[:2] for line in answer.out.splitlines() if "shard=" in line] == [
            [shard, "published"] for shard in SHARDS
        ]
        assert f"{SESSION}: 4 tickers published, 0 withheld, in 3 shards of store" in answer.out
        folders = {path.name for path in Path("store").iterdir()}
        assert folders == {*SHARDS, "universe", "universe.json"}
        for shard in SHARDS:
            assert forecaster("verify", "--store", f"store/{shard}").code == 0

    def test_said_again_it_changes_nothing_and_obeys_the_store(
        self, forecaster: Forecaster
    ) -> None:
        forecaster(*RUN, "--shards", "4")
        before = digests(Path("store"))
        again = forecaster(*RUN, "--json")
        assert again.code == 0
        outcomes = {each["outcome"] for each in again.document["shards"].values()}
        assert outcomes == {"nothing_to_do"}
        assert again.document["gathered"]["published"] == 4
        assert digests(Path("store")) == before
        assert_refused(forecaster(*RUN, "--shards", "5"), 1, "expected shards 4", "got 5")
        assert digests(Path("store")) == before

    def test_processes_write_the_bytes_of_one_and_of_the_function(
        self,
        forecaster: Forecaster,
        cold_start: ColdStart,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        forecaster(*RUN, "--shards", "4")
        forecaster(*RUN[:-1], "of-processes", "--shards", "4", "--workers", "2")
        assert record_of(Path("of-processes")) == record_of(Path("store"))
        environ = {"FORECASTER_UNIVERSE": "u.csv", "FORECASTER_STORE": str(tmp_path / "of-events")}
        daily = cold_start(environ)
        monkeypatch.setattr(daily, "datetime", StoppedDatetime(NOW))
        listed = daily.handler({"universe": "list", "time": TIME, "shards": 4}, LocalContext())
        events = json.loads(Path(listed["list"]).read_bytes())
        for event in events[::-1]:
            daily.handler(event, LocalContext())
        daily.handler({"universe": "gather", "time": TIME}, LocalContext())
        assert record_of(Path("of-events")) == record_of(Path("store"))

    def test_a_shard_that_fails_stops_no_other_and_is_run_again(
        self, forecaster: Forecaster
    ) -> None:
        forecaster(*RUN, "--shards", "4")
        whole = record_of(Path("store"))
        broken = Path("broken/shard=0001/store.json")
        broken.parent.mkdir(parents=True)
        broken.write_text("{}")
        answer = forecaster(*RUN[:-1], "broken", "--shards", "4")
        assert answer.code == 1
        assert "1 of 3 failed: shard=0001; the same command runs what is missing" in answer.err
        assert "shard=0001  failed" in answer.out
        assert "StoreError" in answer.out
        assert "3 tickers published" in answer.out
        broken.unlink()
        assert forecaster(*RUN[:-1], "broken").code == 0
        assert record_of(Path("broken")) == whole

    def test_a_source_that_has_no_bars_is_no_closure(self, forecaster: Forecaster) -> None:
        Path("nothing").mkdir()
        args = ("run", "--bars", "nothing", "--universe", "u.csv", "--store")
        for shards, failed in (("1", "1 of 1"), ("4", "3 of 3")):
            answer = forecaster(*args, f"of-{shards}", "--shards", shards)
            assert answer.code == 1, answer
            assert f"expected every shard to run, {failed} failed: shard=0000" in answer.err
            assert "IncompleteRun" in answer.out

    def test_a_closure_that_the_calendar_does_not_know_is_no_failure(
        self, forecaster: Forecaster, file: Path
    ) -> None:
        file.write_text("ticker\nSPY\nQQQ\n")
        fetch = ("fetch", "--bars", "simulated", "--out", "bars", "--tickers", "SPY,QQQ")
        assert forecaster(*fetch, "--from", "2023-01-03", "--to", "2025-06-04").code == 0
        args = ("run", "--bars", "bars", "--universe", "u.csv", "--store", "store")
        answer = forecaster(*args, "--shards", "4", "--json")
        assert answer.code == 0, answer
        outcomes = {each["outcome"] for each in answer.document["shards"].values()}
        assert outcomes == {"closed_unconfirmed"}

    def test_tickers_come_and_go_and_the_record_stays(
        self, forecaster: Forecaster, clock: Clock, file: Path
    ) -> None:
        file.write_text("ticker\nSPY\nIWM\n")
        forecaster(*RUN, "--shards", "4")
        before = record_of(Path("store"))
        clock(datetime(2025, 6, 6, 23, tzinfo=UTC))
        file.write_text("ticker\nSPY\nDIA\nQQQ\n")
        assert forecaster(*RUN).code == 0
        after = record_of(Path("store"))
        kept = {key for key in before if "/runs/" in key or "month=" in key}
        assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
        runs = {key for key in after.keys() - before.keys() if "/runs/" in key}
        assert runs == {f"shard=000{n}/runs/2025-06-06.00.json" for n in (1, 2)}
        for shard in SHARDS:
            assert forecaster("verify", "--store", f"store/{shard}").code == 0

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (("--tickers", "SPY"), "--tickers: expected none beside --universe"),
            (("--renamed", "FB=META"), "--renamed: expected none beside --universe, whose file"),
            (("--renamed", "FB=META"), "the column renamed_from, in the row of the new one"),
            (("--calendar", "XLON"), "expected calendar XNYS"),
        ],
    )
    def test_options_that_do_not_go_with_it_are_refused(
        self, options: tuple[str, ...], words: str, forecaster: Forecaster
    ) -> None:
        forecaster(*RUN)
        answer = forecaster(*RUN, *options)
        assert answer.code in (1, 2)
        assert words in answer.err

    @pytest.mark.parametrize("option", ["--shards", "--workers", "--rate"])
    def test_options_of_a_universe_need_one(self, forecaster: Forecaster, option: str) -> None:
        answer = forecaster("run", "--bars", "simulated", option, "2")
        assert_refused(answer, 2, option, "expected --universe beside them, got none")
        answer = forecaster("run", "--bars", "simulated", "--universe", "none.csv")
        assert_refused(answer, 2, "universe: expected a CSV file", "nothing there")


@pytest.mark.usefixtures("file", "evening")
class TestReaders:
    def test_a_universe_has_a_line_for_each_shard_and_a_sum(self, forecaster: Forecaster) -> None:
        forecaster(*RUN, "--shards", "4")
        verified = forecaster("verify", "--store", "store")
        assert (verified.code, verified.err) == (0, "")
        rows = [line.split() for line in verified.out.splitlines() if line.startswith(" shard")]
        assert [row[:2] for row in rows] == [[shard, "1"] for shard in SHARDS]
        assert ["all", "3", "33", "3", "0"] in [line.split() for line in verified.out.splitlines()]
        status = forecaster("status", "--store", "store")
        assert (status.code, status.err) == (0, "")
        assert ["all", "4", "0"] in [line.split() for line in status.out.splitlines()]
        assert "Shards with a record: 3 of 4." in status.out
        document = forecaster("status", "--store", "store", "--json").document
        assert set(document["shards"]) == {"0", "1", "2"}
        shards = forecaster("verify", "--store", "store", "--json").document["shards"]
        assert [shards[name]["findings"] for name in SHARDS] == [[], [], []]

    def test_what_is_not_as_it_was_is_named_with_its_shard(self, forecaster: Forecaster) -> None:
        forecaster(*RUN, "--shards", "4")
        Path("store/shard=0001/track_record.json").write_text("{}")
        Path("store/shard=0002/runs/2025-06-05.00.json").write_text("{}")
        answer = forecaster("verify", "--store", "store")
        assert answer.code == 1
        assert "expected an intact record, found" in answer.err
        assert "shard=0001/track_record.json" in answer.out
        assert "shard=0002/runs/2025-06-05.00.json" in answer.out
        status = forecaster("status", "--store", "store")
        assert "expected a run manifest" in status.out
        noted = forecaster("verify", "--store", "store", "--noted", "a" * 64)
        assert_refused(noted, 2, "--noted: expected it with a shard")

    def test_a_ticker_leads_to_its_shard_and_several_shards_are_refused(
        self, forecaster: Forecaster
    ) -> None:
        forecaster(*RUN, "--shards", "4")
        for args in (
            ("show", "QQQ"),
            ("status", "QQQ"),
            ("risk", "--position", "SPY=100", "--position", "DIA=-10"),
            ("probability", "SPY < 500 by 2025-06-06"),
            ("what-if", "IWM", "--return", "-1%"),
        ):
            answer = forecaster(*args, "--store", "store")
            expected = "in this slice" if args[0] == "status" else ""
            assert expected in answer.err if expected else answer.code == 0, answer
        risk = ("risk", "--position", "SPY=100", "--position", "QQQ=10", "--store", "store")
        words = ("expected tickers of one shard", "shard=0001: QQQ; shard=0002: SPY")
        assert_refused(forecaster(*risk), 1, *words, "scenarios of its own")
        show = forecaster("show", "SPY", "QQQ", "--store", "store")
        assert_refused(show, 1, *words, "a record of its own: ask of each shard by itself")
        answer = forecaster("show", "--store", "store")
        assert_refused(answer, 2, "of a universe; say a shard of it as store/shard=0000")


class TestFunction:
    def test_in_s3_the_universe_lies_beside_its_shards(
        self, s3: S3, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = f"s3://{BUCKET}/store"
        s3.client.put_object(Bucket=BUCKET, Key="store/universe.csv", Body=CSV.encode())
        variables = {"FORECASTER_STORE": store, "FORECASTER_UNIVERSE": f"{store}/universe.csv"}
        daily = cold_start({**s3.environ, **variables})
        monkeypatch.setattr(daily, "datetime", StoppedDatetime(NOW))
        listed = daily.handler({"universe": "list", "time": TIME, "shards": 4}, LocalContext())
        assert listed == {
            "session": SESSION,
            "shards": 3,
            "list": f"{store}/universe/{SESSION}.shards.json",
        }
        objects = s3.objects("store")
        for event in json.loads(objects[f"universe/{SESSION}.shards.json"]):
            answer = daily.handler(event, LocalContext())
            assert answer["store"] == f"{store}/shard={event['shard']:04d}"
        gathered = daily.handler({"universe": "gather", "time": TIME}, LocalContext())
        assert (gathered["published"], gathered["shards"]) == (4, 3)
        objects = s3.objects("store")
        assert objects.keys() >= VIEWED
        daily.handler({"universe": "gather", "time": TIME}, LocalContext())
        assert s3.objects("store") == objects
        s3.client.put_object(Bucket=BUCKET, Key="store/universe.csv", Body=b"ticker\nBRK-B\n")
        listed = daily.handler({"universe": "verify", "time": TIME}, LocalContext())
        assert listed == {"shards": 3, "list": f"{store}/universe/verify.shards.json"}

    def test_where_nothing_is_there_to_gather_the_runs_say_if_there_was_a_session(
        self, file: Path, cold_start: ColdStart
    ) -> None:
        daily = cold_start({"FORECASTER_UNIVERSE": str(file)})
        daily.handler({"universe": "list", "time": TIME, "shards": 4}, LocalContext())
        event = {"universe": "gather", "time": TIME}
        with pytest.raises(IncompleteRun, match="it lacks in shard 0, shard 1, shard 2"):
            daily.handler(event, LocalContext())
        answer = daily.handler({**event, "ended": True}, LocalContext())
        assert (answer["published"], answer["shards"]) == (0, 0)

    def test_metrics_tell_of_the_universe_and_the_log_of_the_shard(
        self, file: Path, cold_start: ColdStart, capsys: Any
    ) -> None:
        daily = cold_start({"FORECASTER_UNIVERSE": str(file)})
        daily.handler({"universe": "list", "time": TIME, "shards": 4}, LocalContext())
        capsys.readouterr()
        daily.handler({"shard": 1, "time": TIME}, LocalContext())
        printed = capsys.readouterr()
        metrics = emitted(printed.out)
        assert metrics["forecasts_published"] == 1
        assert metrics["shard"] == 1
        assert "session_complete" not in metrics
        assert json.loads(printed.err.splitlines()[-1])["shard"] == 1
        for number in (0, 2):
            daily.handler({"shard": number, "time": TIME}, LocalContext())
        capsys.readouterr()
        daily.handler({"universe": "gather", "time": TIME}, LocalContext())
        metrics = emitted(capsys.readouterr().out)
        assert (metrics["universe_published"], metrics["session_complete"]) == (4, 1)
        assert metrics["shards_missing"] == 0

    def test_one_event_tells_of_a_universe_and_none_of_a_shard(
        self, file: Path, cold_start: ColdStart, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        daily = cold_start({"FORECASTER_UNIVERSE": str(file)})
        bus = Bus()
        monkeypatch.setattr(daily, "announcers", [bus])
        steps = [{"universe": "list", "shards": 4}, *({"shard": n} for n in (0, 1, 2))]
        for step in (*steps, {"universe": "gather"}, {"universe": "gather"}):
            daily.handler({**step, "time": TIME}, LocalContext())
        assert [told.subject for told in bus.told] == [f"Universe published: {SESSION}"]

    @pytest.mark.parametrize(
        ("event", "words"),
        [
            ({"time": TIME}, "expected `shard` or `universe`, for there is a universe"),
            ({"shard": 3, "time": TIME}, "expected a shard that has tickers, of 0 to 0, got 3"),
            ({"shard": "1", "time": TIME}, "expected `shard`, a number, or `universe`"),
            ({"shard": 1}, "expected {} or an object with a `time`"),
        ],
    )
    def test_an_event_that_names_no_step_is_refused(
        self, event: Mapping[str, Any], words: str, file: Path, cold_start: ColdStart
    ) -> None:
        daily = cold_start({"FORECASTER_UNIVERSE": str(file)})
        with pytest.raises(RequestError, match=words):
            daily.handler(event, LocalContext())

    @pytest.mark.parametrize(
        ("environ", "pause"),
        [({}, 0.0), ({"FORECASTER_RATE": "60"}, 1.0), ({"FORECASTER_UNIVERSE": "u.csv"}, 2.0)],
    )
    def test_yahoo_is_asked_at_a_rate(
        self, environ: Mapping[str, str], pause: float, file: Path, cold_start: ColdStart
    ) -> None:
        named = {"FORECASTER_UNIVERSE": str(file)} if "FORECASTER_UNIVERSE" in environ else {}
        daily = cold_start({**environ, **named, "FORECASTER_BARS": "yahoo"})
        assert daily.jobs._source.pause == pause

    def test_without_a_universe_there_are_no_steps(self, cold_start: ColdStart) -> None:
        daily = cold_start({"FORECASTER_UNIVERSE": "none"})
        for step in ({"shard": 0}, {"universe": "list"}, {"universe": "verify"}):
            with pytest.raises(RequestError, match="for FORECASTER_UNIVERSE is none"):
                daily.handler({**step, "time": TIME}, LocalContext())


class Bus:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[Announcement] = []

    def tell(self, announcement: Announcement) -> None:
        self.told.append(announcement)


def emitted(out: str) -> dict[str, Any]:
    """Return the metrics and fields that were printed, of a list its first value."""
    fields: dict[str, Any] = {}
    for line in out.splitlines():
        fields |= json.loads(line)
    return {name: v[0] if isinstance(v, list) else v for name, v in fields.items()}


@pytest.mark.usefixtures("file", "evening")
class TestBackfill:
    BACKFILL = ("backfill", *RUN[1:], "--from", "2025-05-28", "--to", "2025-06-02")

    def test_shards_get_a_past_by_processes_as_one_by_one(self, forecaster: Forecaster) -> None:
        answer = forecaster(*self.BACKFILL, "--shards", "4")
        assert (answer.code, answer.err) == (0, "")
        rows = [line.split() for line in answer.out.splitlines() if line.startswith(" shard")]
        assert [row[:3] for row in rows] == [[shard, "issued", "4"] for shard in SHARDS]
        assert [row[3:] for row in rows] == [["0"]] * 3
        assert "2025-06-02: 4 tickers published, 0 withheld, in 3 shards of store" in answer.out
        before = digests(Path("store"))
        again = forecaster(*self.BACKFILL, "--workers", "2", "--json")
        assert again.document["gathered"]["published"] == 4
        assert digests(Path("store")) == before
        assert forecaster("verify", "--store", "store").code == 0

    def test_a_run_goes_on_behind_it(self, forecaster: Forecaster) -> None:
        forecaster(*self.BACKFILL, "--shards", "4")
        assert forecaster(*RUN).code == 0
        status = forecaster("status", "--store", "store", "--json").document
        assert {shard["session"] for shard in status["shards"].values()} == {SESSION}

    def test_a_span_that_ends_before_it_begins_is_refused(self, forecaster: Forecaster) -> None:
        answer = forecaster("backfill", *RUN[1:], "--from", "2025-06-03", "--to", "2025-06-02")
        assert_refused(answer, 2, "--from: expected a date not after 2025-06-02")
