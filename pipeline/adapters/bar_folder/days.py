"""Days: how a whole file writes its sessions, and which they are.

`3/4/2024` is a day of March or of April. All days of a file together decide; where both readings
fit, the file is refused with both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.adapters.bar_folder.columns import DATE, NameRow
from pipeline.bars import Sessions

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
ISO = "YYYY-MM-DD"
# A time or zone after the date is the exchange's own: the date before it is the session.
REST = r"(?:[ T].*)?$"
NUMBER, YEAR, SHORT_YEAR, NAME = r"\d{1,2}", r"\d{4}", r"\d{2}", r"[A-Za-z]{3,9}"
CENTURY = 70  # of a year of two digits: 69 is 2069, 70 is 1970
WHAT_TO_DO = f"write the days as {ISO}, or add rows until a day after the 12th is among them"


@dataclass(frozen=True, slots=True)
class Reading:
    """A way to read days: its words like `M/D/YYYY`, and an expression of groups y, m and d."""

    words: str
    pattern: str

    @property
    def has_short_year(self) -> bool:
        return self.words.count("Y") == 2

    def read(self, cells: Any) -> tuple[Sessions, int | None]:
        """Return cells as days, NaT where one is none, and the first row of those."""
        parts = pc.extract_regex(cells, pattern=self.pattern)
        known = np.asarray(pc.is_valid(parts))
        year, day = (_to_integers(parts, name) for name in "yd")
        if self.has_short_year:
            year += np.where(year < CENTURY, 2000, 1900)
        month = _find_months(parts) if "Mon" in self.words else _to_integers(parts, "m")
        months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
        days: Sessions = months.astype("datetime64[D]") + (day - 1)
        known &= (day >= 1) & (month >= 1) & (month <= 12)
        known &= days.astype("datetime64[M]") == months  # no 30th of February
        days[~known] = np.datetime64("NaT")
        return days, None if known.all() else int(np.argmin(known))


def _list_orders() -> list[Reading]:
    parts = {"D": f"(?P<d>{NUMBER})", "M": f"(?P<m>{NUMBER})", "YYYY": f"(?P<y>{YEAR})"}
    parts |= {"YY": f"(?P<y>{SHORT_YEAR})"}
    orders = ("M D YYYY", "D M YYYY", "YYYY M D", "M D YY", "D M YY", "YY M D")
    return [
        Reading(order.replace(" ", between), "^" + _join(parts, order, between) + REST)
        for between in "/.-"
        for order in orders
    ]


def _join(parts: dict[str, str], order: str, between: str) -> str:
    return re.escape(between).join(parts[part] for part in order.split())


READINGS = (
    Reading(ISO, rf"^(?P<y>{YEAR})-(?P<m>\d\d)-(?P<d>\d\d){REST}"),
    Reading("YYYYMMDD", rf"^(?P<y>{YEAR})(?P<m>\d\d)(?P<d>\d\d)$"),
    *_list_orders(),
    Reading("Mon D, YYYY", rf"^(?P<m>{NAME})\.? (?P<d>{NUMBER}),? (?P<y>{YEAR})$"),
    Reading("D Mon YYYY", rf"^(?P<d>{NUMBER})[- ](?P<m>{NAME})[- ](?P<y>{YEAR})$"),
    Reading("D Mon YY", rf"^(?P<d>{NUMBER})[- ](?P<m>{NAME})[- ](?P<y>{SHORT_YEAR})$"),
)


def read_days(cells: Any, name_line: NameRow) -> tuple[Sessions, str]:
    """Return text as sessions, datetime64[D] (n,), and in words how they are written.

    Parameters
    ----------
    cells : pyarrow strings (n,)
    name_line : gives the line of a row in words

    Raises
    ------
    ValueError
        For a cell that is no day, or a file that can be read in two ways.
    """
    if len(cells) == 0:
        return np.array([], "datetime64[D]"), ISO
    # Which of them can be is seen on one cell; only those read them all.
    likely = [r for r in READINGS if re.match(r.pattern, cells[0].as_py())] or list(READINGS[:1])
    results = [(reading, *reading.read(cells)) for reading in likely]
    fits = [(reading, days) for reading, days, wrong in results if wrong is None]
    if any(reading.has_short_year for reading, _ in fits):
        fits = [fit for fit in fits if _go_one_way(fit[1])] or fits
    if others := [fit for fit in fits[1:] if (fit[1] != fits[0][1]).any()]:
        raise _refuse_both(cells, fits[0], others[0], name_line)
    if fits:
        return fits[0][1], fits[0][0].words
    reading, _, wrong = max(results, key=lambda result: result[2] or 0)
    raise refuse_day(cells[wrong or 0].as_py(), name_line(wrong or 0), reading.words)


def refuse_day(cell: str, where: str, expected: str = ISO) -> ValueError:
    """Return the error of a cell that is no day."""
    return ValueError(f"{where}, {DATE}: expected {expected}, got {cell[:50]!r}")


def _refuse_both(
    cells: Any,
    one: tuple[Reading, Sessions],
    other: tuple[Reading, Sessions],
    name_line: NameRow,
) -> ValueError:
    row = int(np.argmax(one[1] != other[1]))
    both = " and ".join(f"{days[row]} as {reading.words}" for reading, days in (one, other))
    return ValueError(
        f"{name_line(row)}, {DATE}: {cells[row].as_py()!r} is {both}, and every day of the file "
        f"can be read both ways; {WHAT_TO_DO}"
    )


def _go_one_way(days: Sessions) -> bool:
    steps = np.diff(days).astype(np.int64)
    return bool((steps > 0).all() or (steps < 0).all())


def _to_integers(parts: Any, name: str) -> Any:
    numbers = pc.cast(pc.struct_field(parts, name), pa.int64())
    return np.array(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False))


def _find_months(parts: Any) -> Any:
    names = pc.utf8_lower(pc.utf8_slice_codeunits(pc.struct_field(parts, "m"), 0, 3))
    months = pc.index_in(names, value_set=pa.array(MONTHS))
    return np.array(pc.fill_null(months, -1).to_numpy(zero_copy_only=False)) + 1
