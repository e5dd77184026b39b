"""The messages of a Gemini request as tables, and a reader of protobuf JSON over them: both spellings, nulls ignored.

A field is `string`, `int`, `number`, `bool`, `bytes`, `struct` (an object), `value` (anything), the name of a message,
or `A|B|` for an enum; `[x]` is a list of x, `{x}` a map from names to x.
"""

import base64
import binascii
import math
import re
from collections.abc import Mapping
from typing import Any

from router.simulated.wire import Refused

Json = Any

MESSAGES: dict[str, dict[str, str]] = {
    "Request": {
        "model": "string",
        "contents": "[Content]",
        "systemInstruction": "Content",
        "tools": "[Tool]",
        "toolConfig": "ToolConfig",
        "safetySettings": "[SafetySetting]",
        "generationConfig": "GenerationConfig",
        "cachedContent": "string",
        "serviceTier": "FLEX|STANDARD|PRIORITY|",
        "labels": "{string}",
        "store": "bool",
        "continuationToken": "string",
    },
    "EmbedContentRequest": {
        "model": "string",
        "content": "Content",
        "taskType": "TASK_TYPE_UNSPECIFIED|RETRIEVAL_QUERY|RETRIEVAL_DOCUMENT|SEMANTIC_SIMILARITY|CLASSIFICATION|"
        "CLUSTERING|QUESTION_ANSWERING|FACT_VERIFICATION|CODE_RETRIEVAL_QUERY|",
        "title": "string",
        "outputDimensionality": "int",
    },
    "BatchEmbedContentsRequest": {"requests": "[EmbedContentRequest]"},
    "Content": {"role": "string", "parts": "[Part]"},
    "Part": {
        "text": "string",
        "inlineData": "Blob",
        "fileData": "FileData",
        "functionCall": "FunctionCall",
        "functionResponse": "FunctionResponse",
        "executableCode": "struct",
        "codeExecutionResult": "struct",
        "thought": "bool",
        "thoughtSignature": "bytes",
        "videoMetadata": "struct",
        "partMetadata": "struct",
        "mediaResolution": "value",
    },
    "Blob": {"mimeType": "string", "data": "bytes", "displayName": "string"},
    "FileData": {"mimeType": "string", "fileUri": "string", "displayName": "string"},
    "FunctionCall": {"id": "string", "name": "string", "args": "struct"},
    "FunctionResponse": {
        "id": "string",
        "name": "string",
        "response": "struct",
        "parts": "[value]",
        "willContinue": "bool",
        "scheduling": "SILENT|WHEN_IDLE|INTERRUPT|",
    },
    "Tool": {
        "functionDeclarations": "[FunctionDeclaration]",
        "googleSearch": "struct",
        "codeExecution": "struct",
        "urlContext": "struct",
        "fileSearch": "struct",
        "googleMaps": "struct",
        "computerUse": "struct",
    },
    "FunctionDeclaration": {
        "name": "string",
        "description": "string",
        "behavior": "BLOCKING|NON_BLOCKING|",
        "parameters": "Schema",
        "parametersJsonSchema": "value",
        "response": "Schema",
        "responseJsonSchema": "value",
    },
    "ToolConfig": {"functionCallingConfig": "FunctionCallingConfig", "retrievalConfig": "struct"},
    "FunctionCallingConfig": {"mode": "AUTO|ANY|NONE|VALIDATED|", "allowedFunctionNames": "[string]"},
    "SafetySetting": {"category": "string", "threshold": "string", "method": "string"},
    "GenerationConfig": {
        "temperature": "number",
        "topP": "number",
        "topK": "int",
        "candidateCount": "int",
        "maxOutputTokens": "int",
        "stopSequences": "[string]",
        "responseLogprobs": "bool",
        "logprobs": "int",
        "presencePenalty": "number",
        "frequencyPenalty": "number",
        "seed": "int",
        "responseMimeType": "string",
        "responseSchema": "Schema",
        "responseJsonSchema": "value",
        "responseModalities": "[string]",
        "mediaResolution": "string",
        "thinkingConfig": "ThinkingConfig",
        "speechConfig": "struct",
        "imageConfig": "struct",
    },
    "ThinkingConfig": {
        "includeThoughts": "bool",
        "thinkingBudget": "int",
        "thinkingLevel": "MINIMAL|LOW|MEDIUM|HIGH|XHIGH|",
    },
    "Schema": {
        "type": "STRING|NUMBER|INTEGER|BOOLEAN|ARRAY|OBJECT|NULL|",
        "format": "string",
        "title": "string",
        "description": "string",
        "nullable": "bool",
        "enum": "[string]",
        "items": "Schema",
        "minItems": "int",
        "maxItems": "int",
        "minLength": "int",
        "maxLength": "int",
        "pattern": "string",
        "minimum": "number",
        "maximum": "number",
        "minProperties": "int",
        "maxProperties": "int",
        "properties": "{Schema}",
        "required": "[string]",
        "propertyOrdering": "[string]",
        "anyOf": "[Schema]",
        "default": "value",
        "example": "value",
        "additionalProperties": "value",
        "defs": "{Schema}",
        "ref": "string",
    },
}


