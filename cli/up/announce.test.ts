import { expect, test } from "vitest";
import type { Mesh } from "../connect.ts";
import { announcement } from "./announce.ts";

const mesh = { edge: "127.0.0.1:8080", consul: "127.0.0.1:8500", data: "/data", runtime: "docker" } as Mesh;

test("what runs where is said, and what people should know of the engine", () => {
  const said = announcement(
    { mesh, runtimeReason: "Docker 29.0.1 answers", warnings: ["a restart of Docker ends its containers"] },
    { examples: false },
  );
  expect(said.split("\n").slice(1, 4)).toEqual([
    "The mesh runs. Instances run in the docker runtime: Docker 29.0.1 answers.",
    "Note: a restart of Docker ends its containers.",
    "",
  ]);
  expect(announcement({ mesh, runtimeReason: "", warnings: [] }, { examples: true })).not.toContain("Note:");
});
