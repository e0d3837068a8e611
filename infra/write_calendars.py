"""Writes calendars.yml: when the runs of every exchange are due."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import exchange_calendars

from pipeline.adapters.exchange.hours import find_schedule

PATH = Path(__file__).with_name("calendars.yml")
HEADER = "# When the runs of every exchange are due; written by make calendars.\n"


def write_calendars() -> str:
    """Return the document: zone and cron expressions by the exchange's code."""
    lines = [HEADER]
    for name in sorted(exchange_calendars.get_calendar_names(include_aliases=False)):
        lines.append(f'"{name}":\n')
        lines += [f'  {key}: "{value}"\n' for key, value in asdict(find_schedule(name)).items()]
    return "".join(lines)


if __name__ == "__main__":
    PATH.write_text(write_calendars(), encoding="utf-8")
