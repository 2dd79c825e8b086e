import { afterAll } from "vitest";
import { ConsulClient } from "../../registry/consul.ts";
import { startConsul, type TestConsul } from "./consul.ts";

/** Starts a Consul for a test file, which is ended behind its last test. To be awaited where the file begins. */
export async function consulOfFile(): Promise<{
  readonly server: TestConsul;
  readonly consul: ConsulClient;
}> {
  const server = await startConsul();
  const consul = new ConsulClient({ address: server.address });
  afterAll(async () => {
    consul.close();
    await server.stop();
  });
  return { server, consul };
}
