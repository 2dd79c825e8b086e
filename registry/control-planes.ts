import { isDeepStrictEqual } from "node:util";
import type { Logger } from "pino";
import { z } from "zod";
import { followQuery, notify } from "./blocking.ts";
import type { ConsulClient, ConsulResponse } from "./consul.ts";
import { CONTROL_SLOTS_PREFIX, controlSlotKey, ORCHESTRATOR_KEY } from "./keys.ts";
import { decodeValue, type KvItem, kvListSchema, kvPath, listKeys, writeKey } from "./kv.ts";

/** Consul service of every control plane: they stand for election as the orchestrator (leader.ts). */
const CONTROL_SERVICE = "rouse-orchestrator";

/** A control plane that has registered in Consul. */
export interface ControlPlane {
  /** Different from all others. */
  readonly id: string;
  /** "host:port" of its API and of xDS. */
  readonly address: string;
  /** Name of the host on which it runs. */
  readonly host: string;
  /** The one in whose place it runs, or its own id. */
  readonly slot: string;
  /** ms since 1970. */
  readonly startedAtMs: number;
  /** It said so lately that it is there. */
  readonly healthy: boolean;
}

/** A host that ends does not wait longer for Consul, ms. */
const REMOVE_MS = 2_000;

/** What a control plane says of itself. */
export function controlPlaneMeta(plane: Pick<ControlPlane, "host" | "slot">): Record<string, string> {
  return { host: plane.host, slot: plane.slot, started: String(Date.now()) };
}

const answerSchema = z.array(
  z.object({
    Service: z.object({
      ID: z.string(),
      Address: z.string(),
      Port: z.number(),
      Meta: z.record(z.string(), z.string()).nullable(),
    }),
    Checks: z.array(z.object({ Status: z.string() })),
  }),
);

function parseControlPlanes(text: string): ControlPlane[] {
  return answerSchema
    .parse(JSON.parse(text))
    .map(({ Service: { ID, Address, Port, Meta }, Checks }) => {
      const id = ID.slice(ORCHESTRATOR_KEY.length + 1);
      return {
        id,
        address: `${Address.includes(":") ? `[${Address}]` : Address}:${Port}`,
        host: Meta?.host ?? "",
        slot: Meta?.slot ?? id,
        startedAtMs: Number(Meta?.started ?? 0),
        healthy: Checks.every(({ Status }) => Status === "passing"),
      };
    })
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

/** The control planes that Consul knows now, by id. */
export async function listControlPlanes(consul: ConsulClient): Promise<ControlPlane[]> {
  return parseControlPlanes((await consul.request("GET", `/v1/health/service/${CONTROL_SERVICE}`)).text);
}

/** That a control plane is to run, on a host and by flags of `rouse control-plane` which are good on any host. */
export interface ControlSlot {
  readonly host: string;
  readonly flags: readonly string[];
}

const slotSchema = z.object({ host: z.string(), flags: z.array(z.string()) });

/** Says that a control plane of this id is to run: wherever it ends unasked, an agent starts one in its place. */
export async function writeControlSlot(consul: ConsulClient, id: string, slot: ControlSlot): Promise<void> {
  await writeKey(consul, controlSlotKey(id), JSON.stringify(slot));
}

/** It is to run no more. */
export async function removeControlSlot(consul: ConsulClient, id: string): Promise<void> {
  await consul.request("DELETE", kvPath(controlSlotKey(id)), { timeoutMs: REMOVE_MS });
}

/** The control planes that are to run, by id. */
export async function listControlSlots(consul: ConsulClient): Promise<Map<string, ControlSlot>> {
  return parseSlots(await listKeys(consul, CONTROL_SLOTS_PREFIX));
}

function parseSlots(items: readonly KvItem[]): Map<string, ControlSlot> {
  const slots = new Map<string, ControlSlot>();
  for (const item of items) {
    const parsed = slotSchema.safeParse(JSON.parse(decodeValue(item).toString("utf8")));
    if (parsed.success) slots.set(item.Key.slice(CONTROL_SLOTS_PREFIX.length), parsed.data);
  }
  return slots;
}

export interface ControlPlanesWatch {
  /** The last good state while Consul is away. */
  planes(): readonly ControlPlane[];
  /** By id. */
  slots(): ReadonlyMap<string, ControlSlot>;
  close(): void;
}

/** Follows which control planes there are and, with `slots`, which there should be. */
export function watchControlPlanes(
  consul: ConsulClient,
  options: { onChange: () => void; slots?: boolean; log?: Logger },
): ControlPlanesWatch {
  const closing = new AbortController();
  let planes: readonly ControlPlane[] = [];
  let slots: ReadonlyMap<string, ControlSlot> = new Map();
  const follow = (path: string, query: Record<string, string>, take: (response: ConsulResponse) => boolean) =>
    void followQuery(
      consul,
      {
        path,
        query,
        accept: [404],
        onTrouble: (err) =>
          err && options.log?.warn({ err }, "Consul is away: the last known control planes stay in use"),
        onAnswer: (response) => {
          if (take(response)) notify(options.onChange);
        },
      },
      closing.signal,
    );
  follow(`/v1/health/service/${CONTROL_SERVICE}`, {}, ({ text }) => {
    const next = parseControlPlanes(text);
    if (isDeepStrictEqual(planes, next)) return false;
    planes = next;
    return true;
  });
  if (options.slots === true) {
    follow(kvPath(CONTROL_SLOTS_PREFIX), { recurse: "" }, ({ status, text }) => {
      const next = parseSlots(status === 404 ? [] : kvListSchema.parse(JSON.parse(text)));
      if (isDeepStrictEqual(slots, next)) return false;
      slots = next;
      return true;
    });
  }
  return { planes: () => planes, slots: () => slots, close: () => closing.abort() };
}
