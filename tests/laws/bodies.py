"""Generated JSON bodies of every wire format that callers speak, as rich and as odd as clients make them.

What a provider would refuse of its own callers is left out, but for what only some of them refuse.
"""

from collections.abc import Callable, Mapping
from typing import Any

from hypothesis import strategies as st

from router.simulated.anthropic_models import redacted, signature
from router.simulated.openai_responses_items import encrypted_reasoning

Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

# --- leaves --------------------------------------------------------------------------------------------

_WORDS = ("Hello", "Name the weather, as JSON.", "one\u2028two\u0085three\U0001f389\u6f22\u5b57", "\u0000\u001f\ufffd",
          "a" * 300, "<system>\nx\n</system>", 'say "hi"\\', "event: x\n\ndata: y\r\n")  # fmt: skip
_TRIGGERS = ("[[parallel]]", "[[unicode]]", "[[think]]", "[[redact]]", "[[refuse]]", "[[length]]", "[[invalid]]")
words = st.sampled_from(_WORDS) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=6).filter(str.strip)
texts = words | st.sampled_from(("", " ", "\n\t"))
questions = st.lists(words | st.sampled_from(_TRIGGERS), min_size=1, max_size=3).map(" ".join)
names = st.sampled_from(("get_weather", "run", "9lives", "-dash", "_x", "a" * 64, "B-2_c"))
_ODD_NAMES = st.sampled_from(("functions.run", "mcp__a__b", "my tool", "a" * 90))
_IDS = ("call_1", "call_2", "c" * 41, "d" * 65, "toolu_01", "call:1/\u00e9", "call_" + "f" * 60, "chatcmpl-tool-9")
_ARGUMENTS = ('{"a": 1}', "{}", "", " ", '{"a": {"b": [null, true]}}', '{"n": 12345678901234567890, "x": 1.0}',
              '{"$ref": "#/x"}', '{"s": "\\u2028\\ud83d\\ude00"}', '{"a":1,"a":2}')  # fmt: skip
arguments = st.sampled_from(_ARGUMENTS)
bad_arguments = st.sampled_from(("no json", "[1]", '{"a": ', '{"s": "\\ud83d"}', '{"x": 1e999}', "null", "NaN"))
results = texts | st.sampled_from(('{"a": 1}', '{"$ref": "#/x"}', "[1, 2]", "7", '{"n": 1.10, "b": [{"$ref": 1}]}',
                                   '{"s": "\\ud83d"}', "null", '{"x": 1e999}'))  # fmt: skip
PNG = "data:image/png;base64,iVBORw0KGgo="
images = st.sampled_from((PNG, "data:image/jpeg;base64,/9j/4AAQ", "data:image/gif;base64,R0lGODlh",
                          "data:image/webp;base64,UklGRg==", "https://example.com/cat.png", "https://example.com/c?x=1",
                          "data:image/svg+xml;base64,PHN2Zy8+", "data:image/png,raw",
                          "data:image/jpg;base64,/9j/"))  # fmt: skip
files = st.sampled_from(("data:application/pdf;base64,JVBERi0=", "data:text/plain;base64,SGVsbG8=",
                         "data:text/plain;charset=utf-8;base64,SGVsbG8=", "data:text/csv;base64,YSxi"))  # fmt: skip
efforts = st.sampled_from(("none", "minimal", "low", "medium", "high", "xhigh", "max"))

# --- JSON Schemas --------------------------------------------------------------------------------------

_LEAVES: tuple[Json, ...] = (
    {"type": "string"}, {"type": ["string", "null"], "description": "maybe"}, {"type": "integer", "minimum": 0},
    {"const": "a"}, {"const": 7}, {"const": True}, {"const": None}, {"enum": ["a", "b", None]}, {"type": "number"},
    {"type": "string", "enum": ["a"], "default": "a"}, {"type": "string", "format": "email", "pattern": "^a"},
    {"type": "string", "format": "binary", "maxLength": 4}, {"type": "null"}, {"$ref": "#/$defs/point"},
    {"$ref": "#/$defs/point", "description": "where"}, {"type": "boolean", "nullable": True}, {},
    {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True}, {"type": "array"},
    {"type": "object"}, {"type": "object", "additionalProperties": {"type": "string"}}, {"enum": [1, 2.5, True]},
    {"type": "array", "prefixItems": [{"type": "string"}], "items": False}, {"enum": [{"a": 1}]},
)  # fmt: skip
_POINT = {"type": "object", "properties": {"x": {"type": "number"}, "$schema": {"type": "string"}}, "required": ["x"]}
_NODE = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}}}
_PROPERTY_NAMES = ("a", "type", "$ref", "properties", "required", "b c", "\u00e9")


