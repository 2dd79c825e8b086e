// A candidate in a process of its own, for tests that kill it: node candidate.ts CONSUL KEY ID [TTL_MS]. It listens at its address.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { ConsulClient } from "../consul.ts";
import { campaign } from "../leader.ts";

const [, , consulAddress = "", key = "", id = "", ttlMs = "1000"] = process.argv;
const consul = new ConsulClient({ address: consulAddress });
const server = createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 });
await once(server, "listening");
const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
const onElected = (leadership: object) => process.send?.(leadership);
campaign(consul, { key, id, address, ttlMs: Number(ttlMs), onElected });
