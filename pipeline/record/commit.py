"""Commit: the manifest of a part whose objects are written, and the write that publishes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pipeline.columns import Columns
from pipeline.encoding import sha256, to_json
from pipeline.errors import Overtaken
from pipeline.record.chain import Link
from pipeline.record.correction import Correction
from pipeline.record.manifest import OK, SCHEMA_VERSION, RunManifest, reasons_of
from pipeline.record.notes import (
    Note,
    find_notes,
    note_corrected,
    note_dialects,
    note_filled,
    note_short,
)
from pipeline.record.part import PartInputs, Write
from pipeline.record.renamed import note_renamed
from pipeline.record.revisions import find_revisions
from pipeline.record.second_source import note_second_source


def commit(manifest: RunManifest, write: Write) -> Link:
    """Write the manifest of a part whose objects are written, and return its link.

    Raises
    ------
    Overtaken
        When another run has published the part meanwhile, with objects under other numbers.
    """
    data = to_json(manifest)
    if write(manifest.key, data) != data:
        raise Overtaken(
            f"{manifest.key}: expected to publish it, but another run did, with other objects"
        )
    return Link(manifest, sha256(data))


def build_manifest(
    part: PartInputs,
    model_version: str,
    forecasts: Columns,
    objects: Mapping[str, str],
    covariates: Sequence[str] = (),
) -> RunManifest:
    """Return the manifest of a part whose objects are written."""
    before, info = part.prior.link, part.vintage.info
    revisions = {
        ticker: find_revisions(bars, part.prior.bars[ticker])
        for ticker, bars in part.vintage.bars.items()
        if ticker in part.prior.bars
    }
    tickers = dict(zip(forecasts["ticker"], forecasts["status"], strict=True))
    versions = dict(zip(forecasts["ticker"], forecasts["model_version"], strict=True))
    published = [ticker for ticker, status in tickers.items() if status == OK]
    return RunManifest(
        schema_version=SCHEMA_VERSION,
        session=part.session,
        part=part.number,
        mode=info.mode,
        issued_at=info.issued_at,
        source=info.source,
        model_version=model_version,
        tickers=tickers,
        horizons=len(part.target_dates),
        objects=objects,
        revisions={ticker: columns for ticker, columns in revisions.items() if columns},
        previous_key=before.manifest.key if before else None,
        previous=before.digest if before else None,
        healed=part.prior.repairs.healed,
        lost=part.prior.repairs.lost,
        filled_bars=info.filled,
        currencies={
            ticker: code for ticker, code in info.currencies.items() if ticker in published
        },
        others={t: version for t, version in versions.items() if version != model_version},
        notes=(
            *find_notes(part.vintage.bars, published, covariates, part.expected),
            *note_short(part.vintage.bars, published),
            *note_filled(info.filled),
            *note_dialects(info.dialects),
            *note_renamed(info.renamed, published),
            *_note_second_source(part, tickers),
        ),
    )


def _note_second_source(part: PartInputs, statuses: Mapping[str, str]) -> Iterator[Note]:
    info, bars = part.vintage.info, part.vintage.bars
    reasons = {**dict.fromkeys(statuses, ""), **reasons_of(statuses)}
    return note_second_source(info.second_source, info.second_closes, bars, reasons)


def with_corrections(
    manifest: RunManifest, corrected: Mapping[str, tuple[Correction, ...]]
) -> RunManifest:
    """Return the manifest with what was corrected, and a note of it."""
    sessions = {ticker: [each.session for each in of] for ticker, of in corrected.items()}
    notes = (*manifest.notes, *note_corrected(sessions))
    return msgspec.structs.replace(manifest, corrected=corrected, notes=notes)
