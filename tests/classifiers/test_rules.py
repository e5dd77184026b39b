from collections import Counter

import pytest

from router.classifiers import AGENTIC, BUILT_IN, CODING, GENERAL, GROUPS, LONG, RESEARCH, STRICT, CustomClass
from router.classifiers.rules import classify
from router.types import ChatRequest, Image, Message, ResponseFormat, Role, Text, Tool, ToolCall

WEATHER = Tool("get_weather", "The weather at a place", {"type": "object", "properties": {"place": {"type": "string"}}})
SHELL = Tool("bash", "Run a command in a shell")
SEARCH = Tool("web_search", "Search the web")
SCHEMA = ResponseFormat("json_schema", name="invoice", schema={"type": "object"})


def say(text: str, role: Role = "user") -> Message:
    return Message(role, (Text(text),))


def ask(*messages: Message | str, tools: tuple[Tool, ...] = (), form: ResponseFormat = ResponseFormat()) -> ChatRequest:  # noqa: B008
    spoken = tuple(say(one) if isinstance(one, str) else one for one in messages)
    return ChatRequest("auto", spoken, tools=tools, response_format=form)


@pytest.mark.parametrize(
    ("text", "task_class"),
    [
        ("Write a Python function that merges two sorted lists, with unit tests.", CODING),
        ("Please review this diff:\n```diff\ndiff --git a/x.py b/x.py\n@@ -1 +1 @@\n-a\n+b\n```", CODING),
        ("用Python写一个函数来判断字符串是否为回文。", CODING),
        ("Écris une fonction Python qui trie une liste.", CODING),
        ("파이썬으로 배열을 정렬하는 함수를 작성해 주세요.", CODING),
        ("Напиши функцию, которая читает файл и возвращает список строк.", CODING),
        (
            "nginx won't start. The logs are in /var/log/nginx; fix /etc/nginx/nginx.conf and restart the server.",
            AGENTIC,
        ),
        ("Give me a report on the market for heat pumps in Poland, and cite your sources.", RESEARCH),
        ("请调研近年来固态电池行业的发展趋势并列出参考文献。", RESEARCH),
        ("Extract all person entities from this text. Answer only with a JSON object.", STRICT),
        ("Describe the moon in exactly three sentences. Do not use the word 'night', and no commas in it.", STRICT),
        ("What should I cook for six people on a cold evening?", GENERAL),
        ("Pourquoi la mer est-elle salée ?", GENERAL),
        ("Anna has 12 apples and gives away a third. How many are left?", GENERAL),
    ],
)
def test_the_task_that_a_text_asks_for_is_its_class(text: str, task_class: str) -> None:
    assert classify(ask(text)).task_class == task_class


def test_a_long_document_with_a_question_is_long_context() -> None:
    notes = "The council met on Tuesday and spoke at length about the old bridge and its repair. " * 300

    found = classify(ask(f"{notes}\n\nSummarize what was decided."))

    assert found.task_class == LONG
    assert "a text of 25229 characters +2.2" in found.why


def test_a_long_source_file_to_refactor_is_coding() -> None:
    source = "def area(width, height):\n    result = width * height\n    return result\n\n\n" * 300

    assert classify(ask(f"Refactor this code into a class:\n```python\n{source}```")).task_class == CODING


def test_a_json_schema_without_agent_history_is_decided_by_structure() -> None:
    found = classify(ask("The invoice of Smith Ltd. is over 40 euros.", form=SCHEMA))

    assert (found.task_class, found.method, found.why) == (STRICT, "structure", ("response_format json_schema",))


def test_a_json_schema_in_an_agents_history_is_not_decided_by_structure() -> None:
    called = Message("assistant", tool_calls=(ToolCall("1", "bash", "{}"),))
    result = Message("tool", (Text("ok"),), tool_call_id="1")

    assert classify(ask("Go ahead", called, result, "Now the next file", tools=(SHELL,), form=SCHEMA)).method == "rules"


def test_a_tools_result_as_last_message_is_decided_by_structure() -> None:
    called = Message("assistant", tool_calls=(ToolCall("1", "bash", "{}"),))
    result = Message("tool", (Text("total 0"),), tool_call_id="1")

    found = classify(ask("What is in this folder?", called, result, tools=(SHELL,)))

    assert (found.task_class, found.method) == (AGENTIC, "structure")


def test_a_searchs_result_leaves_the_question_to_decide() -> None:
    called = Message("assistant", tool_calls=(ToolCall("1", "web_search", "{}"),))
    result = Message("tool", (Text("Lyon, 1895"),), tool_call_id="1")

    found = classify(ask("Who won it in the same year? Cite your sources.", called, result, tools=(SEARCH,)))

    assert found.task_class == RESEARCH


