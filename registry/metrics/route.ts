import type { RegistryContext } from "../context.ts";
import { type HostsWatch, watchHosts } from "../hosts.ts";
import type { HttpRoute } from "../http.ts";
import type { Forwarder } from "../otlp/forwarder.ts";
import type { ReceivedCounts } from "../otlp/receiver.ts";
import { usageStore } from "../usage/store.ts";
import { type Family, formatFamilies } from "./family.ts";
import { controlFamilies, counter, gauge, one, stateFamilies } from "./mesh.ts";
import { processFamilies } from "./process.ts";
import { usageFamilies } from "./usage.ts";

export interface MetricsSources {
  readonly received: ReceivedCounts;
  readonly forwarder: Forwarder | undefined;
  /** "host:port" of the control plane. */
  readonly control: string | undefined;
}

/** "/metrics": the whole mesh for Prometheus, in one scrape. It is not led through the edge. */
export function metricsRoute(
  context: RegistryContext,
  sources: MetricsSources,
): HttpRoute & { close(): void } {
  const hosts = watchHosts(context.consul, { log: context.log });
  hosts.ready.catch(() => {});
  return {
    prefix: "/metrics",
    local: true,
    async handle(_, response) {
      const control = controlFamilies(sources.control);
      const families = [
        ...usageFamilies(usageStore(context)),
        ...(await context.mesh.state().then(stateFamilies, (): Family[] => [])),
        ...hostFamilies(hosts),
        ...(await control),
        ...intakeFamilies(sources),
        ...processFamilies(),
      ];
      response
        .writeHead(200, {
          "content-type": "text/plain; version=0.0.4; charset=utf-8",
          "cache-control": "no-store",
        })
        .end(formatFamilies(families));
    },
    close: () => hosts.close(),
  };
}

function hostFamilies(hosts: HostsWatch): Family[] {
  const points = [...hosts.current().values()].map(({ host, runtime, healthy }) => ({
    labels: { host, runtime },
    value: healthy ? 1 : 0,
  }));
  return [gauge("rouse_host_up", "Whether a host's agent is heard of.", points)];
}

function intakeFamilies({ received, forwarder }: MetricsSources): Family[] {
  const { spans, points, rejected } = received;
  const own = [
    counter("rouse_otlp_spans", "Spans that were taken, since the registry's start.", [one(spans)]),
    counter("rouse_otlp_points", "Counts of servers that were taken, since the registry's start.", [
      one(points),
    ]),
    counter("rouse_otlp_rejected", "Spans and counts that were not taken.", [one(rejected)]),
  ];
  if (forwarder === undefined) return own;
  const { sent, dropped, waiting } = forwarder.counts;
  return [
    ...own,
    counter("rouse_otlp_forwarded", "Exports that the collector has taken.", [one(sent)]),
    counter("rouse_otlp_dropped", "Exports that the collector did not get.", [one(dropped)]),
    gauge("rouse_otlp_waiting", "Exports on their way to the collector.", [one(waiting)]),
  ];
}
