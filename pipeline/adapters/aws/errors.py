"""Errors of AWS and of the way to it (botocore), as ours: the one place that knows them.

botocore has errors of its own, lets some of the libraries below it through, and trips over answers
that are none of the service's: a proxy's page, a body of another shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import ForecasterError

# What to do, by what is in the code or the message of a refusal.
HINTS = {
    r"checksum|aws-chunked|content-?sha256|NotImplemented": "A server that knows no checksums is "
    "written to with AWS_REQUEST_CHECKSUM_CALCULATION=when_required in the environment "
    "(docs/operations.md#other-s3-servers)",
    r"NoSuchBucket": "Mind the bucket's name, its account and its region",
    r"kms:Decrypt": "Allow kms:Decrypt with the bucket's key (docs/sources.md#s3)",
    r"AccessDenied.*(GetObject|ListObjects)": "Allow s3:GetObject of what lies there and "
    "s3:ListBucket of its prefix (docs/sources.md#s3)",
    r"AccessDenied.*PutObject": "Where the bucket's policy demands encryption: --sse "
    "(docs/operations.md#other-s3-servers)",
}
FOREIGN = "Is a proxy or a login page in between?"
# What a put only where nothing is answers where something is: 304 by some, against the standard.
EXISTS = (304, 412)
BUSY = (409, 429)
BUSY_CODES = ("ConditionalRequestConflict", "OperationAborted", "RequestTimeout", "SlowDown")


@contextmanager
def translate_errors(kind: type[ForecasterError], expected: str) -> Iterator[None]:
    """Raise whatever goes wrong with AWS in the block as `kind`, in a line that begins so."""
    try:
        yield
    except import_error_types() as exc:
        raise kind(f"{expected}, got {describe(exc)}{find_hint(exc)}") from exc


def import_error_types() -> tuple[type[Exception], ...]:
    """Return what botocore's calls and bodies raise; imported where something was raised."""
    from http.client import HTTPException  # noqa: PLC0415

    from boto3.exceptions import Boto3Error  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    network = (HTTPError, HTTPException, OSError)
    # Of an unusable endpoint or credential, and of answers of another shape than the service's:
    # botocore trips over a refusal with a checksum, and follows redirections for ever.
    shape = (ResponseParserError, ValueError, LookupError)
    slips = (TypeError, AttributeError, RecursionError)
    return (BotoCoreError, ClientError, Boto3Error, *network, *shape, *slips)


def may_pass(exc: Exception) -> bool:
    """Whether the same request may go well when it is made again."""
    from http.client import HTTPException  # noqa: PLC0415

    from botocore import exceptions as known  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    if isinstance(exc, known.ClientError):
        status = parse_status(exc) or 0
        lost = is_wordless(exc) and status not in EXISTS
        return lost or status in BUSY or parse_code(exc) in BUSY_CODES or status >= 500
    network = (HTTPError, HTTPException, OSError, known.ConnectionError, known.HTTPClientError)
    broken = (known.IncompleteReadError, known.FlexibleChecksumError, ResponseParserError)
    return isinstance(exc, (*network, *broken))


def describe(exc: Exception) -> str:
    """Return an error in a line: its kind and what it says."""
    return f"{type(exc).__name__}: {' '.join(str(exc).split())}"


def find_hint(exc: Exception) -> str:
    """Return what to do about an error, as the end of a sentence; empty where nothing is known."""
    said = f"{parse_code(exc)} {exc}"
    hints = [hint for form, hint in HINTS.items() if re.search(form, said, re.IGNORECASE)]
    if is_wordless(exc) or type(exc).__name__ == "ResponseParserError":
        hints.append(FOREIGN)
    return "".join(f". {hint}" for hint in hints)


def is_wordless(exc: Exception) -> bool:
    """Whether a refusal came without the service's words: they broke off, or were another's."""
    return parse_code(exc) != "" and parse_code(exc) == str(parse_status(exc))


def parse_code(exc: Exception) -> str:
    """Return the code of a refusal, empty where the service has said none."""
    # Errors of the network have a `response` too, which is None.
    response = getattr(exc, "response", None)
    error = response.get("Error") if isinstance(response, dict) else None
    return str(error.get("Code", "")) if isinstance(error, dict) else ""


def parse_status(exc: Exception) -> int | None:
    """Return the HTTP status of a refusal, None where there was no answer."""
    response = getattr(exc, "response", None)
    metadata = response.get("ResponseMetadata") if isinstance(response, dict) else None
    return metadata.get("HTTPStatusCode") if isinstance(metadata, dict) else None
