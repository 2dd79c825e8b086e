import type { Logger } from "pino";
import type { Access } from "./access.ts";
import type { BundleStore } from "./bundles.ts";
import type { ConsulClient } from "./consul.ts";
import type { MeshFollower } from "./follower.ts";

/** What the registry's parts share. */
export interface RegistryContext {
  readonly consul: ConsulClient;
  readonly mesh: MeshFollower;
  readonly bundles: BundleStore;
  readonly access: Access;
  /** Anybody may make a provider; absent: only the administrator. */
  readonly openRegistration?: boolean;
  /** Folder of the registry's own. */
  readonly dataDir: string;
  readonly log: Logger;
}
