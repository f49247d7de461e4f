"""Whatever is asked, within the OpenAPI document or beside it, is answered as the document says."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")
pytest.importorskip("schemathesis", reason="needs schemathesis")

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving import ADDRESS

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CASES = 40  # for each operation


@pytest.mark.slow
def test_whatever_is_asked(serve: Any) -> None:
    client = serve()
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 26
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    for operation in operations:
        for mode in modes:
            try_some(client, operation, mode)


def try_some(client: Any, operation: Any, mode: Any) -> None:
    @settings(
        max_examples=CASES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        case.call_and_validate(base_url=ADDRESS, checks=CHECKS, app=client.app)

    with suppress(Unsatisfiable):  # nothing wrong can be said to a route that takes nothing
        ask()
