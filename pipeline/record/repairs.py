"""Repairs: earlier objects that a part found damaged, and what became of them.

What a replay can remake to the bytes named is healed. What it cannot is lost once a person has
accepted that, by a document under `losses/`; the parts that do without it say so for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import msgspec

from pipeline.encoding import Moment, from_json, to_json
from pipeline.ports import ObjectStore
from pipeline.record.grammar import kind_of
from pipeline.record.keys import loss_key


@dataclass(frozen=True, slots=True)
class Repairs:
    """Earlier objects, key -> sha256: `healed` were remade, `lost` are done without.

    `refused` maps those that are healed in memory alone to why the store did not take them back.
    """

    healed: Mapping[str, str] = field(default_factory=dict)
    lost: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def __contains__(self, key: str) -> bool:
        return key in self.healed or key in self.lost

    def heal(self, healed: Mapping[str, str], refused: Mapping[str, str] = {}) -> Repairs:
        """Return the repairs with more that is healed."""
        return replace(self, healed={**self.healed, **healed}, refused={**self.refused, **refused})

    def lose(self, lost: Mapping[str, str]) -> Repairs:
        """Return the repairs with more that is lost."""
        return replace(self, lost={**self.lost, **lost})


NO_REPAIRS = Repairs()


class Loss(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's word that the bytes of an object cannot be had again."""

    key: str
    sha256: str
    accepted_at: Moment


def accept_loss(store: ObjectStore, loss: Loss) -> None:
    """Store the loss, so that runs go on without the object; one accepted before stays."""
    store.create(loss_key(loss.sha256), to_json(loss))


def read_loss(store: ObjectStore, sha256: str) -> Loss | None:
    """Return the loss of the object of that sha256, None where nobody accepted one."""
    key = loss_key(sha256)
    data = None if kind_of(key) is None else store.read(key)
    if data is None:
        return None
    return from_json(data, Loss, store.url(key), "an accepted loss")
