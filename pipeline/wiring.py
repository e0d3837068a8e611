"""Which adapter stands behind which setting: the one place that the handler and the CLI share.

Each adapter is imported where it is chosen, so that a process loads only the vendors it uses.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.adapters.aws.s3_options import LOCATION, NO_SSE, Lock, parse_sse
from pipeline.bars import TICKER, VIX
from pipeline.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from pipeline.jobs.daily_job import DailyJob
    from pipeline.ports import BarSource, Calendar, ObjectStore, Signer

YAHOO = "yahoo"
SIMULATED = "simulated"
SSM = "ssm:"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
# In a wheel the bundle lies in this package, in a checkout and in the image beside it.
_HERE = Path(__file__).resolve().parent
_PLACES = [folder / "models" / "default" for folder in (_HERE, _HERE.parent)]
DEFAULT_BUNDLE = next(filter(Path.is_dir, _PLACES), _PLACES[-1])
DEFAULT_TICKERS, DEFAULT_CALENDAR = "SPY,QQQ,DIA,IWM", "XNYS"
# The model reads the VIX beside them, and does without where it is missing.
DEFAULT_SYMBOLS = f"{DEFAULT_TICKERS},{VIX}"
SOURCES = f"{YAHOO}, {SIMULATED}, an existing folder or file of bars, or s3://bucket/prefix"


def parse_tickers(text: str) -> tuple[str, ...]:
    """Return the tickers of `SPY,QQQ`, in upper case, each once; raises ConfigError for others."""
    tickers = [ticker.strip().upper() for ticker in text.split(",")]
    if not all(re.fullmatch(TICKER, ticker) for ticker in tickers):
        raise ConfigError(f"expected tickers joined by commas like SPY,QQQ, got {text!r}")
    return tuple(dict.fromkeys(tickers))


def open_calendar(name: str = DEFAULT_CALENDAR) -> Calendar:
    """Return the calendar of an exchange; raises ConfigError for an unknown one."""
    from pipeline.adapters.exchange.calendar import ExchangeCalendar  # noqa: PLC0415

    return ExchangeCalendar(name)


def calendar_of(store: ObjectStore) -> Calendar:
    """Return the calendar that a store's terms name; the default where they name none."""
    from pipeline.record.terms import read_terms  # noqa: PLC0415

    try:
        terms = read_terms(store)
        return open_calendar(terms.calendar if terms else DEFAULT_CALENDAR)
    except (StoreError, ConfigError):  # whoever verifies the record says what is wrong with it
        return open_calendar()


def is_source(spec: str) -> bool:
    """Whether `spec` is of a kind of SOURCES; of S3 nothing is asked."""
    from pipeline.adapters.bar_folder.places import is_place  # noqa: PLC0415

    return spec in (YAHOO, SIMULATED) or bool(LOCATION.fullmatch(spec)) or is_place(spec)


def open_source(
    spec: str,
    calendar: Calendar,
    *,
    cache_dir: Path,
    remaining_seconds: Callable[[], float],
    pause: float = 0.0,
) -> BarSource:
    """Return the source that `spec` names: `yahoo`, `simulated`, or files of bars here or in S3.

    Parameters
    ----------
    cache_dir : private folder that the source may write to, made when needed
    remaining_seconds : gives the seconds left to the caller; bounds a source's retries
    pause : seconds between requests of a source that is asked ticker by ticker

    Raises
    ------
    ConfigError
        When `spec` names none of them.
    """
    if spec == YAHOO:
        from pipeline.adapters.yahoo.yahoo_bars import YahooBars  # noqa: PLC0415

        return YahooBars(cache_dir, remaining_seconds, str(calendar.zone), pause=pause)
    if spec == SIMULATED:
        from pipeline.adapters.simulated.market import SimulatedMarket  # noqa: PLC0415

        return SimulatedMarket(calendar)
    if not is_source(spec):
        raise ConfigError(f"bars: expected {SOURCES}, got {spec!r}")
    from pipeline.adapters.bar_folder.folder_bars import FolderBars  # noqa: PLC0415
    from pipeline.adapters.bar_folder.places import open_objects, split_name  # noqa: PLC0415

    prefix, name = split_name(spec)
    in_s3 = LOCATION.fullmatch(spec)
    return FolderBars(open_objects(open_store(prefix), name) if in_s3 else Path(spec))


