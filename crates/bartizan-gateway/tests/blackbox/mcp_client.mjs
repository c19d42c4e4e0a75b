// The official MCP SDK for JavaScript, through the gateway: mcp_client.mjs URL KEY, a line for each thing that it saw.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
const require = createRequire(`${process.env.NODE_TOOLS}/`);
const load = async (path) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/sdk/${path}`)));
const { Client } = await load("client/index.js");
const { StreamableHTTPClientTransport } = await load("client/streamableHttp.js");
const { CreateMessageRequestSchema } = await load("types.js");

const [url, key] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${key}` };
const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
const client = new Client({ name: "test", version: "1" }, { capabilities: { sampling: {}, elicitation: {}, roots: {} } });
const said = (name, what) => console.log(`${name} ${typeof what === "string" ? what : JSON.stringify(what)}`);
const tried = async (name, what) => {
  try {
    said(name, await what());
  } catch (error) {
    said(name, { code: error.code, message: error.message });
  }
};
client.setRequestHandler(CreateMessageRequestSchema, async () => ({
  model: "none",
  role: "assistant",
  content: { type: "text", text: "sampled for ann@example.org" },
}));
await client.connect(transport);
said("session", transport.sessionId);
said("tools", (await client.listTools()).tools.map((tool) => tool.name).sort());
said("prompts", (await client.listPrompts()).prompts.map((prompt) => prompt.name).sort());
said("resources", (await client.listResources()).resources.map((resource) => resource.uri).sort());
const text = (result) => result.content[0].text;
await tried("echo", async () => text(await client.callTool({ name: "echo", arguments: { message: "hello ann@example.org" } })));
await tried("sum", async () => text(await client.callTool({ name: "get-sum", arguments: { a: 2, b: 3 } })));
await tried("large", async () => text(await client.callTool({ name: "get-sum", arguments: { a: 2000, b: 3 } })));
await tried("structured", async () => (await client.callTool({ name: "get-structured-content", arguments: { location: "New York" } })).structuredContent);
await tried("hidden", async () => client.callTool({ name: "get-env", arguments: {} }));
await tried("nowhere", async () => client.callTool({ name: "get-xyz", arguments: {} }));
await tried("sampling", async () => JSON.stringify((await client.callTool({ name: "trigger-sampling-request", arguments: { prompt: "hello" } })).content));
await tried("prompt", async () => (await client.getPrompt({ name: "simple-prompt" })).messages.length);
await tried("denied prompt", async () => client.getPrompt({ name: "args-prompt" }));
await transport.terminateSession();
await client.close();
