import { expect, test } from "vitest";
import { liveRestoreWarning } from "./live-restore.ts";

test("an engine that takes its containers with it is told of, with what to do", () => {
  expect(liveRestoreWarning("Docker 29.0.1", { LiveRestoreEnabled: false, Name: "host" })).toBe(
    'a restart of Docker ends its containers, as live-restore is off: calls under way in them fail. To turn it on, write {"live-restore": true} into /etc/docker/daemon.json and run "systemctl reload docker"',
  );
});

test.each([
  ["one whose containers outlive it", "Docker 29.0.1", { LiveRestoreEnabled: true }],
  ["Podman, whose containers need none", "Podman 5.0.0", { LiveRestoreEnabled: false }],
  ["one that does not say", "Docker 29.0.1", {}],
  ["one that answers something else", "Docker 29.0.1", "no"],
])("nothing is told of %s", (_, engine, info) => {
  expect(liveRestoreWarning(engine, info)).toBeUndefined();
});
