// A server as Node makes it, which knows only the methods of its own parser: tells what reached it.
import { createServer } from "node:http";
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method: request.method, verb: request.headers["x-agis-method"], body }));
  });
});
server.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
