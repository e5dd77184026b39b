"""Log probabilities of a simulated answer: made up from each token, so they are the same streamed and whole."""

import re
import zlib
from dataclasses import dataclass
from typing import Any

Json = Any


@dataclass(frozen=True, slots=True)
class Likely:
    token: str
    log_probability: float

    @property
    def token_id(self) -> int:
        return zlib.crc32(self.token.encode()) % 200_000


@dataclass(frozen=True, slots=True)
class Chosen(Likely):
    """A token that was said; `others` are the likeliest in its place, itself first."""

    others: tuple[Likely, ...]


_TOKEN = re.compile(r"\s*\S+|\s+")
_RIVALS = (
    " the", " a", " of", " to", " and", " in", " is", " it", " that", " for",
    " on", " with", " as", " at", " by", " an", " or", " be", " if", " so",
)  # fmt: skip


def chosen_tokens(text: str, top: int) -> list[Chosen]:
    """The tokens of `text`, each with its `top` likeliest."""
    return [_chosen(token, top) for token in _TOKEN.findall(text)]


def _chosen(token: str, top: int) -> Chosen:
    own = -(zlib.crc32(token.encode()) % 1000) / 1000
    rivals = [Likely(rival, own - rank / 2) for rank, rival in enumerate(_RIVALS, 1) if rival != token]
    return Chosen(token, own, (Likely(token, own), *rivals)[:top])


def openai_tokens(text: str, top: int) -> list[dict[str, Json]]:
    """As OpenAI lists them, in chat completions and in responses alike."""
    return [
        {**_openai_token(one), "top_logprobs": [_openai_token(other) for other in one.others]}
        for one in chosen_tokens(text, top)
    ]


def _openai_token(one: Likely) -> dict[str, Json]:
    return {"token": one.token, "logprob": one.log_probability, "bytes": list(one.token.encode())}


def gemini_result(text: str, top: int) -> dict[str, Json]:
    """A Gemini candidate's logprobsResult."""
    tokens = chosen_tokens(text, top)
    likeliest = [{"candidates": [_gemini_token(other) for other in one.others]} for one in tokens]
    chosen = {"chosenCandidates": [_gemini_token(one) for one in tokens]}
    return {"topCandidates": likeliest, **chosen} if top else chosen


def _gemini_token(one: Likely) -> dict[str, Json]:
    return {"token": one.token, "tokenId": one.token_id, "logProbability": one.log_probability}
