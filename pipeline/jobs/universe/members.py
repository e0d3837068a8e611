"""Members: the tickers of a universe, as a CSV file lists them.

Columns: `ticker`; if wanted `calendar`, one exchange for all, `group`, by which the manifest of a
session counts, and `renamed_from`, the former names of a ticker, the first one first.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from pipeline.bars import TICKER
from pipeline.encoding import sha256, to_json
from pipeline.errors import ConfigError, StoreError
from pipeline.ports import ObjectStore
from pipeline.record.sharding import assign_shard

TICKERS, CALENDAR, GROUP, RENAMED = "ticker", "calendar", "group", "renamed_from"
COLUMNS = (TICKERS, CALENDAR, GROUP, RENAMED)
LARGEST = 16 * 2**20  # bytes of a file: a million tickers
SHOWN = 10  # lines at fault that are told of


@dataclass(frozen=True, slots=True)
class Member:
    """A ticker; `former` are the names that it had, the first one first."""

    ticker: str
    group: str = ""
    former: tuple[str, ...] = ()

    @property
    def home(self) -> str:
        """The name that its shard follows from: a renamed ticker stays where its record is."""
        return self.former[0] if self.former else self.ticker


@dataclass(frozen=True, slots=True)
class Universe:
    """Members in the order of their tickers; `calendar` is None where the file names none."""

    members: tuple[Member, ...]
    calendar: str | None = None

    @property
    def tickers(self) -> tuple[str, ...]:
        return tuple(member.ticker for member in self.members)

    @property
    def renamed(self) -> dict[str, str]:
        """New name -> the name before."""
        return {member.ticker: member.former[-1] for member in self.members if member.former}

    @property
    def rows_sha256(self) -> str:
        """Digest of the rows, whatever their order in the file."""
        return sha256(to_json([(m.ticker, m.group, m.former) for m in self.members]))

    def split(self, shards: int) -> dict[int, Universe]:
        """Return the shards that have members, by their numbers, in order."""
        parts: dict[int, list[Member]] = {}
        for member in self.members:
            parts.setdefault(assign_shard(member.home, shards), []).append(member)
        return {n: Universe(tuple(parts[n]), self.calendar) for n in sorted(parts)}


def read_universe(location: str, open_store: Callable[[str], ObjectStore]) -> Universe:
    """Return the universe in a file, at a path or at `s3://bucket/key`.

    Raises
    ------
    ConfigError
        When there is no such file, or it is no universe, with the lines that are wrong.
    """
    in_s3 = location.startswith("s3://")
    folder = location.rpartition("/")[0] if in_s3 else str(PurePath(location).parent)
    try:
        data = open_store(folder).read(PurePath(location).name or location)
    except StoreError as exc:
        raise ConfigError(f"universe: expected a CSV file, got {location!r}: {exc}") from exc
    if data is None or len(data) > LARGEST:
        what = "nothing there" if data is None else f"{len(data)} bytes"
        raise ConfigError(
            f"universe: expected a CSV file or s3://bucket/key of at most {LARGEST} bytes, got "
            f"{location!r}: {what}"
        )
    return parse_universe(data, location)


def parse_universe(data: bytes, where: str) -> Universe:
    """Return the universe in a CSV file.

    Raises
    ------
    ConfigError
        When it is no such file, with the lines that are wrong.
    """
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
        _check_columns(names, where)
        reader.fieldnames = names
        rows = {}
        for row in reader:
            rows[reader.line_num] = {
                name: (text or "").strip() for name, text in row.items() if name
            } | ({"": "more"} if None in row else {})
    except (UnicodeDecodeError, csv.Error) as exc:
        raise ConfigError(f"{where}: expected a CSV file in UTF-8, got: {exc}") from exc
    if not rows:
        raise ConfigError(f"{where}: expected a row for each ticker, got none")
    if problems := list(_find_problems(rows)):
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ConfigError(f"{where}: {'; '.join(problems[:SHOWN])}{more}")
    members = sorted((_to_member(row) for row in rows.values()), key=lambda member: member.ticker)
    calendar = next(iter(rows.values())).get(CALENDAR)
    return Universe(tuple(members), calendar or None)


Rows = Mapping[int, Mapping[str, str]]  # cells by their column, by the line that they end on


def _check_columns(names: list[str], where: str) -> None:
    if TICKERS not in names or not set(names) <= {*COLUMNS} or len(set(names)) < len(names):
        raise ConfigError(
            f"{where}: expected a first line with the column {TICKERS} and no others than "
            f"{', '.join(COLUMNS[1:])}, each once, got {','.join(names)[:200] or 'nothing'!r}"
        )


def _find_problems(rows: Rows) -> Iterator[str]:
    """Yield what is wrong with which line."""
    lines: dict[str, int] = {}
    calendar = next(iter(rows.values())).get(CALENDAR, "")
    for line, row in rows.items():
        member = _to_member(row)
        names = (member.ticker, *member.former)
        if "" in row:
            yield f"line {line}: expected as many cells as the first line has, got more"
        if bad := [name for name in names if not re.fullmatch(TICKER, name)]:
            yield f"line {line}: expected a ticker like SPY, got {bad[0][:40]!r}"
        elif again := [name for name in names if lines.setdefault(name, line) != line]:
            yield f"line {line}: expected each name once, got {again[0]} of line {lines[again[0]]}"
        elif len(set(names)) < len(names):
            yield f"line {line}: expected each name once, got {' '.join(names)}"
        if (other := row.get(CALENDAR, "")) != calendar:
            yield (
                f"line {line}: expected calendar {calendar or 'none'} as above, got "
                f"{other[:40] or 'none'}; each exchange has a universe and a store of its own"
            )


def _to_member(row: Mapping[str, str]) -> Member:
    return Member(row[TICKERS].upper(), row.get(GROUP, ""), _split(row.get(RENAMED, "")))


def _split(names: str) -> tuple[str, ...]:
    return tuple(names.upper().split())
