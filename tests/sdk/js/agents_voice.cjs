// Runs sessions of OpenAI's Realtime with its SDK for agents, as a browser would, in a process of its own (`talking.cjs`).

"use strict";

const { find, serve } = require("./talking.cjs");
const { OpenAIRealtimeWebSocket } = find("@openai/agents-realtime");

const make = ({ base_url, api_key = "sk-client" }) => ({ base_url, api_key });

async function session(client, given, said) {
  const url = `${client.base_url}/realtime?model=${encodeURIComponent(given.model)}`;
  const transport = new OpenAIRealtimeWebSocket({ url, useInsecureApiKey: true });
  const kinds = [];
  const usages = [];
  let wake = () => {};
  const done = [];
  let failed = null;
  transport.on("*", (event) => {
    kinds.push(event.type);
    if (event.type.endsWith("text.delta")) said.push(event.delta);
    if (event.type === "response.done") done.push(event.response);
    wake();
  });
  transport.on("error", (error) => {
    failed = error.error ?? error;
    wake();
  });
  const next = async () => {
    while (!done.length) {
      if (failed) throw failed instanceof Error ? failed : new Error(JSON.stringify(failed));
      await new Promise((resolve) => (wake = resolve));
    }
    const response = done.shift();
    usages.push(response.usage);
    return response;
  };
  const config = { outputModalities: ["text"], audio: { input: { turnDetection: null } }, tools: [given.tool] };
  await transport.connect({ apiKey: client.api_key, model: given.model, url, initialSessionConfig: config });
  for (let n = 0; n < 100; n++) transport.sendAudio(new ArrayBuffer(960));
  transport.sendMessage("Say hello.", {});
  await next();
  const item = { type: "message", role: "user", content: [{ type: "input_text", text: "Use the tool." }] };
  transport.sendEvent({ type: "conversation.item.create", item });
  transport.sendEvent({ type: "response.create", response: { tool_choice: "required" } });
  const call = (await next()).output.at(-1);
  transport.sendFunctionCallOutput({ callId: call.call_id, name: call.name, arguments: call.arguments }, "sunny", true);
  await next();
  transport.close();
  return { kinds, text: said.join(""), usages, tool: [call.name, call.arguments] };
}

serve("@openai/agents-realtime", make, { session }, Error, () => ({}));
