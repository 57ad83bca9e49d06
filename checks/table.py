"""Every static check by its name: what `make test`, pre-commit and GitHub Actions run."""

from __future__ import annotations

from checks.check import Check

CHECKS = (
    Check("ruff-format", ("ruff", "format", "--check")),
    Check("ruff", ("ruff", "check")),
    Check("mypy", ("mypy",)),
    Check("imports", ("lint-imports", "--no-cache")),
    Check("actions", ("python", "-m", "checks.actions")),
    Check("schemas", ("python", "-m", "checks.schemas")),
    Check("dockerfile", ("hadolint", "Dockerfile")),
    Check("squawk", ("python", "-m", "checks.migrations")),
    Check("pip-audit", ("python", "-m", "checks.audit", "pip")),
    Check("npm-audit", ("python", "-m", "checks.audit", "npm")),
)