def _object_of(children: st.SearchStrategy[Json], *, closed: bool) -> st.SearchStrategy[Json]:
    properties = st.dictionaries(st.sampled_from(_PROPERTY_NAMES), children, max_size=3)

    def written(members: dict[str, Json], some: bool, extra: int) -> Json:
        document: dict[str, Json] = {"type": "object", "properties": members}
        if closed or some:
            document["required"] = list(members) if closed else list(members)[:1]
        if closed or extra == 1:
            document["additionalProperties"] = False
        elif extra == 2:
            document["additionalProperties"] = True
        return document

    return st.builds(written, properties, st.booleans(), st.integers(0, 2))


def _grown(children: st.SearchStrategy[Json], *, closed: bool) -> st.SearchStrategy[Json]:
    several = st.lists(children, min_size=1, max_size=2)
    combined = [
        several.map(lambda found: {"anyOf": found}),
        children.map(lambda item: {"type": "array", "items": item}),
    ]
    if not closed:
        combined += [several.map(lambda found: {"oneOf": found}), several.map(lambda found: {"allOf": found})]
    return st.one_of(_object_of(children, closed=closed), *combined)


def _with_definitions(schema: Json, extra: int) -> Json:
    point = {**_POINT, "additionalProperties": False, "required": list(_POINT["properties"])} if extra >= 2 else _POINT
    schema = {**schema, "$defs": {"point": point}}
    if extra == 1:
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "T", **schema}
        schema["$defs"]["node"] = _NODE
    return schema


def _schemas(*, closed: bool) -> st.SearchStrategy[Json]:
    children = st.recursive(st.sampled_from(_LEAVES), lambda inner: _grown(inner, closed=closed), max_leaves=4)
    definitions = st.just(2) if closed else st.integers(0, 1)
    return st.builds(_with_definitions, _object_of(children, closed=closed), definitions)


open_schemas = _schemas(closed=False)
closed_schemas = _schemas(closed=True)
parameters = st.one_of(open_schemas, st.just({"type": "object", "properties": {}}), st.just({"type": "object"}))


def maybe(draw: Draw, fields: dict[str, Json], name: str, values: st.SearchStrategy[Json], among: int = 4) -> None:
    """Now and then give `fields` one of `values`, or null, as SDKs write what is unset."""
    chance = draw(st.integers(0, among))
    if chance == 0:
        fields[name] = draw(values)
    elif chance == 1:
        fields[name] = None


def _one_in(draw: Draw, among: int) -> bool:
    return bool(draw(st.integers(1, among)) == among)


# --- chat completions ----------------------------------------------------------------------------------


@st.composite
def chat_bodies(draw: Draw) -> dict[str, Json]:
    legacy = _one_in(draw, 8)
    body: dict[str, Json] = {"model": "m", "messages": _chat_messages(draw, legacy=legacy)}
    if legacy:
        body["functions"] = [
            _function(draw, name) for name in draw(st.lists(names, min_size=1, max_size=2, unique=True))
        ]
        maybe(draw, body, "function_call", st.sampled_from(("auto", "none", {"name": body["functions"][0]["name"]})))
    else:
        _chat_tools(draw, body)
    _common(draw, body)
    maybe(draw, body, "max_completion_tokens", st.sampled_from((1, 16, 500, 5000, 100_000)))
    maybe(draw, body, "max_tokens", st.sampled_from((1, 500)), 8)
    maybe(draw, body, "stop", st.sampled_from(("END", ["a", "b"], "\n")), 8)
    maybe(draw, body, "reasoning_effort", efforts, 3)
    maybe(draw, body, "response_format", _chat_formats, 3)
    maybe(draw, body, "n", st.sampled_from((1, 2)), 8)
    maybe(draw, body, "seed", st.just(7), 8)
    maybe(draw, body, "service_tier", st.sampled_from(("auto", "default", "flex")), 8)
    maybe(draw, body, "verbosity", st.just("low"), 8)
    maybe(draw, body, "presence_penalty", st.sampled_from((0, 0.5)), 8)
    maybe(draw, body, "logit_bias", st.just({}), 8)
    if _one_in(draw, 8):
        body |= {"logprobs": True, "top_logprobs": 2}
    if (body.get("response_format") or {}).get("type") == "json_object":  # OpenAI wants the word, anywhere
        body["messages"][0] = {"role": body["messages"][0]["role"], "content": "Answer in JSON."}
    return body


