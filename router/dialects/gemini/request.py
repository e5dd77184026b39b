"""Our vocabulary -> POST models/{id}:generateContent."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

import msgspec

from router.catalog import STANDARD_TIERS, Model
from router.dialects import WireRequest, as_function
from router.dialects.gemini import schema
from router.dialects.gemini.turns import TOOL_NAME, conversation, message_obstacles
from router.errors import BadRequest
from router.types import ChatRequest, Effort, Json, ResponseFormat, Tool, ToolChoice

# --- what this dialect can't say -----------------------------------------------------------------------

# Fields of a caller that only advise; this API has no word for them.
_ADVISORY = frozenset({"store", "metadata", "safety_identifier", "verbosity", "prediction", "cache_control",
                       "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"})  # fmt: skip
_PENALTIES = frozenset({"presence_penalty", "frequency_penalty"})
_SERVICE_TIERS = {**dict.fromkeys(STANDARD_TIERS), "flex": "flex", "priority": "priority"}
# Fields that can be said with these values alone: most of them ask for nothing.
_VALUES: dict[str, tuple[Json, ...]] = {
    "logit_bias": ({},),
    "modalities": (["text"],),
    "service_tier": tuple(_SERVICE_TIERS),
}
_MAX_STOPS = 5
_MAX_CHOICES = 8
_SEED_LIMIT = 1 << 31


def obstacles(request: ChatRequest, model: Model) -> Iterator[str]:
    """Why this model can't express the request: one text per field, nothing when it can."""
    if request.n > (_MAX_CHOICES if model.choices else 1):
        yield f"n: this model gives {f'at most {_MAX_CHOICES} choices' if model.choices else 'one choice'}"
    if request.logprobs is not None and not model.logprobs:
        yield "logprobs: this model gives no log probabilities"
    if request.stop and not model.stop:
        yield "stop: this model takes no stop sequences"
    if len(request.stop) > _MAX_STOPS:
        yield f"stop: at most {_MAX_STOPS} sequences"
    if request.seed is not None and not -_SEED_LIMIT <= request.seed < _SEED_LIMIT:
        yield "seed: 32 bits only"
    if request.tool_choice and request.tool_choice.mode in ("required", "named") and not model.forced_tool_choice:
        yield "tool_choice: this model can't be forced to call a tool"
    if request.effort not in (None, "none") and not _levels(model):
        yield "reasoning_effort: this model has no levels of thinking"
    if model.json_schema and (problem := schema.problem(request.response_format.schema)):
        yield f"response_format: {problem}"
    yield from _other_obstacles(request.others)
    for index, tool in enumerate(request.tools):
        yield from _tool_obstacles(f"tools[{index}]", tool)
    yield from message_obstacles(request.messages)


def _other_obstacles(others: Mapping[str, Json]) -> Iterator[str]:
    for name, value in others.items():
        if name in _ADVISORY or (name in _PENALTIES and type(value) in (int, float)):
            continue
        if name == "top_k" and type(value) is int and value > 0:
            continue
        if value not in _VALUES.get(name, ()):
            yield f"{name}: this model's API can't be asked for it"


def _tool_obstacles(where: str, tool: Tool) -> Iterator[str]:
    if not TOOL_NAME.fullmatch(tool.name):
        yield f"{where}.{tool.kind}.name: it starts with a letter or an underscore for this model"
    if tool.grammar is not None:
        yield f"{where}.custom.format: this model can't be held to a grammar"
    if problem := schema.problem(tool.parameters, loose=not tool.strict):
        yield f"{where}.function.parameters: {problem}"


# --- what we send --------------------------------------------------------------------------------------


def encode_request(request: ChatRequest, model: Model) -> WireRequest:
    """The POST for this model, whole or streamed as the request says. Raises BadRequest with `param`."""
    method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
    headers = [("content-type", "application/json")]
    if model.provider.api_key:
        headers.append(("x-goog-api-key", model.provider.api_key))  # never ?key=, which lands in logs
    try:
        body = msgspec.json.encode(_body(request, model))
    except RecursionError:
        raise BadRequest("the request is nested too deeply for this model") from None
    except UnicodeEncodeError:
        raise BadRequest("the request has half of a surrogate pair in a text") from None
    return WireRequest(f"/models/{model.id}:{method}", tuple(headers), body)


