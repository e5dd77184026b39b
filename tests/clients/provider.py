"""The three providers for the client matrix: the strict simulated ones, made to drive an agent's tools sensibly.

The simulated providers call every tool that the question names, with arguments made up from its schema; a command-line
agent would then run those. So the request of an agent, known by the shell that it offers, is checked as it came, and
answered as if it had offered only the tool that the matrix wants called, held to the arguments that it wants.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from router.simulated import Call, Memory, Reply, answer, missing_key

Json = dict[str, Any]

NOTE = "note.txt"  # the file that agents are asked to print; the runner puts it in their working folder
_COMMAND = f"cat {NOTE}"
_SHELLS = ("bash", "shell", "shell_command", "exec_command", "local_shell")
_ANSWERS = ("StructuredOutput",)  # by which an agent says its last word


@dataclass
class Provider:
    """`base_url` by dialect, as the proxy's environment wants it; `refused` are the requests that got no 200."""

    base_url: Mapping[str, str]
    refused: list[str]


@contextmanager
def provider() -> Iterator[Provider]:
    refused: list[str] = []
    server = _Server(("127.0.0.1", 0), _handler(refused))
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="provider")
    thread.start()
    try:
        yield Provider({"openai": f"{url}/v1", "anthropic": url, "gemini": f"{url}/v1beta"}, refused)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reply(call: Call, memory: Memory) -> Reply:
    """The simulated provider's refusal of `call`, or else its reply to what is left of an agent's request."""
    plain = missing_key(call) or answer(call, memory)
    wire = next((wire for ending, wire in _WIRES.items() if call.path.endswith(ending)), None)
    if plain.status != 200 or wire is None or call.method != "POST":
        return plain
    body = json.loads(call.body)
    return answer(replace(call, body=json.dumps(body).encode()), memory) if _narrowed(body, wire) else plain


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client may leave whenever it likes."""


def _handler(refused: list[str]) -> type[BaseHTTPRequestHandler]:
    memory = Memory()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            now = int(time.time())
            given = reply(Call(path, query, headers, body, uuid.uuid4().hex, now, method=self.command), memory)
            if given.status != 200:
                said = b"".join(given.chunks).decode()
                refused.append(f"{path} {given.status} {said[:400]} <- {body.decode()[:4000]}")
            self._send(given)

        def do_GET(self) -> None:
            self.do_POST()

        def do_DELETE(self) -> None:
            self.do_POST()

        def _send(self, given: Reply) -> None:
            self.send_response(given.status)
            for name, value in given.headers:
                self.send_header(name, value)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for chunk in given.chunks:
                self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the runner prints what matters."""

    return Handler


@dataclass(frozen=True)
class Wire:
    """Where a wire format has what is needed here. `tools` gives the functions alone, `offer` is their field again."""

    turns: str
    answered: Callable[[Json], bool]  # whether a turn has a tool's result
    tools: Callable[[Json], list[Json]]
    schema: str
    offer: Callable[[Json], list[Json]]
    never: Json


def _narrowed(body: Json, wire: Wire) -> bool:
    """Whether this was an agent's request, which now offers only what it should call, or calls nothing."""
    tools = {tool["name"]: tool for tool in wire.tools(body)}
    shell = next((tools[name] for name in tools if name.lower() in _SHELLS), None)
    if shell is None:
        return False
    turns = body[wire.turns] if isinstance(body[wire.turns], list) else [{"role": "user", "content": body[wire.turns]}]
    start = max((place for place, turn in enumerate(turns, 1) if _models(turn)), default=0)
    results = [place for place in range(start, len(turns)) if wire.answered(turns[place])]
    wanted = next((tools[name] for name in _ANSWERS if name in tools), None)
    if _COMMAND in json.dumps(turns[start:]):
        wanted = {**shell, wire.schema: _held(shell[wire.schema])}
        wanted.pop("strict", None)
    if results or wanted is None:
        body.update(wire.never)
        body[wire.turns] = turns[: results[-1] + 1] if results else turns  # without what an agent adds behind them
    else:
        body["tools"] = wire.offer(wanted)
    return True


def _models(turn: Json) -> bool:
    """Whether the model said it, so that what follows is what it answers now."""
    return turn.get("role") in ("assistant", "model") or turn.get("type") in ("function_call", "reasoning")


def _held(schema: Json) -> Json:
    """The shell's `schema` without the arguments that it can do without, the command held to what is asked for."""
    required: Sequence[str] = schema.get("required") or []
    properties = {name: value for name, value in (schema.get("properties") or {}).items() if name in required}
    for name in ("command", "cmd"):
        if name in properties:
            properties[name] = _constant(properties[name])
    return {**schema, "properties": properties}


def _constant(schema: Json) -> Json:
    if schema.get("type") == "array":  # a shell that takes words
        return {"type": "array", "items": False, "prefixItems": [{"const": word} for word in _COMMAND.split(" ")]}
    return {"type": "string", "const": _COMMAND}


_WIRES = {
    "/chat/completions": Wire(
        turns="messages",
        answered=lambda turn: turn["role"] == "tool",
        tools=lambda body: [tool["function"] for tool in body.get("tools") or () if "function" in tool],
        schema="parameters",
        offer=lambda tool: [{"type": "function", "function": tool}],
        never={"tool_choice": "none"},
    ),
    "/responses": Wire(
        turns="input",
        answered=lambda item: item.get("type", "").endswith("_call_output"),
        tools=lambda body: [tool for tool in body.get("tools") or () if tool["type"] == "function"],
        schema="parameters",
        offer=lambda tool: [tool],
        never={"tool_choice": "none"},
    ),
    "/messages": Wire(
        turns="messages",
        answered=lambda turn: '"tool_result"' in json.dumps(turn),
        tools=lambda body: [tool for tool in body.get("tools") or () if "input_schema" in tool],
        schema="input_schema",
        offer=lambda tool: [tool],
        never={"tool_choice": {"type": "none"}},
    ),
    "enerateContent": Wire(
        turns="contents",
        answered=lambda turn: any("functionResponse" in part for part in turn["parts"]),
        tools=lambda body: [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations") or ()],
        schema="parametersJsonSchema",
        offer=lambda tool: [{"functionDeclarations": [tool]}],
        never={"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
    ),
}