def _common(draw: Draw, body: dict[str, Json]) -> None:
    """What chat completions and Responses call by the same names."""
    maybe(draw, body, "temperature", st.sampled_from((0, 0.7, 1, 2)))
    maybe(draw, body, "top_p", st.sampled_from((0.9, 1)), 6)
    maybe(draw, body, "user", st.sampled_from(("ada@example.org", "u")), 6)
    maybe(draw, body, "metadata", st.just({"a": "b"}), 6)
    maybe(draw, body, "store", st.booleans(), 6)
    maybe(draw, body, "safety_identifier", st.just("s"), 8)
    maybe(draw, body, "prompt_cache_key", st.just("k"), 8)


_NAMED = {"name": "answer", "description": "d", "strict": True}
_chat_formats = st.one_of(
    st.sampled_from(({"type": "text"}, {"type": "json_object"})),
    closed_schemas.map(lambda schema: {"type": "json_schema", "json_schema": {**_NAMED, "schema": schema}}),
    open_schemas.map(lambda schema: {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}),
    open_schemas.map(lambda schema: {"type": "json_schema", "json_schema": {**_NAMED, "schema": schema}}),
)


def _function(draw: Draw, name: str) -> dict[str, Json]:
    function: dict[str, Json] = {"name": name}
    if not _one_in(draw, 5):
        function["description"] = draw(texts)
    match draw(st.integers(0, 4)):
        case 0:
            function |= {"parameters": draw(closed_schemas), "strict": True}
        case 1 | 2:
            function |= {"parameters": draw(parameters), "strict": draw(st.sampled_from((None, False)))}
        case 3:
            function |= {"parameters": draw(parameters)}
    return function


_LARK = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}}


def _chat_tools(draw: Draw, body: dict[str, Json]) -> None:
    if not draw(st.booleans()):
        for name in ("tools", "tool_choice", "parallel_tool_calls"):
            maybe(draw, body, name, st.none(), 1)
        return
    tools: list[Json] = []
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        if _one_in(draw, 5):
            custom: dict[str, Json] = {"name": name, "description": "d"}
            maybe(draw, custom, "format", st.sampled_from(({"type": "text"}, _LARK)), 2)
            tools.append({"type": "custom", "custom": custom})
        else:
            tools.append({"type": "function", "function": _function(draw, name)})
    body["tools"] = tools
    one = {key: {"name": value["name"]} if key != "type" else value for key, value in tools[0].items()}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [one]}}
    maybe(draw, body, "tool_choice", st.sampled_from(("auto", "none", "required", one, allowed)), 2)
    maybe(draw, body, "parallel_tool_calls", st.booleans())


def _chat_messages(draw: Draw, *, legacy: bool) -> list[Json]:
    messages: list[Json] = []
    for _ in range(draw(st.integers(0, 2))):
        messages.append({"role": draw(st.sampled_from(("system", "developer"))), "content": draw(texts)})
    messages.append(_chat_user(draw))
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.integers(0, 6)):
            case 0:
                messages.append(_chat_user(draw))
            case 1:
                messages.append({"role": "system", "content": draw(texts | _chat_texts)})
            case 2:
                messages.append(_chat_answer(draw))
            case 3 if legacy:
                messages += _legacy_call(draw)
            case _:
                messages += _chat_calls(draw)
    if messages[-1]["role"] not in ("user", "tool", "function") and not _one_in(draw, 12):
        messages.append(_chat_user(draw))
    return messages


_chat_texts = st.lists(texts.map(lambda text: {"type": "text", "text": text}), min_size=1, max_size=2)


