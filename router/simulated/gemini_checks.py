"""What Gemini's generateContent refuses beyond the shape of a request, in Google's words. Pure.

Requests here are the dicts that gemini_shapes.read_message gives: camelCase keys, bytes decoded.
"""

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from router.simulated.gemini_shapes import invalid
from router.simulated.schemas import malformed
from router.simulated.wire import Refused

Json = Any

DUMMY_SIGNATURES = ("skip_thought_signature_validator", "context_engineering_is_the_way_to_go")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model takes, told by its id: the provider knows its own models."""

    version: tuple[int, int]
    family: str

    @property
    def signs(self) -> bool:
        return self.version >= (3, 0)

    @property
    def levels(self) -> tuple[str, ...]:
        if not self.signs:
            return ()
        levels = ("LOW", "MEDIUM", "HIGH")
        return {"flash": ("MINIMAL", *levels), "hydrogen": (*levels, "XHIGH")}.get(self.family, levels)

    @property
    def sampling(self) -> bool:
        return self.family != "hydrogen" and not (self.family == "flash" and self.version >= (3, 6))

    @property
    def max_output_tokens(self) -> int:
        return 1_048_576 if self.version >= (4, 0) else 65_536


_MODEL = re.compile(
    r"gemini-(?P<major>[2-9])(\.(?P<minor>\d))?-(?P<family>pro|flash|argon|carbon|hydrogen)(-lite)?"
    r"(?P<preview>-preview(-customtools)?)?(-\d{3})?"
)


def abilities(model: str) -> Abilities:
    match = _MODEL.fullmatch(model)
    if match is None or (match["major"] == "3" and match["family"] == "pro" and not match["preview"]):
        message = (
            f"models/{model} is not found for API version v1beta, or is not supported for generateContent. Call "
            "ListModels to see the list of available models and their supported methods."
        )
        raise Refused(message, status=404, kind="NOT_FOUND")
    return Abilities((int(match["major"]), int(match["minor"] or 0)), match["family"])


def check(request: Mapping[str, Json], model: str) -> None:
    """Raises Refused as Google would."""
    able = abilities(model)
    _check_generation(request.get("generationConfig", {}), able)
    _check_tools(request)
    _check_system(request.get("systemInstruction"))
    contents = request.get("contents", [])
    if not contents:
        raise _at("contents", "contents is not specified")
    for index, content in enumerate(contents):
        check_content(content, f"contents[{index}]")
    _check_turns(contents)
    _check_signatures(contents, model, able)


def declarations(request: Mapping[str, Json]) -> list[dict[str, Json]]:
    return [one for tool in request.get("tools", []) for one in tool.get("functionDeclarations", [])]


def calling(request: Mapping[str, Json]) -> dict[str, Json]:
    config: dict[str, Json] = request.get("toolConfig", {}).get("functionCallingConfig", {})
    return config


def signature(model: str, nonce: str) -> str:
    """An opaque seal of about 1 KB that only the same model accepts."""
    salt = bytes.fromhex(nonce)[:16]
    return base64.b64encode(salt + hashlib.sha256(salt + model.encode()).digest() * 24).decode()


def _genuine(seal: bytes, model: str) -> bool:
    if seal in (base64.urlsafe_b64decode(dummy) for dummy in DUMMY_SIGNATURES):
        return True
    return seal[16:48] == hashlib.sha256(seal[:16] + model.encode()).digest() and len(seal) == 16 + 32 * 24


def _at(field: str, message: str) -> Refused:
    return invalid(f"* GenerateContentRequest.{field}: {message}\n", field)


_LIMITS = (("temperature", 0, 2), ("topP", 0, 1), ("candidateCount", 1, 8), ("logprobs", 0, 20))


def _check_generation(config: Mapping[str, Json], able: Abilities) -> None:
    for name, low, high in _LIMITS:
        if name in config and not low <= config[name] <= high:
            raise _at(f"generation_config.{name}", f"{name} must be in the range [{low}, {high}].")
    if not able.sampling and (given := sorted({"temperature", "topP", "topK"} & set(config))):
        raise invalid(f"{given[0]} is not supported for this model.")
    most = able.max_output_tokens
    if not 1 <= config.get("maxOutputTokens", 1) <= most:
        raise invalid(
            f"Unable to submit request because it has a maxOutputTokens value of {config['maxOutputTokens']} but the "
            f"supported range is from 1 (inclusive) to {most + 1} (exclusive). Update the value and try again."
        )
    if len(config.get("stopSequences", [])) > 5:
        raise _at("generation_config.stop_sequences", "at most 5 stop sequences are allowed.")
    if "logprobs" in config and not config.get("responseLogprobs"):
        raise _at("generation_config.logprobs", "logprobs is only allowed when response_logprobs is set.")
    _check_answer_schema(config)
    _check_thinking(config.get("thinkingConfig", {}), able)


def _check_answer_schema(config: Mapping[str, Json]) -> None:
    given = [name for name in ("responseSchema", "responseJsonSchema") if name in config]
    if len(given) > 1:
        raise invalid("Only one of response_schema and response_json_schema can be set.")
    if given and config.get("responseMimeType") != "application/json":
        raise _at("generation_config.response_schema", "only allowed with response_mime_type application/json.")
    if "responseSchema" in config:
        _check_schema(config["responseSchema"], "generation_config.response_schema")
    if "responseJsonSchema" in config:
        _check_json_schema(config["responseJsonSchema"], "generation_config.response_json_schema")


def _check_thinking(config: Mapping[str, Json], able: Abilities) -> None:
    level, budget = config.get("thinkingLevel"), config.get("thinkingBudget")
    if level is not None and budget is not None:
        raise invalid("You can only set only one of thinking budget and thinking level.")
    if level is not None and not able.levels:
        raise invalid("Thinking level is not supported for this model.")
    if level is not None and level not in able.levels:
        raise invalid(f"Thinking level {level} is not supported for this model.")
    if budget == 0 and able.family == "pro":
        raise invalid("Budget 0 is invalid. This model only works in thinking mode.")


_FUNCTION_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,127}")


def _check_tools(request: Mapping[str, Json]) -> None:
    names: list[str] = []
    for index, tool in enumerate(request.get("tools", [])):
        for place, one in enumerate(tool.get("functionDeclarations", [])):
            _check_declaration(one, f"tools[{index}].function_declarations[{place}]")
            if one["name"] in names:
                raise invalid(f"Duplicate function declaration found: {one['name']}")
            names.append(one["name"])
    config = calling(request)
    if config and not names:
        raise invalid("Function calling config is set without function_declarations.")
    allowed = config.get("allowedFunctionNames", [])
    if allowed and config.get("mode") not in ("ANY", "VALIDATED"):
        raise invalid("Function calling config's allowed_function_names should be set only when mode is ANY.")
    if unknown := [name for name in allowed if name not in names]:
        raise invalid(f"allowed_function_names has a function that is not declared: {unknown[0]}")


def _check_declaration(one: Mapping[str, Json], where: str) -> None:
    if not _FUNCTION_NAME.fullmatch(one.get("name", "")):
        raise _at(
            f"{where}.name",
            "Invalid function name. Must start with a letter or an underscore. Must be alphanumeric (a-z, A-Z, 0-9), "
            "underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 128.",
        )
    if "parameters" in one and "parametersJsonSchema" in one:
        raise invalid("Only one of parameters and parameters_json_schema can be set.", where)
    if "parameters" in one:
        if one["parameters"].get("type") != "OBJECT":
            raise _at(f"{where}.parameters", "parameters schema should be of type OBJECT.")
        _check_schema(one["parameters"], f"{where}.parameters")
    if "parametersJsonSchema" in one:
        schema = one["parametersJsonSchema"]
        if not isinstance(schema, Mapping) or schema.get("type") != "object":
            raise _at(f"{where}.parameters_json_schema", "parameters schema should be of type OBJECT.")
        _check_json_schema(schema, f"{where}.parameters_json_schema")


def _check_schema(schema: Mapping[str, Json], where: str) -> None:
    """Google's own subset: every required property exists, arrays say of what."""
    if fault := malformed(schema):
        raise _at(where, f"invalid schema: {fault}")
    _check_members(schema, where)


