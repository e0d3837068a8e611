"""Every ticker is in exactly one shard, and stays there whatever else comes or goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from pipeline.jobs.universe.members import Universe, parse_universe
from pipeline.record.sharding import assign_shard

TICKERS = st.lists(st.from_regex(r"\^?[A-Z0-9][A-Z0-9.=-]{0,6}", fullmatch=True), unique=True)
SHARDS = st.integers(1, 40)


def universe(tickers: Sequence[str], former: Mapping[str, str] = {}) -> Universe:
    rows = (f"{ticker},{former.get(ticker, '')}" for ticker in tickers)
    return parse_universe("\n".join(["ticker,renamed_from", *rows]).encode(), "u.csv")


def places(of: Universe, shards: int) -> dict[str, int]:
    parts = of.split(shards)
    tickers = [ticker for part in parts.values() for ticker in part.tickers]
    assert sorted(tickers) == sorted(of.tickers)  # each once, and no other
    assert all(0 <= number < shards and part.members for number, part in parts.items())
    return {ticker: number for number, part in parts.items() for ticker in part.tickers}


@given(TICKERS.filter(bool), SHARDS, st.data())
def test_who_stays_stays_where_it_is(
    tickers: Sequence[str], shards: int, data: st.DataObject
) -> None:
    before = places(universe(tickers), shards)
    kept = data.draw(st.lists(st.sampled_from(tickers), unique=True, min_size=1))
    added = data.draw(TICKERS)
    after = places(universe(list(dict.fromkeys([*added, *kept]))), shards)
    assert {ticker: after[ticker] for ticker in kept} == {t: before[t] for t in kept}
    assert all(number == assign_shard(ticker, shards) for ticker, number in after.items())


@given(TICKERS.filter(lambda tickers: len(tickers) > 1), SHARDS)
def test_who_is_renamed_stays_where_its_record_is(tickers: Sequence[str], shards: int) -> None:
    old, new, *others = tickers
    before = places(universe([old, *others]), shards)
    after = places(universe([new, *others], {new: old}), shards)
    assert after.pop(new) == before.pop(old)
    assert after == before


@given(TICKERS.filter(bool), SHARDS)
def test_the_order_of_the_file_changes_no_shard(tickers: Sequence[str], shards: int) -> None:
    assert universe(tickers).split(shards) == universe(tickers[::-1]).split(shards)