def _chat_user(draw: Draw) -> dict[str, Json]:
    if draw(st.booleans()):
        return {"role": "user", "content": draw(questions | texts), **draw(st.sampled_from(({}, {"name": None})))}
    parts: list[Json] = []
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.integers(0, 6)):
            case 0 | 1:
                image: dict[str, Json] = {"url": draw(images)}
                maybe(draw, image, "detail", st.sampled_from(("auto", "low")))
                part: dict[str, Json] = {"type": "image_url", "image_url": image}
            case 2:
                file: dict[str, Json] = {"file_data": draw(files)}
                maybe(draw, file, "filename", st.just("a.pdf"), 1)
                part = {"type": "file", "file": file}
            case _:
                part = {"type": "text", "text": draw(questions | texts)}
        maybe(draw, part, "cache_control", st.sampled_from(({"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"})))
        parts.append(part)
    return {"role": "user", "content": parts}


_SIGNED = signature("hm", "claude-opus-4-7")
_REDACTED = redacted("claude-opus-5")
_CIPHER = encrypted_reasoning("rs_1")
_GEMINI_SIGNATURE = "skip_thought_signature_validator"  # the one that every model takes
_DETAILS = (
    {"type": "reasoning.text", "text": "hm", "signature": _SIGNED, "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": _REDACTED, "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": _GEMINI_SIGNATURE, "format": "google-gemini-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": _CIPHER, "format": "openai-responses-v1", "index": 0},
    {"type": "reasoning.summary", "summary": "hm", "format": "xai-responses-v1", "index": 0},
)


def _chat_answer(draw: Draw) -> dict[str, Json]:
    message: dict[str, Json] = {"role": "assistant", "content": draw(texts | _chat_texts)}
    if _one_in(draw, 4):
        message |= {"content": None, "refusal": draw(words)}
    elif _one_in(draw, 6):
        message["content"] = [{"type": "refusal", "refusal": draw(words)}]
    return _as_dumped(draw, message)


def _as_dumped(draw: Draw, message: dict[str, Json]) -> dict[str, Json]:
    """As clients send an answer back: with nulls, with what other gateways add, with sealed reasoning."""
    if _one_in(draw, 3):
        message = {"refusal": None, "annotations": [], "audio": None, "function_call": None, **message}
    if _one_in(draw, 5):
        message["reasoning_content"] = draw(texts)
    if _one_in(draw, 10):
        message["reasoning_details"] = [dict(draw(st.sampled_from(_DETAILS)))]
    if _one_in(draw, 10):
        message["thinking_blocks"] = [{"type": "thinking", "thinking": "hm", "signature": _SIGNED}]
    return message


def _call_ids(draw: Draw) -> list[str]:
    return list(draw(st.lists(st.sampled_from(_IDS), min_size=1, max_size=3, unique=True)))


def _chat_calls(draw: Draw) -> list[Json]:
    calls: list[Json] = []
    results_: list[Json] = []
    for id_ in _call_ids(draw):
        if _one_in(draw, 6):
            call = {"id": id_, "type": "custom", "custom": {"name": draw(names), "input": draw(texts)}}
        else:
            given = draw(bad_arguments if _one_in(draw, 12) else arguments)
            function = {"name": draw(_ODD_NAMES if _one_in(draw, 10) else names), "arguments": given}
            call = {"id": id_, "type": "function", "function": function}
            maybe(draw, call, "extra_content", st.just({"google": {"thought_signature": _GEMINI_SIGNATURE}}), 8)
        calls.append(call)
        content: Json = draw(results)
        if _one_in(draw, 4):
            content = [{"type": "text", "text": draw(results)}]
            if _one_in(draw, 3):
                content.append({"type": "image_url", "image_url": {"url": draw(images)}})
        results_.append({"role": "tool", "tool_call_id": id_, "content": content})
    message = {"role": "assistant", "content": draw(st.none() | texts), "tool_calls": calls}
    return [_as_dumped(draw, message), *draw(st.permutations(results_))]


def _legacy_call(draw: Draw) -> list[Json]:
    call = {"name": draw(names), "arguments": draw(arguments)}
    answer = {"role": "assistant", "content": draw(st.none() | texts), "function_call": call}
    return [answer, {"role": "function", "name": call["name"], "content": draw(results)}]


# --- Responses -----------------------------------------------------------------------------------------


