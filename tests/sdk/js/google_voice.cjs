// Runs sessions of Gemini's Live with Google's SDK for JavaScript in a process of its own (`talking.cjs`).

"use strict";

const { find, serve } = require("./talking.cjs");
const { GoogleGenAI, Modality } = find("@google/genai");

const make = ({ base_url, api_key = "sk-client", version = "v1beta" }) =>
  new GoogleGenAI({ apiKey: api_key, apiVersion: version, httpOptions: { baseUrl: base_url } });

async function session(client, given) {
  const waiting = [];
  let wake = () => {};
  const put = (each) => {
    waiting.push(each);
    wake();
  };
  const connecting = client.live.connect({
    model: given.model,
    config: { responseModalities: [Modality.AUDIO], tools: [{ functionDeclarations: [given.tool] }] },
    callbacks: {
      onmessage: put,
      onerror: (event) => put({ failed: String(event.message ?? event) }),
      onclose: (event) => put({ failed: `closed with ${event.code}: ${event.reason}` }),
    },
  });
  let settled = false;
  const refused = async () => {
    while (!settled && !waiting.some((each) => each.failed || each.code)) await new Promise((resolve) => (wake = resolve));
    const why = waiting.find((each) => each.code) ?? waiting.find((each) => each.failed);
    throw new Error(why?.code ? `refused with ${why.code}: ${why.message}` : why?.failed);
  };
  const live = await Promise.race([connecting, refused()]); // the SDK waits for ever for a session that is refused
  settled = true;
  wake();
  const usages = [];
  const calls = [];
  let sound = 0;
  const turn = async () => {
    for (;;) {
      while (waiting.length) {
        const message = waiting.shift();
        if (message.failed) throw new Error(message.failed);
        if (message.code) throw new Error(`refused with ${message.code}: ${message.message}`);
        for (const part of message.serverContent?.modelTurn?.parts ?? [])
          sound += part.inlineData ? Buffer.from(part.inlineData.data, "base64").length : 0;
        if (message.usageMetadata) usages.push(message.usageMetadata);
        if (message.toolCall) return void calls.push(...message.toolCall.functionCalls);
        if (message.serverContent?.turnComplete) return;
      }
      await new Promise((resolve) => (wake = resolve));
    }
  };
  const data = Buffer.alloc(640).toString("base64");
  for (let n = 0; n < 100; n++) live.sendRealtimeInput({ audio: { data, mimeType: "audio/pcm;rate=16000" } });
  for (const text of ["Say hello.", "Use the tool."]) {
    live.sendClientContent({ turns: [{ role: "user", parts: [{ text }] }], turnComplete: true });
    await turn();
  }
  const [call] = calls;
  live.sendToolResponse({ functionResponses: [{ id: call.id, name: call.name, response: { weather: "sunny" } }] });
  await turn();
  live.close();
  return { usages, tool: [call.name, call.args], sound };
}

const token = async (client, { config }) => ({ name: (await client.authTokens.create({ config })).name });

serve("@google/genai", make, { session, token }, Error, () => ({}));
