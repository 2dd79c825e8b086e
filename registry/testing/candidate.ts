// A candidate in a process of its own, for tests that kill it: node candidate.ts CONSUL KEY ID
import { ConsulClient } from "../consul.ts";
import { campaign } from "../leader.ts";

const [, , address = "", key = "", id = ""] = process.argv;
const consul = new ConsulClient({ address });
const onElected = (leadership: object) => process.send?.(leadership);
campaign(consul, { key, id, address: "127.0.0.1:9", ttlMs: 1_000, onElected });