def open_store(
    location: str, *, hurried: bool = False, lock: Lock | None = None, sse: str = NO_SSE
) -> ObjectStore:
    """Return the store at `s3://bucket/prefix` or in a folder; nothing is read or made yet.

    `hurried` is for where a caller waits: S3 then has seconds to answer, not minutes, and what
    speaks to it is loaded at once. `sse` is how S3 is told to encrypt, as `aes256` or `kms:KEY`.

    Raises
    ------
    ConfigError
        When `location` is neither, or is a folder, which can be neither locked nor encrypted.
    """
    encryption = parse_sse(sse)
    if s3 := LOCATION.fullmatch(location):
        from pipeline.adapters.aws.clients import HURRIED, PATIENT  # noqa: PLC0415
        from pipeline.adapters.aws.s3_lists import check_bucket  # noqa: PLC0415
        from pipeline.adapters.aws.s3_store import S3Objects  # noqa: PLC0415

        where = check_bucket(s3["bucket"]), s3["prefix"].strip("/")
        patient = HURRIED if hurried else PATIENT
        objects = S3Objects(*where, patience=patient, lock=lock, sse=encryption)
        return objects.connect() if hurried else objects
    # A shell expands ~, a setting does not, and a folder named ~ is nobody's wish.
    if not location.strip() or location.startswith("~") or _SCHEME.match(location):
        raise ConfigError(
            "store: expected s3://bucket/prefix, the bucket's name of 3 to 63 of a-z 0-9 . -, or a "
            f"folder, got {location!r}"
        )
    if Path(location).is_file():
        raise ConfigError(f"store: expected s3://bucket/prefix or a folder, got file {location!r}")
    for option, value in {"lock": lock, "sse": encryption}.items():
        if value:
            raise ConfigError(f"{option}: expected none for a folder, got one for {location!r}")
    from pipeline.adapters.folder_store import FolderObjects  # noqa: PLC0415

    return FolderObjects(Path(location))


def open_signer(location: str) -> Signer:
    """Return what signs with the private key in a file, or in SSM at `ssm:/name`.

    Raises ConfigError where there is no such file or key, DeploymentError where SSM gives none.
    """
    from pipeline.adapters.ed25519 import Ed25519Signer, read_signer  # noqa: PLC0415

    if location.startswith(SSM):
        from pipeline.adapters.aws.ssm_parameters import read_secret  # noqa: PLC0415

        return Ed25519Signer(read_secret(location.removeprefix(SSM)).encode(), location)
    return read_signer(Path(location), or_else=f"{SSM}/name")


def is_signed(public_key: str, signature: bytes, data: bytes) -> bool:
    """Whether `data` was signed so with the private key that belongs to `public_key`, in hex."""
    from pipeline.adapters import ed25519  # noqa: PLC0415

    return ed25519.is_signed(public_key, signature, data)


def daily_job(
    tickers: tuple[str, ...],
    source: BarSource,
    calendar: Calendar,
    *,
    store: ObjectStore,
    bundle: Path,
    key: str | None = None,
) -> DailyJob:
    """Return the live daily run of `tickers` on the model in folder `bundle`, and the broad one.

    `key` is where the private key is that signs, None for no signatures.

    Raises
    ------
    ConfigError
        When `key` names no key.
    DeploymentError
        When SSM does not give the key.
    BundleMismatch
        When the bundle cannot be used.
    """
    from pipeline.adapters.parquet.parquet_tables import ParquetTables  # noqa: PLC0415
    from pipeline.forecasting.models import load_models  # noqa: PLC0415
    from pipeline.jobs.daily_job import DailyJob  # noqa: PLC0415

    models = load_models(bundle, tickers)
    signer = None if key is None else open_signer(key)
    return DailyJob(
        tickers, source, calendar, store, ParquetTables(), models.main, models.broad, signer=signer
    )
