import { expect, onTestFinished, test } from "vitest";
import { createClient } from "../../client/index.ts";
import { echoDefinition, say } from "../../fixtures/echo.ts";
import { echoHandlers } from "../../fixtures/handlers.ts";
import { startInProcess } from "../../testing/index.ts";

test("a plain service refuses the call of a job, and its client offers none", async () => {
  const { say: method } = echoDefinition.methods;
  const definition = {
    ...echoDefinition,
    methods: { ...echoDefinition.methods, say: { ...method, mode: "job" } },
  } as const;
  const handlers = { ...echoHandlers, say: () => say("never") };
  const server = await startInProcess(definition, handlers);
  const { target } = server;
  // Whoever has an older contract.
  const old = createClient(echoDefinition, { target, retries: 0 });
  const client = createClient(definition, { target });
  onTestFinished(async () => {
    old.close();
    client.close();
    await server.close();
  });
  await expect(old.say(say("hello"))).rejects.toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "METHOD_IS_JOB",
    message: `Say is a job by its contract: it is not called but ordered, and each order runs it once in a sandbox of its own. Order it: rouse order ${echoDefinition.name}/Say '{…}'`,
  });
  expect("say" in client).toBe(false);
  expect("say" in client.async).toBe(false);
});
