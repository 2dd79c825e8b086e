import type { ServiceNames } from "./names.ts";

/** The contract of a new service: one unary method, one server stream. */
export function contract({ snake, service }: ServiceNames, owner: string): string {
  return `syntax = "proto3";

package ${snake}.v1;

import "rouse/mesh/v1/options.proto";

// Greets and counts, until you give it something better to do.
service ${service} {
  option (rouse.mesh.v1.service) = {
    version: "0.1.0"
    summary: "Greets and counts"
    owner: ${JSON.stringify(owner)}
    resources: {
      cpu: 0.25
      memory: "256Mi"
    }
    exposure: EXPOSURE_EXTERNAL
    idle_timeout: "1m"
  };

  // A greeting for one name.
  rpc Greet(GreetRequest) returns (GreetResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (rouse.mesh.v1.method) = {deadline: "5s"};
  }

  // The numbers from 1 on, one message each.
  rpc Count(CountRequest) returns (stream CountResponse);
}

message GreetRequest {
  // Whom to greet, in at most 100 characters. Default: the world.
  string name = 1;
}

message GreetResponse {
  string greeting = 1;
}

message CountRequest {
  // The last number.
  uint32 to = 1;
}

message CountResponse {
  uint32 number = 1;
}
`;
}

/** The handlers of a new service. */
export function handlers({ snake, service }: ServiceNames): string {
  return `import { RouseError } from "rouse/errors";
import type { ${service}Handlers } from "../gen/${snake}/v1/${snake}.server.ts";

/** What the service does: one function per method of the contract. */
export const handlers: ${service}Handlers = {
  greet({ name }) {
    if (name.length > 100)
      throw new RouseError("INVALID_ARGUMENT", \`name has \${name.length} characters; 100 are the most.\`, {
        reason: "NAME_TOO_LONG",
      });
    return { greeting: \`Hello, \${name || "world"}!\` };
  },

  async *count({ to }, call) {
    for (let number = 1; number <= to && !call.signal.aborted; number++) yield { number };
  },
};
`;
}

/** The program of a new service. */
export function main({ snake }: ServiceNames): string {
  return `import { serve } from "../gen/${snake}/v1/${snake}.server.ts";
import { handlers } from "./handlers.ts";

await serve(handlers);
`;
}

/** The test of a new service: real gRPC within the test's process. */
export function handlersTest({ snake, service }: ServiceNames): string {
  return `import { RouseError } from "rouse/errors";
import { type InProcessServer, startInProcess } from "rouse/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { create${service}Client, type ${service}Client } from "../gen/${snake}/v1/${snake}.client.ts";
import { ${service}Definition } from "../gen/${snake}/v1/${snake}.definition.ts";
import { handlers } from "./handlers.ts";

let server: InProcessServer;
let client: ${service}Client;

beforeAll(async () => {
  server = await startInProcess(${service}Definition, handlers);
  client = create${service}Client({ target: server.target });
});

afterAll(async () => {
  client.close();
  await server.close();
});

test("greets", async () => {
  expect(await client.greet({ name: "Ada" })).toEqual({ greeting: "Hello, Ada!" });
  expect(await client.greet({ name: "" })).toEqual({ greeting: "Hello, world!" });
});

test("says what is wrong", async () => {
  const error: unknown = await client.greet({ name: "x".repeat(101) }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RouseError);
  expect(error).toMatchObject({ status: "INVALID_ARGUMENT", reason: "NAME_TOO_LONG" });
});

test("counts", async () => {
  const numbers: number[] = [];
  for await (const { number } of client.count({ to: 3 })) numbers.push(number);
  expect(numbers).toEqual([1, 2, 3]);
});
`;
}
