import { expect, test } from "vitest";
import { registerHost } from "../../registry/hosts.ts";
import { consulOfFile } from "../../test/support/consul-of-file.ts";
import { checkHostName } from "./host-name.ts";

const { server, consul } = await consulOfFile();

test("a name is refused that a host at another address goes by, as long as its agent answers", async () => {
  const facts = { runtime: "process", cpu: 1, memoryBytes: 1, gpu: 0, labels: {} };
  const other = await registerHost(consul, { host: "vm", address: "10.0.0.1:8073", ...facts });
  const check = (host: string, bind: string, answers?: string) =>
    checkHostName(server.address, host, bind, async () => answers);
  await expect(check("vm", "10.0.0.2", "vm")).rejects.toMatchObject({
    status: "FAILED_PRECONDITION",
    reason: "HOST_NAME_TAKEN",
    message:
      "The mesh has a host named vm already, whose agent answers at 10.0.0.1:8073: give this one another name with --host.",
  });
  await check("vm", "10.0.0.2");
  await check("vm", "10.0.0.2", "another that has the address now");
  await check("vm", "10.0.0.1", "vm");
  await check("vm-2", "10.0.0.2", "vm");
  await other.close();
  await check("vm", "10.0.0.2", "vm");
});
