import type { DescService } from "@bufbuild/protobuf";
import semver from "semver";
import type { Manifest } from "../../registry/manifest.ts";
import type { Problem } from "../problems.ts";
import { readAbout } from "./about-settings.ts";
import { readBalancing } from "./balancing-settings.ts";
import { checkSessionKey } from "./header-name.ts";
import type { ServiceMesh } from "./mesh-options.ts";
import { OptionReader } from "./option-reader.ts";
import { CORE_INSTANCES, checkCore, readPlacement } from "./placement-settings.ts";
import { readResources } from "./resource-settings.ts";
import { readScaling } from "./scaling-settings.ts";
import { readSessions } from "./session-settings.ts";
import { readStandby } from "./standby-settings.ts";
import { readWorkers } from "./worker-settings.ts";

/** The option of a service, checked, with its defaults: the manifest but for names, methods and descriptors. */
export type ServiceSettings = Omit<Manifest, "schema" | "service" | "methods" | "descriptorSet">;

const second = 1_000;
const minute = 60 * second;

/** Checks the option of a service against the limits in rouse/mesh/v1/options.proto; notes all problems. */
export function readServiceSettings(
  desc: DescService,
  mesh: ServiceMesh,
  problems: Problem[],
): ServiceSettings {
  const reader = new OptionReader(desc, problems);
  checkVersion(desc, mesh, reader);
  const owner = reader.text({ name: "owner", path: [4], text: mesh.owner }, { most: 200, oneLine: true });
  if (owner === "")
    reader.problem(
      [4],
      `${desc.name} has no owner. Add who answers for the service, such as owner: "genomics@example.org".`,
    );
  const minInstances = reader.count(
    { name: "min_instances", path: [10], value: mesh.min_instances },
    { least: 0, most: 1_000, otherwise: mesh.placement?.core === true ? CORE_INSTANCES : 0 },
  );
  const maxInstances = reader.count(
    { name: "max_instances", path: [11], value: mesh.max_instances },
    { least: 1, most: 1_000, otherwise: 4 },
  );
  if (minInstances > maxInstances) {
    const which = mesh.max_instances === 0 ? `${maxInstances}, its default` : String(maxInstances);
    reader.problem(
      [10],
      `min_instances ${minInstances} is more than max_instances (${which}). Lower the one or raise the other.`,
    );
  }
  checkCore(mesh, reader);
  const resources = readResources(mesh.resources, reader);
  const sessionKey = mesh.session_key.toLowerCase();
  const keyProblem = checkSessionKey(mesh.session_key);
  if (keyProblem !== undefined) reader.problem([12], keyProblem);
  return {
    version: mesh.version,
    summary: reader.text({ name: "summary", path: [2], text: mesh.summary }, { most: 200, oneLine: true }),
    description: reader.text({ name: "description", path: [3], text: mesh.description }, { most: 100_000 }),
    owner,
    exposure: choice(reader, "exposure", 6, mesh.exposure, "internal", "external"),
    resources,
    startTimeoutMs: reader.duration(
      { name: "start_timeout", path: [7], text: mesh.start_timeout },
      { least: 100, most: 10 * minute, otherwise: 30 * second },
    ),
    idleTimeoutMs:
      mesh.idle_timeout === "never"
        ? 0
        : reader.duration(
            { name: "idle_timeout", path: [8], text: mesh.idle_timeout },
            { least: second, most: 24 * 60 * minute, otherwise: 5 * minute, also: '"never"' },
          ),
    targetConcurrency: reader.count(
      { name: "target_concurrency", path: [9], value: mesh.target_concurrency },
      { least: 1, most: 10_000, otherwise: 100 },
    ),
    minInstances,
    maxInstances,
    sessionKey,
    ...readBalancing(mesh, reader),
    ...readSessions(mesh, reader),
    ...readPlacement(mesh, reader),
    ...readScaling(mesh.scaling, reader),
    ...readWorkers(mesh.workers, resources, reader),
    ...readStandby(mesh.standby, reader),
    ...approvalOf(reader, mesh.approval),
    ...readAbout(mesh.about, reader),
  };
}

function checkVersion(desc: DescService, mesh: ServiceMesh, reader: OptionReader): void {
  if (mesh.version === "") {
    reader.problem([1], `${desc.name} has no version. Add one, such as version: "1.0.0".`);
  } else if (semver.valid(mesh.version) !== mesh.version) {
    reader.problem(
      [1],
      `version ${JSON.stringify(mesh.version)} is no semantic version. Write three numbers, such as "1.4.0" or "2.0.0-beta.1".`,
    );
  } else if (mesh.version.length > 64) {
    reader.problem([1], `version has ${mesh.version.length} characters. Shorten it to 64 at most.`);
  }
}

/** Absent in the manifest when nothing needs approval, as in those that were made before there was the option. */
function approvalOf(reader: OptionReader, value: string): Pick<Manifest, "approval"> {
  if (value === "unspecified" || value === "none") return {};
  if (value === "release" || value === "listing" || value === "running") return { approval: value };
  reader.problem([30], `approval ${value} is unknown. Choose a value of rouse/mesh/v1/options.proto.`);
  return {};
}

/** An enum value; unspecified means the first choice. */
function choice<First extends string, Second extends string>(
  reader: OptionReader,
  name: string,
  field: number,
  value: string,
  first: First,
  second: Second,
): First | Second {
  if (value === "unspecified" || value === first) return first;
  if (value === second) return second;
  reader.problem([field], `${name} ${value} is unknown. Choose a value of rouse/mesh/v1/options.proto.`);
  return first;
}
