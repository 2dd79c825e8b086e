import { expect, test } from "vitest";
import { hereOf, reaches, zoneHere } from "./reach.ts";

const on = (mesh: string, host = "h1") => ({ mesh, host, ownNetwork: false });
const inside = { mesh: "unix:/mesh.sock", host: "h1", ownNetwork: true };
const at = (address: string, host = "h1") => ({ address, host });

test.each([
  ["another host's address", on("127.0.0.1:1"), at("10.0.0.7:1", "h2"), true],
  ["loopback of the own host", on("unix:/mesh.sock"), at("127.0.0.1:2"), true],
  ["loopback of another host", on("127.0.0.1:1"), at("127.0.0.1:2", "h2"), false],
  ["a socket of the own host", on("127.0.0.1:1"), at("unix:/a"), true],
  ["loopback from within a container", inside, at("127.0.0.1:2"), false],
  ["a container from within a container", inside, at("172.17.0.3:1"), true],
  ["loopback, by a client that no agent started", on("127.0.0.1:1", ""), at("127.0.0.1:2"), true],
  ["loopback, through a mesh that is elsewhere", on("10.0.0.1:1", ""), at("127.0.0.1:2"), false],
  ["IPv6", on("127.0.0.1:1"), at("[::1]:2", "h2"), false],
] as const)("%s", (_, here, endpoint, expected) => {
  expect(reaches(here, endpoint)).toBe(expected);
});

test("the agent tells where an instance is", () => {
  expect(hereOf("unix:/m", { ROUSE_HOST: "h1", ROUSE_OWN_NETWORK: "1" })).toEqual({
    ...inside,
    mesh: "unix:/m",
  });
  expect(hereOf("127.0.0.1:1", {})).toEqual(on("127.0.0.1:1", ""));
  expect(zoneHere({ ROUSE_ZONE: "left" })).toBe("left");
  expect(zoneHere({})).toBe("");
});
