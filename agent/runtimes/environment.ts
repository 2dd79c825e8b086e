import type { InstanceSpec } from "#proto/rouse/agent/v1/agent.ts";

/** What an instance is told by its environment. */
export interface EnvironmentFacts {
  readonly host: string;
  /** Where the host stands; "": nowhere in particular. */
  readonly zone?: string | undefined;
  /** Value of ROUSE_INSTANCE, the name it announces itself by; the SDK then takes the id that is answered. */
  readonly instance: string;
  /** "host:port" to listen on. */
  readonly listen: string;
  readonly notify: string;
  readonly mesh: string;
  readonly app?: string | undefined;
  readonly otlpEndpoint?: string | undefined;
  /** The loopback interface of the host is not its own: what listens there is out of reach. */
  readonly ownNetwork?: true;
}

/** The variables of an instance; what the deployment declares comes first, so that it cannot overrule the agent's. */
export function instanceEnvironment(spec: InstanceSpec, facts: EnvironmentFacts): Record<string, string> {
  const port = facts.listen.slice(facts.listen.lastIndexOf(":") + 1);
  return {
    ...spec.env,
    ROUSE_SERVICE: spec.service,
    ROUSE_VERSION: spec.version,
    ROUSE_INSTANCE: facts.instance,
    ROUSE_HOST: facts.host,
    ...(facts.zone && { ROUSE_ZONE: facts.zone }),
    ROUSE_LISTEN: facts.listen,
    ROUSE_NOTIFY: facts.notify,
    ROUSE_MESH: facts.mesh,
    ...(facts.ownNetwork && { ROUSE_OWN_NETWORK: "1" }),
    ...(port === "0" ? {} : { PORT: port }),
    ...(facts.app === undefined ? {} : { ROUSE_APP: facts.app }),
    ...(facts.otlpEndpoint === undefined ? {} : tracing(facts.otlpEndpoint)),
  };
}

/** Which calls begin a trace is the same for the agent's environment and its instances'. */
function tracing(endpoint: string): Record<string, string> {
  const { OTEL_TRACES_SAMPLER_ARG: share } = process.env;
  return { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, ...(share && { OTEL_TRACES_SAMPLER_ARG: share }) };
}

/**
 * Where nothing can be mounted, a variable that names a path below a mount's target gets the source's path instead.
 */
export function withoutMounts(spec: InstanceSpec): InstanceSpec {
  const env = Object.fromEntries(
    Object.entries(spec.env).map(([name, value]) => {
      const mount = spec.mounts.find(({ target }) => value === target || value.startsWith(`${target}/`));
      return [name, mount === undefined ? value : mount.source + value.slice(mount.target.length)];
    }),
  );
  return { ...spec, env };
}
