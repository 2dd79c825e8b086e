import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Logger, pino } from "pino";
import type { Target } from "../../registry/target.ts";
import type { ReadDescriptorSet } from "../json/source.ts";
import { type MeshConfigProcess, startMeshConfig } from "../server.ts";
import { EchoClient, startEcho } from "./echo.ts";
import { freePort, startEnvoy, type TestEnvoy } from "./envoy.ts";
import { TestOrchestrator } from "./orchestrator.ts";
import { instance, TestMesh } from "./state.ts";

export interface RigOptions {
  readonly graceMs?: number;
  readonly silenceMs?: number;
  /** How many control planes there are; Envoy prefers the first. Default 1. */
  readonly controlPlanes?: number;
  readonly envoyLog?: string;
  readonly samplingRatio?: number;
  readonly corsOrigins?: readonly string[];
  readonly collector?: string;
  /** Of the Envoy. */
  readonly zone?: string;
  readonly outlierLog?: string;
  readonly registry?: string;
  readonly readDescriptorSet?: ReadDescriptorSet;
  readonly registryHttp?: string;
  readonly longestHoldMs?: number;
  /** Fills the mesh before anything starts. */
  readonly prepare?: (mesh: TestMesh) => void;
}

/** A control plane on a test's state, a test's orchestrator, a real Envoy, and clients of both its listeners. */
export interface TestRig {
  readonly mesh: TestMesh;
  readonly orchestrator: TestOrchestrator;
  readonly envoy: TestEnvoy;
  /** "host:port" of the edge listener. */
  readonly edge: string;
  /** The same of that for calls between services. */
  readonly meshListener: string;
  readonly client: EchoClient;
  /** On the internal unix socket. */
  readonly inner: EchoClient;
  readonly log: Logger;
  /** @param index Which of them; default the first. */
  control(index?: number): MeshConfigProcess;
  stopControl(index: number): Promise<void>;
  /** Starts a control plane that was stopped, at its former address. */
  startControl(index: number): Promise<void>;
  /** Ends the control plane and starts a new one at the same address. */
  restartControl(between?: () => Promise<void>): Promise<void>;
  echo(service: string, name: string): Promise<Awaited<ReturnType<typeof startEcho>>>;
  close(): Promise<void>;
}

export async function startRig(options: RigOptions = {}): Promise<TestRig> {
  const folder = await mkdtemp(join(tmpdir(), "rouse-mesh-"));
  const closers: (() => unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const closer of closers.splice(0).reverse()) await closer();
  };
  try {
    const log = pino({ level: process.env.TEST_LOG ?? "silent" });
    const mesh = new TestMesh();
    options.prepare?.(mesh);
    const orchestrator = await TestOrchestrator.start();
    closers.push(() => orchestrator.close());
    const [edgePort, meshPort] = await Promise.all([freePort(), freePort()]);
    const count = options.controlPlanes ?? 1;
    const listenPorts = await Promise.all(Array.from({ length: count }, freePort));
    const edge = `127.0.0.1:${edgePort}`;
    const meshListener = `127.0.0.1:${meshPort}`;
    const socket = join(folder, "mesh.sock");
    const start = (index: number) =>
      startMeshConfig({
        id: `mesh-config-test-${index}`,
        listen: `127.0.0.1:${listenPorts[index]}`,
        settings: {
          edge,
          mesh: meshListener,
          meshSocket: socket,
          ...(options.corsOrigins && { corsOrigins: options.corsOrigins }),
          ...(options.readDescriptorSet && { json: true }),
          ...(options.registry && { registry: options.registry }),
          ...(options.registryHttp && { registryHttp: options.registryHttp }),
          ...(options.longestHoldMs && { longestHoldMs: options.longestHoldMs }),
          ...(options.samplingRatio !== undefined && { tracing: { samplingRatio: options.samplingRatio } }),
        },
        ...(options.readDescriptorSet && { readDescriptorSet: options.readDescriptorSet }),
        followLeader: orchestrator.followLeader,
        watch: mesh.watch,
        log,
        graceMs: options.graceMs ?? 100,
        ...(options.silenceMs !== undefined && { silenceMs: options.silenceMs }),
      });
    const controls = new Map<number, MeshConfigProcess>();
    const startControl = async (index: number) => void controls.set(index, await start(index));
    const stopControl = async (index: number) => {
      const running = controls.get(index);
      controls.delete(index);
      await running?.close();
    };
    closers.push(() => Promise.all([...controls.keys()].map(stopControl)));
    for (const index of listenPorts.keys()) await startControl(index);
    const addresses = [...controls.values()].map(({ address }) => address);
    const envoy = await startEnvoy(addresses, {
      ...(options.envoyLog && { logLevel: options.envoyLog }),
      ...(options.collector && { collector: options.collector }),
      ...(options.zone && { zone: options.zone }),
      ...(options.outlierLog && { outlierLog: options.outlierLog }),
    });
    closers.push(() => envoy.close());
    await envoy.until("/listeners", (text) => text.includes("mesh-socket::"));
    const client = new EchoClient(edge);
    const inner = new EchoClient(`unix:${socket}`);
    closers.push(
      () => client.close(),
      () => inner.close(),
    );
    await Promise.all([client.connected(), inner.connected()]);
    return {
      mesh,
      orchestrator,
      envoy,
      edge,
      meshListener,
      client,
      inner,
      log,
      control(index = 0) {
        const running = controls.get(index);
        if (running === undefined) throw new Error(`control plane ${index} does not run`);
        return running;
      },
      stopControl,
      startControl,
      async restartControl(between) {
        await stopControl(0);
        await between?.();
        await startControl(0);
      },
      async echo(service, name) {
        const server = await startEcho(service, name);
        closers.push(() => server.close());
        return server;
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Lets the test's orchestrator start what is wanted: `addressOf` says where, and Consul shows it right afterwards. */
export function startsWhatIsWanted(
  rig: TestRig,
  addressOf: (target: Target) => string | Promise<string>,
): void {
  rig.orchestrator.onWanted = async (target) => {
    const address = await addressOf(target);
    const id = `${target.version}-${target.generation}`;
    rig.orchestrator.ready(target, id, address);
    rig.mesh.change(target.service, target.version, (state) => ({
      ...state,
      instances: [
        ...state.instances.filter((other) => other.id !== id),
        instance(id, target.generation, address),
      ],
    }));
  };
}

/** Moves routes on to the next generation; the instances stay until they have drained. */
export function nextGeneration(rig: TestRig, service: string, number: string): void {
  rig.mesh.change(service, number, (state) => ({
    ...state,
    activation: { generation: state.activation.generation + 1 },
  }));
}

/** Lets the test's orchestrator take away what has drained. */
export function stopsWhatDrained(rig: TestRig): void {
  rig.orchestrator.onDrained = ({ service, version, generation }) =>
    rig.mesh.change(service, version, (state) => ({
      ...state,
      instances: state.instances.filter((instance) => instance.generation !== generation),
    }));
}
