"""Page policy: what a browser lets an answer load and run (Content-Security-Policy)."""

from __future__ import annotations

import re

# Nothing an answer holds may load or run anything, nor be framed.
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
# What a page may have beside, by its own policy: a script and a style in it, by their digests. So
# a page that another version of this code wrote has its own, and no page has more.
PAGE_POLICY = re.compile(
    rb"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
    rb"(script-src 'sha256-[0-9A-Za-z+/]{43}='; style-src 'sha256-[0-9A-Za-z+/]{43}='; "
    rb"img-src data:); base-uri 'none'; form-action 'none'\">"
)
POLICY_WITHIN = 1024  # bytes from the page's start, before anything that others named


def find_policy(page: bytes) -> str:
    """Return the policy of a page: what it says itself if that is no more than it may have."""
    policy = PAGE_POLICY.search(page, 0, POLICY_WITHIN)
    return NOTHING if policy is None else f"{NOTHING}; {policy[1].decode()}"
