import { echoDefinition, say } from "../sdk/fixtures/echo.ts";
import { echoHandlers } from "../sdk/fixtures/handlers.ts";
import { serve } from "../sdk/server/index.ts";

/* The service of bench/generated-server.ts as generated code runs it. */

const handlers = {
  ...echoHandlers,
  say: async (request: { text: string }) => say(`you said ${request.text}`),
};
const server = await serve(echoDefinition, handlers, { listen: "127.0.0.1:0" });
process.send?.(server.address);
process.on("message", () => process.send?.(process.cpuUsage()));
process.on("disconnect", () => process.exit());
