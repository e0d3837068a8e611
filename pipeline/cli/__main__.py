"""`python -m pipeline.cli`, where the project is not installed: `forecaster` all the same."""

from __future__ import annotations

from pipeline.cli.main import main

main()