@st.composite
def responses_bodies(draw: Draw) -> dict[str, Json]:
    body: dict[str, Json] = {"model": "m", "input": draw(questions) if _one_in(draw, 6) else _items(draw)}
    maybe(draw, body, "instructions", texts, 2)
    _flat_tools(draw, body)
    _common(draw, body)
    maybe(draw, body, "max_output_tokens", st.sampled_from((16, 500, 100_000)))
    reasoning: dict[str, Json] = {}
    maybe(draw, reasoning, "effort", efforts, 2)
    maybe(draw, reasoning, "summary", st.sampled_from(("auto", "detailed")), 3)
    maybe(draw, body, "reasoning", st.just(reasoning), 2)
    text: dict[str, Json] = {}
    maybe(draw, text, "format", _flat_formats, 2)
    maybe(draw, text, "verbosity", st.just("low"), 6)
    maybe(draw, body, "text", st.just(text), 2)
    maybe(draw, body, "include", st.just(["reasoning.encrypted_content"]))
    maybe(draw, body, "truncation", st.sampled_from(("auto", "disabled")), 8)
    if "json_object" in str(body.get("text")):
        body["instructions"] = "Answer in JSON."
    return body


_flat_formats = st.one_of(
    st.sampled_from(({"type": "text"}, {"type": "json_object"})),
    closed_schemas.map(lambda schema: {"type": "json_schema", **_NAMED, "schema": schema}),
    open_schemas.map(lambda schema: {"type": "json_schema", "name": "n", "schema": schema, "strict": False}),
)


def _flat_tools(draw: Draw, body: dict[str, Json]) -> None:
    if not draw(st.booleans()):
        return
    tools: list[dict[str, Json]] = []
    for name in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        if _one_in(draw, 5):
            tools.append({"type": "custom", "name": name, "description": "d"})
        else:
            tools.append({"parameters": None, "strict": None, "type": "function", **_function(draw, name)})
    body["tools"] = tools
    one = {"type": tools[0]["type"], "name": tools[0]["name"]}
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [one]}
    maybe(draw, body, "tool_choice", st.sampled_from(("auto", "none", "required", one, allowed)), 2)
    maybe(draw, body, "parallel_tool_calls", st.booleans())


def _items(draw: Draw) -> list[Json]:
    items: list[Json] = [_input_message(draw)]
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.integers(0, 5)):
            case 0:
                items.append(_input_message(draw))
            case 1 | 2:
                items += [*_reasoning_items(draw), _output_message(draw)]
            case _:
                items += [*_reasoning_items(draw), *_item_calls(draw)]
    return items


def _reasoning_items(draw: Draw) -> list[Json]:
    if not _one_in(draw, 3):
        return []
    summary = draw(st.sampled_from(([], [{"type": "summary_text", "text": "hm"}])))
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": _CIPHER}
    return [draw(st.sampled_from((item, {**item, "content": None, "status": None})))]


def _input_message(draw: Draw) -> dict[str, Json]:
    role = draw(st.sampled_from(("user", "user", "user", "system", "developer")))
    item: dict[str, Json] = {"role": role, "content": draw(questions | texts)}
    if draw(st.booleans()):
        item["type"] = "message"
    if draw(st.booleans()):
        parts: list[Json] = [{"type": "input_text", "text": draw(questions | texts)}]
        if role == "user" and draw(st.booleans()):
            parts.append({"type": "input_image", "image_url": draw(images), "detail": "auto"})
        if role == "user" and _one_in(draw, 4):
            parts.append({"type": "input_file", "file_data": draw(files), "filename": "a"})
        item["content"] = parts
    return item


def _output_message(draw: Draw) -> dict[str, Json]:
    part: dict[str, Json] = {"type": "output_text", "text": draw(texts), "annotations": [], "logprobs": []}
    if _one_in(draw, 5):
        part = {"type": "refusal", "refusal": draw(words)}
    item: dict[str, Json] = {"type": "message", "role": "assistant", "content": [part]}
    if _one_in(draw, 4):
        item["content"] = draw(texts)
    elif draw(st.booleans()):
        item |= {"id": "msg_1", "status": "completed"}
    return item


