// Runs sessions of OpenAI's Realtime with its SDK for JavaScript in a process of its own (`talking.cjs`).

"use strict";

const { find, serve } = require("./talking.cjs");
const { OpenAI, AzureOpenAI } = find("openai");
const { OpenAIRealtimeWS } = find("openai/realtime/ws");
const { OpenAIRealtimeError } = find("openai/realtime/index");

function make({ base_url, api_key = "sk-client", azure = null }) {
  if (azure !== null) return new AzureOpenAI({ endpoint: base_url, apiKey: api_key, apiVersion: azure });
  return new OpenAI({ baseURL: base_url, apiKey: api_key });
}

class Events {
  constructor(socket) {
    this.kinds = [];
    this.waiting = [];
    this.wake = () => {};
    socket.on("event", (event) => this.put(event));
    socket.on("error", (error) => this.put({ type: "failed", error }));
    socket.socket.on("close", (code) => this.put({ type: "failed", error: new Error(`closed with ${code}`) }));
  }

  put(event) {
    this.waiting.push(event);
    this.wake();
  }

  async until(kind, said) {
    for (;;) {
      while (this.waiting.length) {
        const event = this.waiting.shift();
        this.kinds.push(event.type);
        if (event.type === "failed") throw event.error;
        if (event.type.endsWith("text.delta")) said.push(event.delta);
        if (event.type === kind) return event;
      }
      await new Promise((resolve) => (this.wake = resolve));
    }
  }
}

const user = (text) => ({ type: "message", role: "user", content: [{ type: "input_text", text }] });

async function session(client, given, said) {
  const realtime =
    client instanceof AzureOpenAI
      ? await OpenAIRealtimeWS.azure(client, { deploymentName: given.model })
      : new OpenAIRealtimeWS({ model: given.model }, client);
  const events = new Events(realtime);
  await events.until("session.created", said);
  realtime.send({ type: "session.update", session: given.session });
  await events.until("session.updated", said);
  const audio = Buffer.alloc(960).toString("base64");
  for (let n = 0; n < 100; n++) realtime.send({ type: "input_audio_buffer.append", audio });
  const usages = [];
  const ask = async (item, response) => {
    realtime.send({ type: "conversation.item.create", item });
    realtime.send({ type: "response.create", response });
    const done = await events.until("response.done", said);
    usages.push(done.response.usage);
    return done.response;
  };
  await ask(user("Say hello."), {});
  realtime.send({ type: "session.update", session: { ...given.session, tools: [given.tool] } });
  const call = (await ask(user("Use the tool."), { tool_choice: "required" })).output.at(-1);
  await ask({ type: "function_call_output", call_id: call.call_id, output: "sunny" }, { tool_choice: "none" });
  realtime.close();
  return { kinds: events.kinds, text: said.join(""), usages, tool: [call.name, call.arguments] };
}

const secret = async (client, given) => ({ dump: await client.realtime.clientSecrets.create(given) });

serve("openai", make, { session, secret }, OpenAIRealtimeError, (error) => ({ code: error.error?.code ?? null }));
