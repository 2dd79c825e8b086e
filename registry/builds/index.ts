export type { BuildLimits } from "./limits.ts";
export type { BuildsOptions } from "./queue.ts";
export { buildsService } from "./service.ts";