def _item_calls(draw: Draw) -> list[Json]:
    calls: list[Json] = []
    outputs: list[Json] = []
    for id_ in _call_ids(draw):
        if _one_in(draw, 6):
            calls.append({"type": "custom_tool_call", "call_id": id_, "name": draw(names), "input": draw(texts)})
            outputs.append({"type": "custom_tool_call_output", "call_id": id_, "output": draw(texts)})
            continue
        given = draw(bad_arguments if _one_in(draw, 12) else arguments)
        call = {"type": "function_call", "call_id": id_, "name": draw(names), "arguments": given}
        if draw(st.booleans()):
            call |= {"id": "fc_" + id_[:3], "status": "completed"}
        calls.append(call)
        output: Json = draw(results)
        if _one_in(draw, 4):
            output = [{"type": "input_text", "text": draw(results)}]
            if _one_in(draw, 3):
                output.append({"type": "input_image", "image_url": draw(images)})
        outputs.append({"type": "function_call_output", "call_id": id_, "output": output})
    if draw(st.booleans()):  # one after the other, as the API lists sequential ones
        return [item for pair in zip(calls, outputs, strict=True) for item in pair]
    return [*calls, *outputs]


# --- Messages ------------------------------------------------------------------------------------------


@st.composite
def messages_bodies(draw: Draw) -> dict[str, Json]:
    body: dict[str, Json] = {
        "model": "m",
        "messages": _turns(draw),
        "max_tokens": draw(st.sampled_from((1, 500, 5000, 200_000))),
    }
    blocks = st.lists(words.map(lambda text: {"type": "text", "text": text}), min_size=1, max_size=2)
    maybe(draw, body, "system", words | blocks, 2)
    _custom_tools(draw, body)
    maybe(draw, body, "temperature", st.sampled_from((0, 0.7, 1)))
    maybe(draw, body, "top_p", st.just(0.9), 8)
    maybe(draw, body, "top_k", st.just(5), 8)
    maybe(draw, body, "stop_sequences", st.sampled_from((["END"], [])), 8)
    maybe(draw, body, "metadata", st.sampled_from(({"user_id": "u" * 150}, {"user_id": None})), 6)
    maybe(draw, body, "service_tier", st.sampled_from(("auto", "standard_only")), 8)
    maybe(draw, body, "thinking", st.sampled_from(_THINKING), 3)
    output: dict[str, Json] = {}
    maybe(draw, output, "effort", st.sampled_from(("low", "medium", "high", "xhigh", "max")), 3)
    maybe(draw, output, "format", _schema_formats, 3)
    maybe(draw, body, "output_config", st.just(output), 2)
    return body


_THINKING = (
    {"type": "adaptive"}, {"type": "adaptive", "display": "summarized"}, {"type": "disabled"},
    {"type": "enabled", "budget_tokens": 1024}, {"type": "enabled", "budget_tokens": 4000},
)  # fmt: skip
_enforced = closed_schemas.filter(lambda schema: not _holds(schema, "minItems", "maxLength", "format", "additional"))
_schema_formats = _enforced.map(lambda schema: {"type": "json_schema", "schema": schema})


def _holds(schema: Json, *marks: str) -> bool:
    """Whether a keyword stands in it that Anthropic would refuse of its own callers."""
    refused = ("minItems", "maxLength", "uniqueItems", "prefixItems", "oneOf", "not", "minimum", "pattern")
    if isinstance(schema, Mapping):
        if any(name in schema for name in refused) or schema.get("format") == "binary":
            return True
        if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
            return True
        return any(_holds(item, *marks) for item in schema.values())
    return isinstance(schema, list) and any(_holds(item, *marks) for item in schema)


def _custom_tools(draw: Draw, body: dict[str, Json]) -> None:
    if not draw(st.booleans()):
        return
    tools = [
        {"name": name, "description": draw(texts), "input_schema": draw(parameters)}
        for name in draw(st.lists(names, min_size=1, max_size=3, unique=True))
    ]
    maybe(draw, tools[-1], "cache_control", st.just({"type": "ephemeral"}))
    body["tools"] = tools
    choices = ({"type": "auto"}, {"type": "any"}, {"type": "tool", "name": tools[0]["name"]}, {"type": "none"},
               {"type": "auto", "disable_parallel_tool_use": True})  # fmt: skip
    maybe(draw, body, "tool_choice", st.sampled_from(choices), 2)


