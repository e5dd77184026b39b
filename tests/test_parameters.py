"""The table of parameters: whole, and true by spot checks that were made by hand."""

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsBase

from router.app import FACES
from router.dialects import chat
from router.parameters import SAMPLES, fates

BY_NAME = {sample.name: sample for sample in SAMPLES}


def test_every_parameter_of_the_sdk_has_a_row() -> None:
    known = set(CompletionCreateParamsBase.__annotations__) | {"stream"}
    told = {name.partition(":")[0] for name in BY_NAME}

    assert known - told == {"model"}


@pytest.mark.parametrize(
    ("name", "openai", "anthropic", "gemini"),
    [
        ("temperature", "passed", "passed", "translated"),
        ("max_tokens", "translated", "passed", "translated"),
        ("seed", "passed", "left out", "translated"),
        ("n", "passed", "refused", "translated"),
        ("logit_bias", "passed", "refused", "refused"),
        ("store", "passed", "left out", "left out"),
        ("user", "passed", "translated", "left out"),
        ("part: input_audio", "passed", "refused", "translated"),
        ("tool_choice: required", "passed", "translated", "translated"),
        ("parallel_tool_calls: false", "passed", "translated", "translated"),
        ("service_tier: flex", "passed", "refused", "translated"),
    ],
)
def test_a_parameter_meets_its_fate(name: str, openai: str, anthropic: str, gemini: str) -> None:
    assert fates(BY_NAME[name], chat.FACE, FACES) == {"openai": openai, "anthropic": anthropic, "gemini": gemini}