def _check_members(schema: Mapping[str, Json], where: str) -> None:
    properties = schema.get("properties", {})
    for index, name in enumerate(schema.get("required", [])):
        if name not in properties:
            raise _at(f"{where}.required[{index}]", "property is not defined")
    if schema.get("type") == "ARRAY" and "items" not in schema:
        raise _at(f"{where}.items", "missing field.")
    for name, inner in properties.items():
        _check_members(inner, f"{where}.properties[{name}]")
    if "items" in schema:
        _check_members(schema["items"], f"{where}.items")
    for index, inner in enumerate(schema.get("anyOf", [])):
        _check_members(inner, f"{where}.any_of[{index}]")


def _check_json_schema(schema: Json, where: str) -> None:
    """JSON Schema: unknown keywords are ignored, but nothing without a $ may stand beside $ref."""
    if fault := malformed(schema):
        raise _at(where, f"invalid JSON Schema: {fault}")
    _check_references(schema, where)


def _check_references(schema: Json, where: str) -> None:
    if not isinstance(schema, Mapping):
        return
    if "$ref" in schema and (beside := [key for key in schema if not key.startswith("$")]):
        raise _at(where, f"$ref can't have other fields beside it: {beside[0]}")
    for key in ("properties", "$defs"):
        for name, inner in (schema.get(key) or {}).items():
            _check_references(inner, f"{where}.{key}[{name}]")
    for key in ("anyOf", "oneOf", "prefixItems"):
        for index, inner in enumerate(schema.get(key) or ()):
            _check_references(inner, f"{where}.{key}[{index}]")
    _check_references(schema.get("items"), f"{where}.items")


