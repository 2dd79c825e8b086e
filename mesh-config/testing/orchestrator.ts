import { Server, type ServerDuplexStream } from "@grpc/grpc-js";
import {
  type ActivateRequest,
  type ActivateResponse,
  type Load,
  OrchestratorService,
  type Target,
} from "#proto/rouse/orchestrator/v1/orchestrator.ts";
import { listen } from "../../sdk/grpc.ts";

/** The other end of `Activate`, in the test's hand. */
export class TestOrchestrator {
  readonly #server = new Server();
  readonly #streams = new Set<ServerDuplexStream<ActivateRequest, ActivateResponse>>();
  readonly wanted: Target[] = [];
  readonly drained: Target[] = [];
  /** What had drained and then had calls again. */
  readonly reopened: Target[] = [];
  /** Generations that Envoys know and Consul does not. */
  readonly behind: Target[] = [];
  readonly loads: Load[][] = [];
  /** Sessions that live, by instance. */
  sessions: ReadonlyMap<string, number> = new Map();
  /** Of how many Envoys each report was. */
  readonly envoys: number[] = [];
  onWanted: (target: Target) => void = () => undefined;
  onDrained: (target: Target) => void = () => undefined;
  onBehind: (target: Target) => void = () => undefined;
  address = "";

  static async start(): Promise<TestOrchestrator> {
    const self = new TestOrchestrator();
    const unused = () => {
      throw new TypeError("not called in these tests");
    };
    self.#server.addService(OrchestratorService, {
      activate: (stream: ServerDuplexStream<ActivateRequest, ActivateResponse>) => self.#serve(stream),
      startVersion: unused,
      stopVersion: unused,
      getStatus: unused,
    });
    self.address = await listen(self.#server, "127.0.0.1:0");
    return self;
  }

  readonly followLeader = (onChange: (address: string | undefined) => void) => {
    onChange(this.address);
    return () => undefined;
  };

  ready(target: Target, instanceId: string, address: string): void {
    const value = { target, instanceId, address, host: "h1" };
    for (const stream of this.#streams) stream.write({ kind: { $case: "ready", value } });
  }

  /** Says that a start failed, and nothing more. */
  failed(target: Target, error: string): void {
    const times = { wantedMs: 0, placedMs: 0, createdMs: 0, startedMs: 0, readyMs: 0 };
    const value = { target, ...times, host: "h1", error };
    for (const stream of this.#streams) stream.write({ kind: { $case: "stages", value } });
  }

  close(): void {
    this.#server.forceShutdown();
  }

  #serve(stream: ServerDuplexStream<ActivateRequest, ActivateResponse>): void {
    this.#streams.add(stream);
    stream.on("data", ({ kind }: ActivateRequest) => {
      if (kind?.$case === "hello") {
        stream.write({ kind: { $case: "leading", value: { id: "test", fencingToken: 1 } } });
      } else if (kind?.$case === "wanted" && kind.value.target) {
        this.wanted.push(kind.value.target);
        this.onWanted(kind.value.target);
      } else if (kind?.$case === "drained" && kind.value.target) {
        if (kind.value.reopened) {
          this.reopened.push(kind.value.target);
          return;
        }
        this.drained.push(kind.value.target);
        this.onDrained(kind.value.target);
      } else if (kind?.$case === "behind" && kind.value.target) {
        this.behind.push(kind.value.target);
        this.onBehind(kind.value.target);
      } else if (kind?.$case === "loads") {
        this.loads.push(kind.value.loads);
        this.sessions = new Map(kind.value.sessions.map(({ instanceId, live }) => [instanceId, live]));
        this.envoys.push(kind.value.envoys);
      }
    });
    stream.on("cancelled", () => this.#streams.delete(stream));
    stream.on("error", () => this.#streams.delete(stream));
    stream.on("end", () => stream.end());
  }
}
