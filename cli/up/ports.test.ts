import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { afterEach, expect, test, vi } from "vitest";
import { type Ports, portNames, settlePorts } from "./ports.ts";

afterEach(() => vi.unstubAllEnvs());

test.each([
  ["", "--edge-port"],
  // Without the two dashes npm would keep the flag for itself, and the next start would say the same again.
  ["start", '"npm start -- --edge-port …"'],
])("a port in use is told with the flag as one types it (npm run %j)", async (script, typed) => {
  vi.stubEnv("npm_lifecycle_event", script);
  const holder = createServer().listen(0, "127.0.0.1");
  await once(holder, "listening");
  try {
    const { port } = holder.address() as AddressInfo;
    const wanted = {
      ...Object.fromEntries(Object.keys(portNames).map((name) => [name, 0])),
      edge: port,
    } as Ports;
    await expect(settlePorts(wanted, () => "127.0.0.1")).rejects.toThrow(
      new RegExp(
        `^Port ${port} for the edge is in use by process ${process.pid} .*: stop that, or choose another port with ${typed} \\(0: any\\)\\.$`,
      ),
    );
  } finally {
    holder.close();
  }
});
