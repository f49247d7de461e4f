from __future__ import annotations

from collections.abc import Iterator

import pytest

from chat_server import KEY, ChatServer, chat_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """An endpoint that the settings name."""
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "REVLN_OPENAI_TIMEOUT"):
        monkeypatch.delenv(name, raising=False)
    with chat_server() as state:
        monkeypatch.setenv("REVLN_OPENAI_BASE_URL", state.url)
        monkeypatch.setenv("REVLN_OPENAI_API_KEY", KEY)
        yield state