def test_tools_that_the_task_does_not_need_do_not_make_it_agentic() -> None:
    assert classify(ask("Why is the sky blue?", tools=(SHELL, SEARCH, WEATHER))).task_class == GENERAL


def test_asking_for_what_a_tool_does_is_agentic() -> None:
    found = classify(ask("Can you check the weather at the lake place for me?", tools=(SHELL, WEATHER)))

    assert found.task_class == AGENTIC
    assert "asks what a tool does +1.1" in found.why


def test_the_last_user_turn_counts() -> None:
    coding = "Write a Python function that sorts a list."

    assert classify(ask(coding, say("def f(): ...", "assistant"), "What is the capital of Peru?")).task_class == GENERAL
    assert classify(ask("What is the capital of Peru?", say("Lima.", "assistant"), coding)).task_class == CODING


def test_a_turn_that_only_says_go_on_keeps_the_class_of_the_one_before() -> None:
    coding = "Write a Python function that sorts a list."

    assert classify(ask(coding, say("Shall I?", "assistant"), "Yes, please continue.")).task_class == CODING


def test_reasons_are_named_with_weights_strongest_first_and_confidence_stays_absent() -> None:
    found = classify(ask("List the names as JSON, nothing else.", form=ResponseFormat("json_object")))

    assert found.why == ("wants JSON +2.6", "response_format json_object +2.0", "prescribes the form +1.1")
    assert (found.method, found.runner_up, found.confidence) == ("rules", GENERAL, None)


def test_the_general_class_by_default_says_so() -> None:
    found = classify(ask("Good evening."))

    assert (found.task_class, found.method, found.runner_up, found.why) == (GENERAL, "default", None, ())


CONTRACTS = CustomClass(
    "contract_review",
    "Terms of a lease or a supply contract",
    (
        "Which clauses of this supply contract shift liability to the buyer?",
        "List the termination clauses of this lease and the notice each one needs",
        "这份租赁合同里有哪些终止条款",
    ),
)


def test_a_request_like_an_operators_example_gets_the_operators_class() -> None:
    found = classify(ask("List the termination clauses of the lease and the notice needed"), [CONTRACTS])

    assert (found.task_class, found.method) == ("contract_review", "rules")
    assert found.why == ("like example 2 of contract_review +0.75",)


def test_unspaced_languages_are_compared_by_pairs_of_signs() -> None:
    assert classify(ask("这份合同里有哪些终止条款"), [CONTRACTS]).task_class == "contract_review"


def test_a_request_unlike_every_example_is_left_to_the_built_in_classes() -> None:
    assert classify(ask("Write a Python function that sorts a list."), [CONTRACTS]).task_class == CODING
    assert classify(ask("Good evening."), [CustomClass("empty", "no examples")]).task_class == GENERAL


@pytest.mark.parametrize(
    "request_",
    [
        ask(),
        ask(""),
        ask(Message("user", (Image("https://example.com/cat.png"),))),
        ask(say("", "system"), Message("assistant")),
        ask("\ud800\u200b\u0000🙂İ\u202e" * 50),
        ask("好" * 5000),
        ask("x", tools=(Tool(""), Tool("noop", parameters={"type": "object", "properties": None}))),
    ],
)
def test_odd_requests_get_a_class(request_: ChatRequest) -> None:
    assert classify(request_, [CONTRACTS]).task_class in BUILT_IN


@pytest.mark.parametrize("piece", ["json ", "`", "a", "/a", "at least ", "= ", "\n", " \t", "in 3 a", "字", "\ud800"])
def test_a_megabyte_is_read_at_its_ends_alone(piece: str) -> None:
    half = piece * (500_000 // len(piece))
    hidden = "Write a Python function, then run /usr/bin/make."

    assert classify(ask(half + hidden + half)) == classify(ask(half + "." * len(hidden) + half))


def test_every_keyword_belongs_to_one_group() -> None:
    counts = Counter(word for group in GROUPS for word in group.words)

    assert [word for word, times in counts.items() if times > 1] == []
    assert len({group.reason for group in GROUPS}) == len(GROUPS)


def test_no_mark_is_empty_or_out_of_reach_of_lower_case_text() -> None:
    marks = [mark for group in GROUPS for mark in group.marks] + [word for group in GROUPS for word in group.words]

    assert [mark for mark in marks if not mark.strip(" ") or mark != mark.lower()] == []
