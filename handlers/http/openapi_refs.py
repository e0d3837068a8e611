"""References of the OpenAPI document to its own components."""

from __future__ import annotations

from typing import Any


def schema_ref(kind: type) -> dict[str, str]:
    """Return the reference to the schema of a type."""
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def example_refs(*names: str) -> dict[str, Any]:
    """Return the references to examples, by their names."""
    return {name: {"$ref": f"#/components/examples/{name}"} for name in names}


def problem_refs(*statuses: int) -> dict[str, Any]:
    """Return the references to problems, by their status."""
    return {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses}