def _check_system(content: Mapping[str, Json] | None) -> None:
    if content is None:
        return
    if not content.get("parts"):
        raise _at("system_instruction.parts", "contents.parts must not be empty.")
    for index, part in enumerate(content["parts"]):
        if not part.get("text"):
            raise _at(f"system_instruction.parts[{index}]", "system instruction takes text only, and not empty.")


_DATA = ("text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode", "codeExecutionResult")
_MEDIA = re.compile(r"image/(png|jpeg|webp|heic|heif)|application/pdf|audio/.+|video/.+|text/.+")


def _check_part(part: Mapping[str, Json], where: str) -> None:
    held = [name for name in _DATA if name in part]
    if not held or (part.get("text") == "" and "thoughtSignature" not in part):
        raise _at(f"{where}.data", "required oneof field 'data' must have one initialized field")
    if len(held) > 1:
        raise invalid(
            f"Invalid value at '{where}' (oneof), oneof field 'data' is already set. Cannot set '{held[1]}'", where
        )
    for name in ("functionCall", "functionResponse"):
        if name in part and not part[name].get("name"):
            raise _at(f"{where}.{name}.name", "Name cannot be empty.")
    if "functionResponse" in part and _holds_ref(part["functionResponse"].get("response")):
        raise _at(f"{where}.function_response.response", "$ref is not allowed in a function response.")
    media = part.get("inlineData", {}).get("mimeType", "image/png")
    if not _MEDIA.fullmatch(media):
        raise invalid(f"Unsupported MIME type: {media}", where)


def _holds_ref(value: Json) -> bool:
    if isinstance(value, Mapping):
        return "$ref" in value or any(_holds_ref(item) for item in value.values())
    return isinstance(value, list) and any(_holds_ref(item) for item in value)


def check_content(content: Mapping[str, Json], where: str) -> None:
    if content.get("role", "user") not in ("user", "model", "function"):
        raise invalid("Please use a valid role: user, model.", where)
    if not content.get("parts"):
        raise _at(f"{where}.parts", "contents.parts must not be empty.")
    for index, part in enumerate(content["parts"]):
        _check_part(part, f"{where}.parts[{index}]")


def held(content: Mapping[str, Json], name: str) -> list[dict[str, Json]]:
    """What the parts of `content` hold under `name`."""
    return [part[name] for part in content["parts"] if name in part]


def text_of(content: Mapping[str, Json]) -> str:
    return "".join(part["text"] for part in content["parts"] if "text" in part)


def _check_turns(contents: list[dict[str, Json]]) -> None:
    for index, content in enumerate(contents):
        calls = held(contents[index - 1], "functionCall") if index else []
        responses = held(content, "functionResponse")
        if responses and not calls:
            raise invalid("Please ensure that function response turn comes immediately after a function call turn.")
        if len(responses) != len(calls):
            raise invalid(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        _check_responses(calls, responses)
    if held(contents[0], "functionCall"):
        raise invalid(
            "Please ensure that function call turn comes immediately after a user turn or after a function response "
            "turn."
        )
    if held(contents[-1], "functionCall"):
        raise invalid("Please ensure that function call turn is followed by a function response turn.")


def _check_responses(calls: list[dict[str, Json]], responses: list[dict[str, Json]]) -> None:
    for key in ("name", "id"):
        asked = sorted(str(call[key]) for call in calls if key in call)
        answered = sorted(str(response[key]) for response in responses if key in response)
        if asked and answered and asked != answered:
            raise invalid(f"Function response {key}s {answered} do not match the function calls' {asked}.")


def _steps(contents: list[dict[str, Json]]) -> Iterator[tuple[int, dict[str, Json]]]:
    """The model's contents of the current turn: those after the last user text."""
    texts = [i for i, content in enumerate(contents) if content.get("role", "user") == "user" and text_of(content)]
    start = texts[-1] if texts else 0
    for index, content in enumerate(contents):
        if index > start and content.get("role") == "model":
            yield index, content


def _check_signatures(contents: list[dict[str, Json]], model: str, able: Abilities) -> None:
    if not able.signs:
        return
    for content in contents:
        for part in content["parts"]:
            if "thoughtSignature" in part and not _genuine(part["thoughtSignature"], model):
                raise invalid("Corrupted thought signature.")
    for index, content in _steps(contents):
        first = next((part for part in content["parts"] if "functionCall" in part), None)
        if first is not None and "thoughtSignature" not in first:
            name = first["functionCall"]["name"]
            raise invalid(
                "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                f"data, function call `default_api:{name}` , position {index + 1}."
            )
