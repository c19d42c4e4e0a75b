// npm's server of everything: PORT=… everything.mjs streamableHttp
import { join } from "node:path";
import { pathToFileURL } from "node:url";
const folder = join(process.env.NODE_TOOLS, "node_modules/@modelcontextprotocol/server-everything/dist");
await import(pathToFileURL(join(folder, "index.js")));
