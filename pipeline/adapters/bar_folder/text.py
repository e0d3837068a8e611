"""Text: bytes that people's programs write, as text or refused with the encoding they have."""

from __future__ import annotations

_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def decode_text(data: bytes) -> str:
    """Return UTF-8, with a byte order mark or without, as text; raises ValueError for others."""
    if encoding := _MARKS.get(data[:2]):
        raise ValueError(f"expected text in UTF-8, got {encoding}: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise ValueError(
            f"expected text in UTF-8, got {exc.reason} at byte {exc.start}: save it as UTF-8"
        ) from exc
