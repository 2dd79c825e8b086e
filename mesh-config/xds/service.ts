import type { ServerDuplexStream, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { Logger } from "pino";
import type { DeltaRequest, DeltaResponse, LoadStatsRequest, LoadStatsResponse } from "../proto/wire.ts";
import { Admission } from "./admission.ts";
import type { Control } from "./control.ts";
import { sendFramesAsTheyAre } from "./framed.ts";
import type { Loads } from "./loads.ts";
import { Pairing } from "./pairing.ts";
import { DeltaStream } from "./stream.ts";

export interface StreamDeps {
  /** Resolves when the first full state is there; until then streams are accepted but not read. */
  readonly control: Promise<Control>;
  readonly loads: Loads;
  /** An Envoy's stream ended. */
  readonly lost: () => void;
  /** A load report came in. */
  readonly reported: () => void;
  readonly log: Logger;
}

type AdsCall = ServerDuplexStream<DeltaRequest, DeltaResponse>;
type LrsCall = ServerDuplexStream<LoadStatsRequest, LoadStatsResponse>;

/** The two streams that an Envoy keeps open, how to bring them together, and how to end them all. */
export function envoyStreams(deps: StreamDeps) {
  const calls = new Set<{ end(): void }>();
  const pairing = new Pairing();
  const admission = new Admission();
  const open = (call: AdsCall | LrsCall, closed: () => void) => {
    calls.add(call);
    const leave = () => {
      pairing.gone(call);
      if (calls.delete(call)) closed();
    };
    call.on("cancelled", leave);
    call.on("error", leave);
    call.on("end", () => {
      leave();
      call.end();
    });
  };
  const ads: UntypedServiceImplementation = {
    deltaAggregatedResources: (call: AdsCall) => {
      sendFramesAsTheyAre(call);
      let stream: DeltaStream | undefined;
      let control: Control | undefined;
      let leave: () => void = () => undefined;
      open(call, () => {
        leave();
        if (stream === undefined || !control?.streams.delete(stream)) return;
        deps.log.info({ envoy: stream.node }, "Envoy disconnected");
        deps.lost();
      });
      void deps.control.then((ready) => {
        if (!calls.has(call)) return;
        control = ready;
        pairing.configures(call, () => stream?.node ?? "");
        leave = admission.enter(() => begin(ready));
      });
      const begin = (ready: Control) => {
        const made = new DeltaStream(ready, (response) => call.write(response), deps.log);
        stream = made;
        ready.streams.add(made);
        call.on("data", (request: DeltaRequest) => {
          made.receive(request);
          if (made.caughtUp) leave();
        });
      };
    },
  };
  const lrs: UntypedServiceImplementation = {
    streamLoadStats: (call: LrsCall) => {
      let node = "";
      open(call, () => deps.loads.forget(node));
      call.on("data", (request: LoadStatsRequest) => {
        if (node === "") {
          node = request.node?.id ?? "";
          pairing.reports(call, node);
          deps.loads.stands(node, request.node?.locality?.zone ?? "");
          call.write({
            send_all_clusters: true,
            report_endpoint_granularity: true,
            load_reporting_interval: { seconds: 1, nanos: 0 },
          });
          return;
        }
        deps.loads.report(node, request);
        deps.reported();
      });
    },
  };
  const end = () => {
    for (const call of calls) call.end();
  };
  /** To be called each second. */
  const pair = () => {
    // Who waits to be let in routes as it last knew.
    if (admission.waiting > 0) deps.lost();
    for (const node of pairing.check(performance.now()))
      deps.log.info({ envoy: node }, "one of two streams of an Envoy is ended, for the other is not here");
  };
  return { ads, lrs, pair, end };
}
