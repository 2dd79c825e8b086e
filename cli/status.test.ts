import { expect, test } from "vitest";
import { GetStatusResponse } from "#proto/rouse/agent/v1/agent.ts";
import { Envoy } from "#proto/rouse/meshconfig/v1/meshconfig.ts";
import type { Mesh } from "./connect.ts";
import { type MeshStatus, statusLines } from "./status.ts";

const away = { error: "No mesh answers at 127.0.0.1:1." };
const status: MeshStatus = {
  mesh: { edge: "127.0.0.1:8080", consul: "127.0.0.1:8500", data: "/data" } as Mesh,
  processes: [],
  agent: away,
  orchestrator: away,
  envoys: [],
  jsonGaps: [],
  services: away,
  health: away,
};

test("each Envoy is shown with what it took and, in its own words, what it refused", () => {
  const envoy = (id: string, nack: string) =>
    Envoy.fromPartial({
      id,
      version: "1.40.0",
      types: [
        { type: "cluster", resources: 3, acks: 7, nacks: 0 },
        { type: "endpoint", resources: 2, acks: 4, nacks: nack === "" ? 0 : 1, nack },
      ],
    });
  const nack = "malformed IP address: no-such-host. Consider setting resolver_name";
  const lines = statusLines({ ...status, envoys: [envoy("host-a", nack), envoy("host-b", "")] });
  const from = lines.findIndex((line) => line.startsWith("ENVOY"));
  expect(lines.slice(from, from + 5).map((line) => line.split(/ {2,}/))).toEqual([
    ["ENVOY", "TYPE", "RESOURCES", "ACKS", "NACKS"],
    ["host-a 1.40.0", "cluster", "3", "7", "0", "accepted"],
    ["", "endpoint", "2", "4", "1", `REFUSED: ${nack}`],
    ["host-b 1.40.0", "cluster", "3", "7", "0", "accepted"],
    ["", "endpoint", "2", "4", "0", "accepted"],
  ]);
});

test("what people should know of the engine is told", () => {
  const agent = GetStatusResponse.fromPartial({
    runtime: "docker",
    warnings: ["a restart of Docker ends its containers"],
  });
  const lines = statusLines({ ...status, agent });
  expect(lines).toContain("note: a restart of Docker ends its containers");
});

test("parts that do not answer leave the others their say", () => {
  const lines = statusLines(status);
  for (const part of ["orchestrator", "agent", "registry", "health"])
    expect(lines).toContain(`${part}: ${away.error}`);
  expect(lines).toContain("no Envoy is connected");
});
