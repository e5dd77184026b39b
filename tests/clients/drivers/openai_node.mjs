// The official OpenAI client for Node, chat completions and responses.

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";

import {
  ASK_WEATHER, EXTRACT, HELLO, KEY, OPENAI_URL, UNKNOWN, WEATHER,
  expect, isPerson, run, servedBy, thrown, toldByTool,
} from "./common.mjs";

const client = new OpenAI({ baseURL: OPENAI_URL, apiKey: KEY, maxRetries: 0 });
const Person = z.object({ name: z.string(), age: z.int() });
const parameters = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};
const tool = { name: "get_weather", description: "The weather now", parameters, strict: true };
const chatTools = [{ type: "function", function: tool }];
const responsesTools = [{ type: "function", ...tool }];
const messages = (content) => [{ role: "user", content }];

async function notFound(call) {
  const error = await thrown(call);
  expect(error instanceof OpenAI.NotFoundError && error.code === "model_not_found", String(error));
  return "NotFoundError, model_not_found";
}

async function chat(model) {
  const answer = await client.chat.completions.create({ model, messages: messages(HELLO) });
  servedBy(model, answer.choices[0].message.content);
  expect(answer.choices[0].finish_reason === "stop" && answer.usage.total_tokens > 0, answer);
  return `${answer.usage.total_tokens} tokens`;
}

async function stream(model) {
  const chunks = [];
  const options = { model, messages: messages(HELLO), stream: true, stream_options: { include_usage: true } };
  for await (const chunk of await client.chat.completions.create(options)) chunks.push(chunk);
  servedBy(model, chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join(""));
  expect(chunks.at(-1).usage.total_tokens > 0 && chunks.at(-1).choices.length === 0, chunks.at(-1));
  return `${chunks.length} chunks`;
}

// Whole by hand, then streamed through the client's own tool runner.
async function toolLoop(model) {
  const history = messages(ASK_WEATHER);
  const first = (await client.chat.completions.create({ model, messages: history, tools: chatTools })).choices[0];
  expect(first.finish_reason === "tool_calls" && first.message.tool_calls.length === 1, first);
  const [call] = first.message.tool_calls;
  expect("city" in JSON.parse(call.function.arguments), call);
  history.push(first.message, { role: "tool", tool_call_id: call.id, content: WEATHER });
  const last = await client.chat.completions.create({ model, messages: history, tools: chatTools });
  toldByTool(model, last.choices[0].message.content);

  const asked = [];
  const runnable = { ...tool, parse: JSON.parse, function: (given) => (asked.push(given), WEATHER) };
  const runner = client.chat.completions.runTools({
    model,
    messages: messages(ASK_WEATHER),
    tools: [{ type: "function", function: runnable }],
    stream: true,
  });
  toldByTool(model, await runner.finalContent());
  expect(asked.length === 1 && "city" in asked[0], asked);
  return "whole, and streamed by runTools";
}

async function structuredOutput(model) {
  const response_format = zodResponseFormat(Person, "person");
  const answer = await client.chat.completions.parse({ model, messages: messages(EXTRACT), response_format });
  return isPerson(answer.choices[0].message.parsed);
}

const error = (model) =>
  notFound(() => client.chat.completions.create({ model: `${model}-${UNKNOWN}`, messages: messages(HELLO) }));

async function responsesChat(model) {
  const answer = await client.responses.create({ model, input: HELLO });
  servedBy(model, answer.output_text);
  expect(answer.status === "completed" && answer.usage.total_tokens > 0, answer);
  return `${answer.usage.total_tokens} tokens`;
}

async function responsesStream(model) {
  const events = [];
  for await (const event of await client.responses.create({ model, input: HELLO, stream: true })) events.push(event);
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  servedBy(model, deltas.map((event) => event.delta).join(""));
  expect(events.at(-1).type === "response.completed", events.at(-1));
  return `${events.length} events`;
}

// Once with the history sent again, once streamed and by previous_response_id.
async function responsesToolLoop(model) {
  const asked = { model, tools: responsesTools };
  const first = await client.responses.create({ ...asked, input: ASK_WEATHER });
  const input = [...messages(ASK_WEATHER), ...first.output, ...outputs(first)];
  toldByTool(model, (await client.responses.create({ ...asked, input })).output_text);

  const again = await client.responses.stream({ ...asked, input: ASK_WEATHER }).finalResponse();
  const rest = { ...asked, input: outputs(again), previous_response_id: again.id };
  toldByTool(model, (await client.responses.create(rest)).output_text);
  return "stateless, and streamed with previous_response_id";
}

function outputs(response) {
  const calls = response.output.filter((item) => item.type === "function_call");
  expect(calls.length === 1 && "city" in JSON.parse(calls[0].arguments), response.output);
  return calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: WEATHER }));
}

async function responsesStructuredOutput(model) {
  const text = { format: zodTextFormat(Person, "person") };
  return isPerson((await client.responses.parse({ model, input: EXTRACT, text })).output_parsed);
}

const responsesError = (model) =>
  notFound(() => client.responses.create({ model: `${model}-${UNKNOWN}`, input: HELLO }));

await run("openai", "chat completions", {
  chat, stream, "tool loop": toolLoop, "structured output": structuredOutput, error,
});
await run("openai", "responses", {
  chat: responsesChat,
  stream: responsesStream,
  "tool loop": responsesToolLoop,
  "structured output": responsesStructuredOutput,
  error: responsesError,
});
