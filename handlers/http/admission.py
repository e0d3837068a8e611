"""Admission: which requests AWS must have let in before they are looked at."""

from __future__ import annotations

from handlers.http.messages import Request
from handlers.http.problems import Refusal

SIGNED = "expected a request signed for AWS's IAM, got one of which AWS names no signer"


def require_signature(request: Request) -> None:
    """Refuse what nobody signed, whatever it asks for; raises Refusal.

    A version knows by its settings that only who signs may ask, but its URL may be another
    version's by now. So what AWS has checked is taken from the event alone.
    """
    if not (request.direct or request.signed):
        raise Refusal(403, SIGNED)
