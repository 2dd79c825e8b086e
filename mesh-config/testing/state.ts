import type {
  Activation,
  InstanceState,
  MeshState,
  ServiceState,
  VersionManifest,
  VersionState,
} from "../../registry/state.ts";

/** A manifest with everything at its plainest. */
export function manifest(
  service: string,
  version: string,
  change: Partial<VersionManifest> = {},
): VersionManifest {
  return {
    schema: "rouse.manifest/v1",
    service,
    version,
    summary: "",
    description: "",
    owner: "test",
    exposure: "external",
    resources: { cpu: 0.1, memory: 64 * 2 ** 20, gpu: 0, labels: {} },
    startTimeoutMs: 10_000,
    idleTimeoutMs: 60_000,
    targetConcurrency: 100,
    minInstances: 0,
    maxInstances: 4,
    sessionKey: "",
    loadBalancing: "round_robin",
    methods: [],
    ...change,
  };
}

export function version(
  manifest: VersionManifest,
  activation: Activation = { generation: 1 },
  instances: readonly InstanceState[] = [],
): VersionState {
  return {
    manifest,
    deployment: { artifact: { kind: "bundle", digest: "sha256:0" }, env: {}, mounts: [], registeredAtMs: 0 },
    activation,
    instances,
  };
}

export function instance(id: string, generation: number, address: string): InstanceState {
  return { id, generation, host: "h1", runtime: "process", address, healthy: true, draining: false };
}

/** A mesh state that a test changes; each change is a new state, told to whoever watches. */
export class TestMesh {
  #state: MeshState = { services: new Map() };
  readonly #watchers = new Set<(state: MeshState) => void>();

  get state(): MeshState {
    return this.#state;
  }

  readonly watch = (onChange: (state: MeshState) => void) => {
    this.#watchers.add(onChange);
    onChange(this.#state);
    return () => this.#watchers.delete(onChange);
  };

  put(version: VersionState): void {
    const { service: name, version: number } = version.manifest;
    this.service(name, (service) => ({
      ...service,
      versions: new Map(service.versions).set(number, version),
    }));
  }

  change(name: string, number: string, change: (version: VersionState) => VersionState): void {
    const version = this.get(name, number);
    this.put(change(version));
  }

  /** As an orchestrator's mesh has it. */
  readonly updateActivation = async (
    name: string,
    number: string,
    change: (activation: Activation) => Activation,
  ): Promise<Activation> => {
    const activation = change(this.get(name, number).activation);
    this.change(name, number, (version) => ({ ...version, activation }));
    return activation;
  };

  get(name: string, number: string): VersionState {
    const version = this.#state.services.get(name)?.versions.get(number);
    if (version === undefined) throw new Error(`${name}@${number} is not in the test's mesh`);
    return version;
  }

  tag(name: string, tag: string, weights: Record<string, number>): void {
    const list = Object.entries(weights).map(([version, weight]) => ({ version, weight }));
    this.service(name, (service) => ({ ...service, tags: new Map(service.tags).set(tag, list) }));
  }

  remove(name: string): void {
    const services = new Map(this.#state.services);
    services.delete(name);
    this.#state = { services };
    for (const watcher of this.#watchers) watcher(this.#state);
  }

  removeVersion(name: string, number: string): void {
    this.service(name, (service) => {
      const versions = new Map(service.versions);
      versions.delete(number);
      return { ...service, versions };
    });
  }

  private service(name: string, change: (service: ServiceState) => ServiceState): void {
    const before = this.#state.services.get(name) ?? { versions: new Map(), tags: new Map() };
    this.#state = { services: new Map(this.#state.services).set(name, change(before)) };
    for (const watcher of this.#watchers) watcher(this.#state);
  }
}
