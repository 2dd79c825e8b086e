import { ConsulClient } from "../../registry/consul.ts";
import { listControlSlots, removeControlSlot, writeControlSlot } from "../../registry/control-planes.ts";
import type { ControlChild } from "./processes.ts";

/** Says which control planes this host is to run, so that an agent stands in for one that is missing. */
export async function writeSlots(
  consulAddress: string,
  host: string,
  controls: readonly ControlChild[],
): Promise<void> {
  const consul = new ConsulClient({ address: consulAddress });
  try {
    for (const { id, flags } of controls) await writeControlSlot(consul, id, { host, flags });
    // It ran more of them when it was killed.
    const now = new Set(controls.map(({ id }) => id));
    for (const [id, slot] of await listControlSlots(consul))
      if (slot.host === host && !now.has(id)) await removeControlSlot(consul, id);
  } finally {
    consul.close();
  }
}

/** They are ended on purpose. While Consul is away it cannot be told; then the others stand in. */
export async function removeSlots(consulAddress: string, controls: readonly ControlChild[]): Promise<void> {
  const consul = new ConsulClient({ address: consulAddress });
  try {
    await Promise.all(controls.map(({ id }) => removeControlSlot(consul, id)));
  } catch {
    // Whoever ends it waits for nothing.
  } finally {
    consul.close();
  }
}
