import { ActivateRequest } from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { manifest, version } from "../mesh-config/testing/state.ts";
import { Demand } from "../orchestrator/demand.ts";
import { aKeeper } from "../orchestrator/health/testing/a-keeper.ts";
import type { InstanceState } from "../registry/state.ts";

/*
 * What a leader does each second to know how instances do by their calls, and nothing else, as a process of its own: a load report of a
 * mesh-config is read and summed, and every instance stepped. node health-cost-leader.ts INSTANCES VERSIONS SECONDS; tells its CPU time.
 */

const [instances = 0, versions = 1, seconds = 0] = process.argv.slice(2).map(Number);
const WARM_UP = 200;
const SOURCE = "mesh-config";
const fleet = Array.from({ length: versions }, (_, n) => {
  const name = { service: `bench.v1.S${n}`, version: "1.0.0" };
  const own = Array.from(
    { length: instances / versions },
    (_, i): InstanceState => ({
      ...{ id: `i-${n}-${i}`, generation: 1, host: `h${i % 10}`, runtime: "process" },
      ...{ address: `10.0.${n % 250}.${Math.floor(i / 250)}:${20_000 + i}`, healthy: true, draining: false },
    }),
  );
  return { ...name, state: version(manifest(name.service, name.version), { generation: 1 }, own) };
});
const report = ActivateRequest.encode({
  kind: {
    $case: "loads",
    value: {
      loads: fleet.map(({ state, ...name }) => ({
        target: { service: name.service, version: name.version, generation: 1 },
        inProgress: state.instances.length,
        issued: 10 * state.instances.length,
        endpoints: state.instances.map(({ address }) => ({ address, inProgress: 1, issued: 10, errors: 0 })),
      })),
      untilMs: 1,
      envoys: 1,
      sessions: [],
      callers: [],
    },
  },
  sentMs: undefined,
}).finish();

const keeper = aKeeper();
const demand = new Demand();
demand.connect(SOURCE, SOURCE);
const byName = new Map(fleet.map((one) => [one.service, one]));
let nowMs = 1_000_000;

function second(): void {
  nowMs += 1_000;
  const { kind } = ActivateRequest.decode(report);
  if (kind?.$case !== "loads") return;
  for (const { service } of demand.report(SOURCE, kind.value.loads, nowMs, 1, nowMs)) {
    const one = byName.get(service);
    if (one !== undefined) keeper.advise({ ...one, load: demand.load(one), starting: 0 }, nowMs);
  }
}

for (let n = 0; n < WARM_UP; n++) second();
const before = process.cpuUsage();
for (let n = 0; n < seconds; n++) second();
const { user, system } = process.cpuUsage(before);
process.send?.({ cpu: user + system });
