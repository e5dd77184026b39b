"""What a caller of chat completions sends -> our vocabulary.

Everything that OpenAI itself would refuse is refused here, with its codes; the rest is for the provider to judge.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_args

from router.bodies import (
    filled,
    flag,
    member,
    missing,
    number,
    one_of,
    optional_one_of,
    optional_text,
    read_object,
    stop_sequences,
    text,
    typed,
    whole,
    wrong,
)
from router.dialects.chat.messages import native_parts, read_messages
from router.dialects.chat.tools import Chosen, check_name, read_functions, read_tools
from router.types import ChatRequest, Effort, ResponseFormat

_EFFORTS = get_args(Effort)


def decode_request(body: bytes) -> ChatRequest:
    """The request in `body`. Raises BadRequest with `param` for anything OpenAI itself would refuse."""
    fields = read_object(body)
    listed = fields.pop("messages", None)
    legacy = fields.get("functions") is not None
    tools, tool_choice = _tools(fields)
    parallel = typed(fields, "parallel_tool_calls", bool)
    if parallel is not None and (legacy or not tools):
        raise wrong("parallel_tool_calls", "parallel_tool_calls goes with tools only")
    stream = typed(fields, "stream", bool) or False
    most, most_old = (whole(fields, name, 1) for name in ("max_completion_tokens", "max_tokens"))
    return ChatRequest(
        model=_model(fields.pop("model", None)),
        messages=read_messages(listed),
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=False if legacy else parallel,  # an answer of the old form has room for one call
        response_format=_response_format(fields.pop("response_format", None)),
        max_tokens=most_old if most is None else most,
        temperature=number(fields, "temperature", 0, 2),
        top_p=number(fields, "top_p", 0, 1),
        stop=stop_sequences(fields),
        seed=typed(fields, "seed", int),
        effort=optional_one_of("reasoning_effort", fields.pop("reasoning_effort", None), _EFFORTS),
        n=whole(fields, "n", 1, 128) or 1,
        user=typed(fields, "user", str),
        stream=stream,
        include_usage=_include_usage(typed(fields, "stream_options", dict), stream),
        logprobs=_logprobs(fields),
        others=_others(fields),
        raw=body,
        only_native=native_parts(listed),
        legacy_functions=legacy,
    )


def _model(value: object) -> str:
    if value == "":
        raise missing("model")
    return text("model", value)


def _tools(fields: dict[str, Any]) -> Chosen:
    tools, choice = (fields.pop(name, None) for name in ("tools", "tool_choice"))
    functions, call = (fields.pop(name, None) for name in ("functions", "function_call"))
    if functions is None:
        if call is not None:
            raise wrong("function_call", "function_call goes with functions only")
        return read_tools(tools, choice)
    if tools is not None or choice is not None:
        raise wrong("functions", "functions is the old form of tools; a request has one of them")
    return read_functions(functions, call)


def _include_usage(options: Mapping[str, Any] | None, stream: bool) -> bool:
    if options is None:
        return False
    if not stream:
        raise wrong("stream_options", "stream_options goes with stream: true only")
    flag("stream_options.include_obfuscation", options.get("include_obfuscation"))
    return flag("stream_options.include_usage", options.get("include_usage")) or False


def _logprobs(fields: dict[str, Any]) -> int | None:
    wanted, alternatives = typed(fields, "logprobs", bool), whole(fields, "top_logprobs", 0, 20)
    if alternatives is not None and not wanted:
        raise wrong("top_logprobs", "top_logprobs goes with logprobs: true only")
    return (alternatives or 0) if wanted else None


def _response_format(value: object) -> ResponseFormat:
    if value is None:
        return ResponseFormat()
    format_ = member("response_format", value)
    kind = one_of("response_format.type", format_.get("type"), ("text", "json_object", "json_schema"))
    if kind != "json_schema":
        return ResponseFormat(kind)
    path = "response_format.json_schema"
    spec = member(path, format_.get("json_schema"))
    return ResponseFormat(
        "json_schema",
        check_name(f"{path}.name", text(f"{path}.name", spec.get("name"))),
        optional_text(f"{path}.description", spec.get("description")),
        member(f"{path}.schema", spec.get("schema")),
        flag(f"{path}.strict", spec.get("strict")),
    )


# --- what the vocabulary has no word for, kept by its name --------------------------------------------------------

Check = Callable[[str, Any], object]  # of a field's name and its value


def _others(fields: Mapping[str, Any]) -> dict[str, Any]:
    others = {name: value for name, value in fields.items() if value is not None}
    for name, value in others.items():
        if name in _CHECKS:
            _CHECKS[name](name, value)
    if "audio" in others.get("modalities", ()) and "audio" not in others:
        raise missing("audio")
    return others


def _plain(kind: type) -> Check:
    return lambda name, value: typed({name: value}, name, kind)


def _word(*allowed: str) -> Check:
    return lambda name, value: one_of(name, value, allowed)


def _between(least: float, most: float) -> Check:
    return lambda name, value: number({name: value}, name, least, most)


def _logit_bias(name: str, value: Any) -> None:
    for token, bias in member(name, value).items():
        _between(-100, 100)(f"{name}.{token[:20]}", bias)


def _metadata(name: str, value: Any) -> None:
    pairs = member(name, value)
    if len(pairs) > 16:
        raise wrong(name, f"{name} has {len(pairs)} pairs; it can have 16 at most", "object_above_max_properties")
    for key, item in pairs.items():
        optional_text(name, key, 64)
        optional_text(f"{name}.{key[:64]}", text(f"{name}.{key[:64]}", item), 512)


def _modalities(name: str, value: Any) -> None:
    for index, item in enumerate(filled(name, value)):
        one_of(f"{name}[{index}]", item, ("text", "audio"))


def _audio(name: str, value: Any) -> None:
    audio = member(name, value)
    one_of(f"{name}.format", audio.get("format"), ("wav", "aac", "mp3", "flac", "opus", "pcm16"))
    voice = audio.get("voice")
    text(f"{name}.voice", voice.get("id") if isinstance(voice, dict) else voice)


def _prediction(name: str, value: Any) -> None:
    prediction = member(name, value)
    one_of(f"{name}.type", prediction.get("type"), ("content",))
    content = prediction.get("content")
    for index, item in enumerate(() if isinstance(content, str) else filled(f"{name}.content", content)):
        path = f"{name}.content[{index}]"
        text(f"{path}.text", member(path, item).get("text"))


def _moderation(name: str, value: Any) -> None:
    moderation = member(name, value)
    text(f"{name}.model", moderation.get("model"))
    for side, rule in member(f"{name}.policy", moderation.get("policy") or {}).items():
        if rule is not None:
            path = f"{name}.policy.{side[:20]}"
            one_of(f"{path}.mode", member(path, rule).get("mode"), ("score", "block"))


def _web_search(name: str, value: Any) -> None:
    options = member(name, value)
    size, location = options.get("search_context_size"), options.get("user_location")
    optional_one_of(f"{name}.search_context_size", size, ("low", "medium", "high"))
    if location is not None:
        place = member(f"{name}.user_location", location)
        one_of(f"{name}.user_location.type", place.get("type"), ("approximate",))
        member(f"{name}.user_location.approximate", place.get("approximate"))


def _cache_options(name: str, value: Any) -> None:
    options = member(name, value)
    optional_one_of(f"{name}.mode", options.get("mode"), ("implicit", "explicit"))
    optional_one_of(f"{name}.ttl", options.get("ttl"), ("30m", "12h"))


_CHECKS: Mapping[str, Check] = {
    "audio": _audio,
    "frequency_penalty": _between(-2, 2),
    "logit_bias": _logit_bias,
    "metadata": _metadata,
    "modalities": _modalities,
    "moderation": _moderation,
    "prediction": _prediction,
    "presence_penalty": _between(-2, 2),
    "prompt_cache_key": _plain(str),
    "prompt_cache_options": _cache_options,
    "prompt_cache_retention": _word("in_memory", "in-memory", "24h"),
    "safety_identifier": lambda name, value: optional_text(name, value, 128),
    "service_tier": _word("auto", "default", "flex", "scale", "priority", "fast", "ultrafast"),
    "store": _plain(bool),
    "verbosity": _word("low", "medium", "high"),
    "web_search_options": _web_search,
}
