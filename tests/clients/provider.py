"""The three providers for the client matrix: the strict simulated ones, with sensible arguments for an agent's tools.

The simulated providers make up the arguments of a tool from its schema, which a command-line agent would then run. Here
a request is answered as it came when it is refused; otherwise its shell or reading tool, if it offers one, is narrowed
first to the call that the matrix wants made. What is checked is always the request as the proxy sent it.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from router.simulated import Call, Reply, answer, missing_key

NOTE = "note.txt"  # the file that agents are asked to read; drivers put it in their working folder

# What a narrowed tool may be called with, by the name of its argument; all others that it doesn't require are dropped.
_ARGUMENTS: dict[str, Any] = {
    "command": f"cat {NOTE}",
    "cmd": f"cat {NOTE}",
    "file_path": NOTE,
    "filePath": NOTE,
    "path": NOTE,
    "description": "Read a note",
}
_AGENT_TOOLS = ("bash", "shell", "shell_command", "exec_command", "local_shell", "read", "read_file")


@dataclass
class Provider:
    """`base_url` by dialect, as the proxy's environment wants it; `refused` are requests that the providers refused."""

    base_url: Mapping[str, str]
    refused: list[str]
    served: list[str]


@contextmanager
def provider() -> Iterator[Provider]:
    refused: list[str] = []
    served: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(refused, served))
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, name="provider")
    thread.start()
    try:
        yield Provider({"openai": f"{url}/v1", "anthropic": url, "gemini": f"{url}/v1beta"}, refused, served)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reply(call: Call) -> Reply:
    """The simulated provider's reply to `call`, its agent tools narrowed once the call as it is has been accepted."""
    plain = missing_key(call) or answer(call)
    if plain.status != 200 or not call.path.endswith(tuple(_NARROWED)):
        return plain
    body = json.loads(call.body)
    narrow = next(narrow for ending, narrow in _NARROWED.items() if call.path.endswith(ending))
    return answer(replace(call, body=json.dumps(body).encode())) if narrow(body) else plain


def _handler(refused: list[str], served: list[str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            given = reply(Call(path, query, headers, body, nonce=uuid.uuid4().hex, at=int(time.time())))
            served.append(path)
            if given.status != 200:
                refused.append(f"{path} {given.status} {given.chunks[0].decode()[:400]} <- {body.decode()[:4000]}")
            self._send(given)

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


# Each gives whether it changed the body. After a tool's result no tool is called again.


def _narrow_chat(body: dict[str, Any]) -> bool:
    functions = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    return _narrowed(
        body, functions, "parameters", done=body["messages"][-1]["role"] == "tool", never={"tool_choice": "none"}
    )


def _narrow_responses(body: dict[str, Any]) -> bool:
    functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    items = body["input"] if isinstance(body["input"], list) else []
    done = bool(items) and str(items[-1].get("type", "")).endswith("_output")
    return _narrowed(body, functions, "parameters", done=done, never={"tool_choice": "none"})


def _narrow_messages(body: dict[str, Any]) -> bool:
    content = body["messages"][-1]["content"]
    done = isinstance(content, list) and any(block["type"] == "tool_result" for block in content)
    tools = [tool for tool in body.get("tools") or () if "input_schema" in tool]
    return _narrowed(body, tools, "input_schema", done=done, never={"tool_choice": {"type": "none"}})


def _narrow_gemini(body: dict[str, Any]) -> bool:
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations", ())]
    done = any("functionResponse" in part for part in body["contents"][-1]["parts"])
    never = {"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}}
    return _narrowed(body, declared, "parametersJsonSchema", done=done, never=never)


_NARROWED: dict[str, Callable[[dict[str, Any]], bool]] = {
    "/chat/completions": _narrow_chat,
    "/responses": _narrow_responses,
    "/messages": _narrow_messages,
    "enerateContent": _narrow_gemini,
}


def _narrowed(
    body: dict[str, Any], tools: list[dict[str, Any]], schema: str, *, done: bool, never: Mapping[str, Any]
) -> bool:
    agents = [tool for tool in tools if tool["name"].lower() in _AGENT_TOOLS]
    if not agents:
        return False
    if done:
        body.update(never)
    for tool in agents:
        tool[schema] = _fixed(tool.get(schema) or {})
        tool.pop("strict", None)
    return True


def _fixed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """`schema` without the arguments it can do without, those that the matrix knows held to one value."""
    required = schema.get("required") or []
    properties = {
        name: _constant(name, value) if name in _ARGUMENTS else value
        for name, value in (schema.get("properties") or {}).items()
        if name in required
    }
    return {**schema, "properties": properties, "required": list(properties)}


def _constant(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    wanted = _ARGUMENTS[name]
    if schema.get("type") == "array":  # a shell that takes words
        words = wanted.split(" ")
        return {"type": "array", "items": False, "prefixItems": [{"const": word} for word in words]}
    return {"type": "string", "const": wanted}
