"""What is mutated, and which tests have to notice."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some files, and the tests that say what these do."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]
    mutants: tuple[str, ...] = ()
    """Patterns of the mutants' names; all where there is none."""


PARTS = {
    "security": Part(
        sources=("services/security.py",),
        tests=("tests/unit/test_security.py",),
    ),
    "calendly": Part(
        sources=("services/providers/calendly/verify.py",),
        tests=("tests/unit/test_presented_proofs.py", "tests/providers/test_calendly.py"),
    ),
    "stripe": Part(
        sources=("services/providers/stripe/verify.py",),
        tests=("tests/unit/test_presented_proofs.py", "tests/providers/test_stripe.py"),
    ),
    "tavus": Part(
        sources=("services/providers/tavus/verify.py",),
        tests=("tests/unit/test_presented_proofs.py", "tests/unit/test_verifiers.py"),
    ),
    "twilio": Part(
        sources=("services/providers/twilio/signature.py",),
        tests=("tests/unit/test_presented_proofs.py", "tests/providers/test_twilio_signature.py"),
    ),
    "sources": Part(
        sources=("services/providers/source.py",),
        tests=(
            "tests/unit/test_presented_proofs.py",
            "tests/providers/test_source.py",
            "tests/providers/test_source_proofs.py",
        ),
        mutants=tuple(
            f"services.providers.source.x__{function}__mutmut*"
            for function in ("verify", "proves", "is_standard", "hmac", "header", "sign", "proof")
        ),
    ),
    "validation": Part(
        sources=("services/validation.py",), tests=("tests/unit/test_validation.py",)
    ),
    "retry": Part(
        sources=("services/retry.py", "services/outgoing/schedule.py"),
        tests=("tests/unit/test_retry.py", "tests/unit/test_schedule.py"),
    ),
    "writer": Part(sources=("services/writer.py",), tests=("tests/unit/test_writer.py",)),
    "database": Part(
        sources=("services/database.py",),
        tests=("tests/unit/test_database.py", "tests/unit/test_database_calls.py"),
    ),
    "breaker": Part(sources=("services/outage/breaker.py",), tests=("tests/unit/test_breaker.py",)),
    "limits": Part(sources=("services/limits/limits.py",), tests=("tests/unit/test_limits.py",)),
    "redaction": Part(sources=("services/redaction.py",), tests=("tests/unit/test_redaction.py",)),
}
