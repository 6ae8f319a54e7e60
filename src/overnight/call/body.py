"""The body of a request: what is the same in all of them is encoded once."""

import json
import secrets
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

from overnight.domain.outcome import Request

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_Key = tuple[str, bool, bool]


class Bodies:
    """Chat completion requests of one experiment.

    `parameters` go into each body and take the place of what would stand there; a None among
    them leaves that parameter out.
    """

    def __init__(self, parameters: Mapping[str, Any], response_format: Mapping[str, Any]) -> None:
        self._parameters, self._format = parameters, response_format
        self._user, self._seed = secrets.token_hex(16), secrets.token_hex(16)  # in no prompt
        self._frames: dict[_Key, list[bytes]] = {}

    def body(self, request: Request, *, formed: bool) -> bytes:
        """The request as UTF-8; `formed`: it asks for the answer's schema."""
        key = (request.system, formed, request.seed is None)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = self._frame(request, formed=formed)
        before, *between, after = frame
        user = encode_basestring(request.user).encode("utf-8", "replace")
        if not between:
            return b"".join((before, user, after))
        return b"".join((before, user, between[0], str(request.seed).encode(), after))

    def _frame(self, request: Request, *, formed: bool) -> list[bytes]:
        """The encoded body, cut where the user message and the seed belong."""
        messages = [{"role": "user", "content": self._user}]
        if request.system:
            messages.insert(0, {"role": "system", "content": request.system})
        seed = None if request.seed is None else self._seed
        body: dict[str, Any] = {"messages": messages, "seed": seed}
        if formed:
            body["response_format"] = self._format
        body.update(self._parameters)
        text = _encode({name: value for name, value in body.items() if value is not None})
        before, after = text.split(f'"{self._user}"')
        return [part.encode("utf-8", "replace") for part in (before, *after.split(f'"{seed}"'))]