def _turns(draw: Draw) -> list[Json]:
    turns: list[Json] = [{"role": "user", "content": _user_blocks(draw)}]
    for _ in range(draw(st.integers(0, 3))):
        match draw(st.integers(0, 4)):
            case 0:
                turns.append({"role": "user", "content": _user_blocks(draw)})
            case 1:
                content = draw(words | words.map(lambda text: [{"type": "text", "text": text}]))
                turns.append({"role": "assistant", "content": content})
            case _:
                turns += _uses(draw, len(turns))
    if turns[-1]["role"] != "user":
        turns.append({"role": "user", "content": _user_blocks(draw)})
    return turns


def _user_blocks(draw: Draw) -> Json:
    if draw(st.booleans()):
        return draw(questions)
    blocks: list[Json] = [{"type": "text", "text": draw(questions)}]
    if _one_in(draw, 3):
        blocks.insert(0, {"type": "image", "source": _image_source(draw)})
    if _one_in(draw, 4):
        document = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
        plain = {"type": "text", "media_type": "text/plain", "data": "plain"}
        blocks.append({"type": "document", "source": draw(st.sampled_from((document, plain))), "title": "t"})
    maybe(
        draw, blocks[-1], "cache_control", st.sampled_from(({"type": "ephemeral"}, {"type": "ephemeral", "ttl": "5m"}))
    )
    return blocks


def _image_source(draw: Draw) -> Json:
    url = draw(images.filter(lambda url: "svg" not in url and "," not in url[-5:] and "image/jpg" not in url))
    if not url.startswith("data:") or ";base64," not in url:
        return {"type": "url", "url": "https://example.com/cat.png"}
    head, _, data = url.partition(";base64,")
    return {"type": "base64", "media_type": head.removeprefix("data:"), "data": data}


_THOUGHTS = (
    {"type": "thinking", "thinking": "hm", "signature": _SIGNED},
    {"type": "thinking", "thinking": "", "signature": signature("", "claude-opus-5")},
    {"type": "redacted_thinking", "data": _REDACTED},
    {"type": "thinking", "thinking": "of another provider", "signature": ""},
)
_INPUTS = ({}, {"a": 1}, {"a": {"b": [None, True]}}, {"$ref": "#/x"}, {"s": "\u2028"}, {"n": 2**62})


def _uses(draw: Draw, turn: int) -> list[Json]:
    blocks: list[Json] = [dict(draw(st.sampled_from(_THOUGHTS)))] if draw(st.booleans()) else []
    blocks += [{"type": "text", "text": draw(words)}] if draw(st.booleans()) else []
    answers: list[Json] = []
    for id_ in draw(
        st.lists(st.sampled_from(_IDS).filter(lambda id_: id_.isascii()), min_size=1, max_size=3, unique=True)
    ):
        unique = f"{id_}_{turn}"
        blocks.append({"type": "tool_use", "id": unique, "name": draw(names), "input": draw(st.sampled_from(_INPUTS))})
        result: dict[str, Json] = {"type": "tool_result", "tool_use_id": unique}
        content = words | words.map(lambda text: [{"type": "text", "text": text}]) | results.filter(str.strip)
        if not _one_in(draw, 4):
            result["content"] = draw(content)
        if _one_in(draw, 5):
            result["content"] = [{"type": "image", "source": _image_source(draw)}]
        if _one_in(draw, 4):
            result["is_error"] = True
        answers.append(result)
    if _one_in(draw, 3):
        answers.append({"type": "text", "text": draw(questions)})
    return [{"role": "assistant", "content": blocks}, {"role": "user", "content": answers}]


# --- completions ---------------------------------------------------------------------------------------


@st.composite
def completions_bodies(draw: Draw) -> dict[str, Json]:
    body: dict[str, Json] = {"model": "m", "prompt": draw(questions)}
    maybe(draw, body, "temperature", st.sampled_from((0, 1)))
    maybe(draw, body, "max_tokens", st.sampled_from((1, 16, 500)))
    maybe(draw, body, "stop", st.sampled_from(("END", None)), 6)
    maybe(draw, body, "n", st.sampled_from((1, 2)), 6)
    maybe(draw, body, "logprobs", st.sampled_from((0, 2)), 8)
    maybe(draw, body, "suffix", st.just(""), 8)
    return body
