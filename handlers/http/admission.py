"""Admission: which requests AWS or CloudFront must have let in before they are looked at."""

from __future__ import annotations

from handlers.http.messages import Request
from handlers.http.problems import Refusal
from pipeline.serving.api_keys import is_accepted

SIGNED = "expected a request signed for AWS's IAM, got one of which AWS names no signer"
ORIGIN = "x-origin-verify"  # the header by which CloudFront says that it is ours
PAST_THE_DOMAIN = "expected a request by the deployment's domain, got one that came past it"


def require_signature(request: Request) -> None:
    """Refuse what nobody signed, whatever it asks for; raises Refusal.

    A version knows by its settings that only who signs may ask, but its URL may be another
    version's by now. So what AWS has checked is taken from the event alone.
    """
    if not (request.direct or request.signed):
        raise Refusal(403, SIGNED)


def require_origin(request: Request, digests: tuple[str, ...]) -> None:
    """Refuse what came past CloudFront, and so past its rules, whatever it asks for.

    CloudFront sends a secret along, of which these are the digests; raises Refusal.
    """
    if not (request.direct or is_accepted(request.headers.get(ORIGIN, ""), digests)):
        raise Refusal(403, PAST_THE_DOMAIN)
