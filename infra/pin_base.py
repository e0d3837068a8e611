"""Pin the base of a Dockerfile to the newest image that its registry has, by digest.

python3 infra/pin_base.py Dockerfile
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import urllib.request
from pathlib import Path
from typing import Any

BASE = re.compile(
    r"^FROM (?P<host>[\w.:-]+)/(?P<name>[\w/-]+):(?P<tag>[\w.]+)@sha256:[0-9a-f]{64} AS base$",
    re.MULTILINE,
)
# An image for several processors, or for one.
MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
NEXT = re.compile(r'<(?P<path>[^>]+)>; *rel="?next"?')
SECONDS = 30


class Registry:
    """A repository of images, read as anybody may."""

    def __init__(self, address: str, name: str) -> None:
        self._address, self._name = address, name
        token = f"{address}/token/?service=public.ecr.aws&scope=repository:{name}:pull"
        self._token = json.loads(self._get(token, {})[0])["token"]

    def tags(self) -> list[str]:
        """Return the tags of the repository."""
        tags, path = [], f"/v2/{self._name}/tags/list?n=1000"
        while path:
            body, headers = self._authorised(path)
            tags += json.loads(body)["tags"]
            following = NEXT.search(headers.get("Link") or "")
            path = following["path"].removeprefix(self._address) if following else ""
        return tags

    def digest(self, tag: str) -> str:
        """Return the digest of the manifest that the tag names now, computed from its bytes."""
        body, _ = self._authorised(f"/v2/{self._name}/manifests/{tag}")
        return f"sha256:{hashlib.sha256(body).hexdigest()}"

    def _authorised(self, path: str) -> tuple[bytes, Any]:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": MANIFESTS}
        return self._get(self._address + path, headers)

    def _get(self, url: str, headers: dict[str, str]) -> tuple[bytes, Any]:
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=SECONDS) as response:
            return response.read(), response.headers


def newest(tags: list[str], tag: str) -> str:
    """Return the newest of the tags that are dated as `tag` is and of the same Python."""
    python = ".".join(tag.split(".")[:2])
    dated = re.compile(rf"{re.escape(python)}\.\d{{4}}(\.\d\d){{3}}")
    found = [each for each in tags if dated.fullmatch(each)]
    if not found:
        raise SystemExit(f"expected tags like {python}.2025.10.15.12, got {len(tags)} others")
    return max(found)


def pin(dockerfile: Path, address: str = "") -> str:
    """Write the newest base into the Dockerfile and return it; SystemExit if there is none."""
    text = dockerfile.read_text("utf-8")
    base = BASE.search(text)
    if base is None:
        raise SystemExit(f"{dockerfile}: expected FROM host/name:tag@sha256:... AS base, got none")
    registry = Registry(address or f"https://{base['host']}", base["name"])
    tag = newest(registry.tags(), base["tag"])
    reference = f"{base['host']}/{base['name']}:{tag}@{registry.digest(tag)}"
    dockerfile.write_text(BASE.sub(f"FROM {reference} AS base", text), "utf-8")
    return reference


if __name__ == "__main__":
    print(pin(Path(sys.argv[1])))
