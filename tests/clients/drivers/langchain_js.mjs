// LangChain for JavaScript: ChatOpenAI on chat completions, and on responses.

import { HumanMessage, ToolMessage } from "@langchain/core/messages";
import { tool } from "@langchain/core/tools";
import { ChatOpenAI } from "@langchain/openai";
import { z } from "zod";

import {
  ASK_WEATHER, EXTRACT, HELLO, KEY, OPENAI_URL, UNKNOWN, WEATHER,
  expect, isPerson, run, servedBy, thrown, toldByTool,
} from "./common.mjs";

const Person = z.object({ name: z.string(), age: z.int() });
const getWeather = tool(async () => WEATHER, {
  name: "get_weather",
  description: "The weather now",
  schema: z.object({ city: z.string() }),
});

function checks(useResponsesApi) {
  const llm = (model) =>
    new ChatOpenAI({ model, apiKey: KEY, configuration: { baseURL: OPENAI_URL }, maxRetries: 0, useResponsesApi });

  return {
    chat: async (model) => {
      const answer = await llm(model).invoke(HELLO);
      servedBy(model, answer.text);
      expect(answer.usage_metadata.output_tokens > 0, answer);
      return `${answer.usage_metadata.total_tokens} tokens`;
    },
    stream: async (model) => {
      const chunks = [];
      for await (const chunk of await llm(model).stream(HELLO)) chunks.push(chunk);
      const whole = chunks.reduce((sum, chunk) => sum.concat(chunk));
      servedBy(model, whole.text);
      expect(whole.usage_metadata.output_tokens > 0, whole);
      return `${chunks.length} chunks`;
    },
    // Streamed: the calls are put together from their pieces.
    "tool loop": async (model) => {
      const bound = llm(model).bindTools([getWeather]);
      const history = [new HumanMessage(ASK_WEATHER)];
      let first;
      for await (const chunk of await bound.stream(history)) first = first ? first.concat(chunk) : chunk;
      const [call] = first.tool_calls;
      expect(first.tool_calls.length === 1 && call.name === "get_weather" && "city" in call.args, first.tool_calls);
      const told = new ToolMessage({ content: await getWeather.invoke(call.args), tool_call_id: call.id });
      toldByTool(model, (await bound.invoke([...history, first, told])).text);
      return "streamed, then whole";
    },
    "structured output": async (model) => isPerson(await llm(model).withStructuredOutput(Person).invoke(EXTRACT)),
    error: async (model) => {
      const error = await thrown(() => llm(`${model}-${UNKNOWN}`).invoke(HELLO));
      expect(error.status === 404 && error.code === "model_not_found", String(error));
      return `${error.name}, model_not_found`;
    },
  };
}

await run("@langchain/openai", "chat completions", checks(false));
await run("@langchain/openai", "responses", checks(true));
