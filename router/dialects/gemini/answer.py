"""What generateContent answers, whole or streamed -> our vocabulary."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from router.dialects import CustomCalls
from router.dialects.gemini.errors import upstream_error
from router.dialects.gemini.wire import (
    Candidate,
    Chunk,
    FunctionCall,
    LogprobsResult,
    Part,
    Token,
    UsageMetadata,
    read,
)
from router.errors import UpstreamError
from router.sse import Event
from router.types import (
    ChatRequest,
    ChatResponse,
    ChoiceSwitched,
    Delta,
    Finished,
    FinishReason,
    Json,
    ReasoningDelta,
    ReasoningEnded,
    Seal,
    Started,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReported,
    fold,
)


def decode_response(body: bytes, request: ChatRequest, make_id: Callable[[], str]) -> ChatResponse:
    """The answer in `body`: a stream of one chunk. Raises UpstreamError."""
    decoder = StreamDecoder(request, make_id)
    deltas = decoder.feed(Event(body))
    if not decoder.complete:
        raise UpstreamError("protocol", "the provider's answer has no finishReason")
    return fold([*deltas, *decoder.close()])


class StreamDecoder:
    """Chunks to deltas. The end is a finishReason of every candidate, or a prompt that was blocked.

    It is taken for the end once nothing follows: older models put one on every chunk, and usage may come behind it.
    """

    lingers = True

    def __init__(self, request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._request = request
        self._make_id = make_id
        self._started = False
        self._choices = {0: _Choice(request, make_id)}
        self._current = 0

    @property
    def complete(self) -> bool:
        return all(choice.ended for choice in self._choices.values())

    def feed(self, event: Event) -> Sequence[Delta]:
        chunk = _chunk(event.data)
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(chunk.response_id or "", chunk.model_version or ""))
        usage = _usage(chunk.usage_metadata)
        try:
            for place, candidate in enumerate(_candidates(chunk)):
                index = place if candidate.index is None else candidate.index  # 0 may be left unsaid
                choice = self._choices.setdefault(index, _Choice(self._request, self._make_id))
                deltas += self._of_choice(index, choice.feed(candidate))
        except UpstreamError as error:
            error.usage = usage
            raise
        if usage is not None:
            deltas.append(UsageReported(usage))
        return deltas

    def close(self) -> Sequence[Delta]:
        return [delta for index, choice in self._choices.items() for delta in self._of_choice(index, choice.close())]

    def _of_choice(self, index: int, deltas: Iterable[Delta]) -> Iterator[Delta]:
        for delta in deltas:
            if index != self._current:
                self._current = index
                yield ChoiceSwitched(index)
            yield delta


class _Choice:
    """What one candidate says."""

    def __init__(self, request: ChatRequest, make_id: Callable[[], str]) -> None:
        self._said = ""
        self._make_id = make_id
        self._custom = CustomCalls(request)
        self._logprobs_wanted = request.logprobs
        self._one_call = request.parallel_tool_calls is False  # the API can't be told: what is beyond is not passed on
        self._logprobs: list[Json] = []  # of tokens that no text delta has carried yet
        self._thinks = False
        self._spoke = False
        self._calls: dict[str, FunctionCall] = {}

    @property
    def ended(self) -> bool:
        return bool(self._said)

    def feed(self, candidate: Candidate) -> Iterator[Delta]:
        if candidate.logprobs_result is not None and self._logprobs_wanted is not None:
            self._logprobs += _logprobs(candidate.logprobs_result, self._logprobs_wanted)
        for part in candidate.content.parts if candidate.content else ():
            yield from self._part(part)
        if candidate.finish_reason and candidate.finish_reason != "FINISH_REASON_UNSPECIFIED":
            self._said = candidate.finish_reason
            self._reason()  # raises now, while another model may still take over

    def close(self) -> Iterator[Delta]:
        yield from self._thought()
        if self._spoke and self._logprobs:
            yield TextDelta("", tuple(self._logprobs))
        yield Finished(self._reason())

    def _reason(self) -> FinishReason:
        return _finish_reason(self._said, called=bool(self._calls))

    def _part(self, part: Part) -> Iterator[Delta]:
        if part.function_call is not None:
            yield from self._thought()
            yield from self._call(part.function_call, part.thought_signature)
        elif part.text and part.thought:
            self._thinks = True
            yield ReasoningDelta(part.text)
        elif part.text:  # a part with a signature alone has an empty one
            yield from self._thought()
            self._spoke = True
            yield TextDelta(part.text, tuple(self._logprobs))
            self._logprobs.clear()

    def _thought(self) -> Iterator[Delta]:
        if self._thinks:
            self._thinks = False
            yield ReasoningEnded()

    def _call(self, call: FunctionCall, signature: str | None) -> Iterator[Delta]:
        twin = self._calls.get(call.id) if call.id else None
        if twin == call:
            return  # the same call told twice; without an id two equal calls are two
        if self._calls and self._one_call:
            return
        index = len(self._calls)
        id_ = call.id if call.id and twin is None else self._make_id()
        self._calls[id_] = call
        seal = Seal(signature, "gemini") if signature else None
        made = self._custom.restored_call(
            ToolCall(id_, call.name, msgspec.json.encode(call.args or {}).decode(), seal=seal)
        )
        yield ToolCallStarted(index, id_, call.name, made.kind, seal)
        yield ToolCallDelta(index, made.arguments)


def _candidates(chunk: Chunk) -> tuple[Candidate, ...]:
    """Those of the chunk; a prompt that was blocked is one that says nothing."""
    blocked = not chunk.candidates and chunk.prompt_feedback and chunk.prompt_feedback.block_reason
    return (Candidate(finish_reason="SAFETY"),) if blocked else chunk.candidates


def _logprobs(result: LogprobsResult, alternatives: int) -> Iterator[Json]:
    """The tokens as chat completions has them."""
    tops = [top.candidates for top in result.top_candidates]
    for place, chosen in enumerate(result.chosen_candidates):
        others = tops[place][:alternatives] if place < len(tops) else ()
        yield {**_token(chosen), "top_logprobs": [_token(other) for other in others]}


def _token(token: Token) -> dict[str, Json]:
    return {"token": token.token, "logprob": token.log_probability, "bytes": list(token.token.encode())}


def _chunk(data: bytes) -> Chunk:
    try:
        chunk = read(data)
    except ValueError:
        raise UpstreamError("protocol", "the provider's answer is not a GenerateContentResponse") from None
    if chunk.error is not None:
        raise upstream_error(chunk.error, chunk.error.code)
    return chunk


_FINISH: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length", "CONTINUATION": "length"}
_FILTERED = frozenset({"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR",
                       "ESCALATION", "PUP_LIMITED_DISABLED"})  # fmt: skip
_OF_IMAGES = "IMAGE_"  # what was wrong with one: SAFETY, RECITATION, OTHER and more
_FAILURES = frozenset({"MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS",
                       "MISSING_THOUGHT_SIGNATURE", "OTHER"})  # fmt: skip


def _finish_reason(said: str, *, called: bool) -> FinishReason:
    """Gemini says STOP for tool calls too; a reason that is new to us is taken for it. Raises UpstreamError."""
    if said in _FAILURES:
        raise UpstreamError("protocol", f"the model's answer ended with {said}")
    if said in _FILTERED or said.startswith(_OF_IMAGES):
        return "content_filter"
    reason = _FINISH.get(said, "stop")
    return "tool_calls" if reason == "stop" and called else reason


def _usage(metadata: UsageMetadata | None) -> Usage | None:
    if metadata is None or metadata.prompt_token_count is None:
        return None
    thoughts = metadata.thoughts_token_count or 0
    tier = (metadata.service_tier or "unspecified").lower()
    return Usage(
        input_tokens=metadata.prompt_token_count + (metadata.tool_use_prompt_token_count or 0),
        output_tokens=(metadata.candidates_token_count or 0) + thoughts,
        cached_tokens=metadata.cached_content_token_count or 0,
        reasoning_tokens=thoughts,
        service_tier=None if tier == "unspecified" else tier,
    )
