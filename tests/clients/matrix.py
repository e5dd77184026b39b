"""The clients: what is installed for each, and the driver that runs it."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Client:
    """`driver` is a file of drivers/. `newest_python` is the minor version of Python 3 that the client ends at."""

    name: str
    kind: Literal["python", "node"]
    packages: tuple[str, ...]
    driver: str
    newest_python: int | None = None


CLIENTS = (
    Client("openai-python", "python", ("openai",), "openai_python.py"),
    Client("openai-node", "node", ("openai", "zod"), "openai_node.mjs"),
    Client("anthropic-python", "python", ("anthropic",), "anthropic_python.py"),
    Client("LangChain Python", "python", ("langchain-openai",), "langchain_python.py"),
    Client("LangChain JS", "node", ("@langchain/openai", "@langchain/core", "zod"), "langchain_js.mjs"),
    Client("Vercel AI SDK", "node", ("ai", "@ai-sdk/openai", "@ai-sdk/openai-compatible", "zod"), "ai_sdk.mjs"),
    Client("pydantic-ai", "python", ("pydantic-ai-slim[openai]",), "pydantic_ai_agent.py"),
    Client("OpenAI Agents SDK", "python", ("openai-agents",), "openai_agents.py"),
    Client("instructor", "python", ("instructor",), "instructor_client.py"),
    Client("LlamaIndex", "python", ("llama-index-llms-openai-like",), "llama_index_llm.py"),
    Client("LiteLLM", "python", ("litellm",), "litellm_client.py"),
    Client("llm", "python", ("llm",), "llm_cli.py"),
    Client("aider", "python", ("aider-chat",), "aider_cli.py", newest_python=12),
    Client("Codex CLI", "node", ("@openai/codex",), "codex_cli.py"),
    Client("Claude Code", "node", ("@anthropic-ai/claude-code",), "claude_code.py"),
    Client("opencode", "node", ("opencode-ai", "@ai-sdk/openai-compatible"), "opencode_cli.py"),
)
