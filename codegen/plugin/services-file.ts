import { z } from "zod";

/** What the plugin tells `generate` beside the code: a file that is not kept. */
export const servicesFile = "rouse.services.json";

/** Full names of the services of a contract. */
export const servicesSchema = z.object({
  /** With the option rouse.mesh.v1.service: they have a manifest. */
  annotated: z.array(z.string()),
  /** Without it: they can be called, not registered. */
  plain: z.array(z.string()),
});

export type Services = z.infer<typeof servicesSchema>;