def _body(request: ChatRequest, model: Model) -> dict[str, Any]:
    instruction, contents = conversation(request.messages, model.id)
    if request.response_format.kind == "json_schema" and not model.json_schema:
        instruction.append({"text": _told(request.response_format)})
    declarations = [_declaration(as_function(tool)) for tool in request.tools]
    return _given(
        contents=contents,
        systemInstruction={"parts": instruction} if instruction else None,
        tools=[{"functionDeclarations": declarations}] if declarations else None,
        toolConfig=_tool_config(request.tool_choice) if declarations and request.tool_choice else None,
        generationConfig=_generation_config(request, model) or None,
        serviceTier=_SERVICE_TIERS.get(request.others.get("service_tier")),
    )


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _generation_config(request: ChatRequest, model: Model) -> dict[str, Any]:
    limit = model.max_output_tokens
    return _given(
        candidateCount=request.n if request.n > 1 else None,
        maxOutputTokens=None if request.max_tokens is None else min(request.max_tokens, limit),
        stopSequences=list(request.stop) or None,
        seed=request.seed,
        responseLogprobs=None if request.logprobs is None else True,
        logprobs=request.logprobs or None,
        thinkingConfig=_thinking(request, model),
        **(_sampling(request) if model.sampling else {}),
        **_output_format(request.response_format, model),
    )


def _sampling(request: ChatRequest) -> dict[str, Any]:
    return {
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.others.get("top_k"),
        # A penalty of 0 is none, and some models refuse the field whatever it says.
        "presencePenalty": request.others.get("presence_penalty") or None,
        "frequencyPenalty": request.others.get("frequency_penalty") or None,
    }


# --- thinking

_EFFORTS = get_args(Effort)  # weakest first
# As Google's own endpoint of OpenAI's dialect sets them (read 2026-11-24); above high there is no word of it.
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24_576, "xhigh": 32_768, "max": 32_768}


def _levels(model: Model) -> list[Effort]:
    """The levels of thinking that the model can be asked for, none where it has no such control."""
    said = model.thinking in ("level", "budget")
    return [level for level in model.efforts if said and level != "none"]


def _thinking(request: ChatRequest, model: Model) -> dict[str, Any] | None:
    effort = request.effort or model.effort
    if effort is not None and _levels(model):
        return _effort(effort, model)
    return {"includeThoughts": True} if request.show_reasoning and model.thinking != "none" else None


def _effort(effort: Effort, model: Model) -> dict[str, Any]:
    """The nearest level that the model knows, the weaker of two. Only a budget can be none, and not everywhere."""
    if effort == "none" and model.thinking == "budget" and model.thinking_off != "never":
        return {"thinkingBudget": 0}
    wanted = _EFFORTS.index(effort)
    ranks = [_EFFORTS.index(level) for level in _levels(model)]
    nearest = _EFFORTS[min(ranks, key=lambda rank: (abs(rank - wanted), rank))]
    amount = {"thinkingLevel": nearest.upper()} if model.thinking == "level" else {"thinkingBudget": _BUDGETS[nearest]}
    return {**amount, "includeThoughts": True}


# --- tools and output


def _declaration(tool: Tool) -> dict[str, Any]:
    root = {**(tool.parameters or {}), "type": "object"}
    parameters = schema.translated(root, loose=not tool.strict) if tool.parameters else None
    return _given(name=tool.name, description=tool.description or None, parametersJsonSchema=parameters)


_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}


def _tool_config(choice: ToolChoice) -> dict[str, Any]:
    names = [choice.name] if choice.mode == "named" else None
    return {"functionCallingConfig": _given(mode=_MODES[choice.mode], allowedFunctionNames=names)}


def _output_format(format_: ResponseFormat, model: Model) -> dict[str, Any]:
    if format_.kind == "text":
        return {}
    if format_.kind == "json_object" or not model.json_schema:
        return {"responseMimeType": "application/json"}
    described = {"description": format_.description} if format_.description else {}
    return {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema.translated({**described, **(format_.schema or {})}),
    }


def _told(format_: ResponseFormat) -> str:
    """What a model that can't be held to a schema is told; whether it kept to it is checked when it has answered."""
    described = f" ({format_.description})" if format_.description else ""
    exact = msgspec.json.encode(format_.schema or {}).decode()
    return f"Answer with one JSON document{described} and nothing else. It is valid against this JSON Schema:\n{exact}"