def read_message(name: str, value: Json, path: str = "") -> dict[str, Json]:
    """`value` as the message `name`, its keys in camelCase, enums in upper case. Raises Refused in Google's words."""
    if not isinstance(value, Mapping):
        raise _invalid(path, name, value)
    fields, found = MESSAGES[name], {}
    for key, item in value.items():
        field = _camel(key)
        if field not in fields:
            raise _unknown(key, path, "Cannot find field.")
        if item is not None:
            found[field] = _read(fields[field], item, f"{path}.{snake(field)}" if path else snake(field), key)
    return found


def invalid(message: str, field: str = "") -> Refused:
    """A 400 INVALID_ARGUMENT; `field` lands in its details."""
    return Refused(message, kind="INVALID_ARGUMENT", param=field or None)


def snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda match: "_" + match.group().lower(), name)


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match.group(1).upper(), name)


def _unknown(key: str, path: str, why: str) -> Refused:
    where = f" at '{path}'" if path else ""
    return invalid(f'Invalid JSON payload received. Unknown name "{key}"{where}: {why}', path)


def _invalid(path: str, kind: str, value: Json) -> Refused:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return invalid(f"Invalid value at '{path}' ({kind}), {shown[:80]}", path)


def _read(kind: str, value: Json, path: str, key: str) -> Json:
    if kind.startswith("["):
        items = value if isinstance(value, list) else [value]
        return [_read(kind[1:-1], item, f"{path}[{index}]", key) for index, item in enumerate(items)]
    if isinstance(value, list) and kind != "value":
        raise _unknown(key, path.rpartition(".")[0], "Proto field is not repeating, cannot start list.")
    if kind.startswith("{"):
        if not isinstance(value, Mapping):
            raise _invalid(path, "map", value)
        return {name: _read(kind[1:-1], item, f"{path}[{name}]", key) for name, item in value.items()}
    if kind.endswith("|"):
        if not isinstance(value, str) or value.upper() not in kind[:-1].split("|"):
            raise _invalid(path, "TYPE_ENUM", value)
        return value.upper()
    return read_message(kind, value, path) if kind in MESSAGES else _scalar(kind, value, path)


def _scalar(kind: str, value: Json, path: str) -> Json:
    match kind:
        case "string" if isinstance(value, str):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "struct" if isinstance(value, Mapping):
            return value
        case "value":
            return value
        case "bytes" if isinstance(value, str):
            return _bytes(value, path)
        case "int" | "number" if isinstance(value, int | float | str) and not isinstance(value, bool):
            return _number(kind, value, path)
        case _:
            raise _invalid(path, f"TYPE_{kind.upper()}", value)


def _bytes(value: str, path: str) -> bytes:
    standard = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid(f"Invalid value at '{path}' (TYPE_BYTES), Base64 decoding failed", path) from None


def _number(kind: str, value: float | str, path: str) -> float:
    """Protobuf JSON takes numbers as text too."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (kind == "int" and not number.is_integer()):
        raise _invalid(path, "TYPE_INT32" if kind == "int" else "TYPE_DOUBLE", value)
    return int(number) if kind == "int" else number
