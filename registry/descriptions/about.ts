import { z } from "zod";
import type { About } from "#proto/rouse/catalog/v1/catalog.ts";
import { isLicense } from "./license.ts";
import { textFault } from "./text.ts";

/** Longest text of a field, in characters. */
const LONG = 20_000;
const LINE = 200;

const text = (most: number, lines: "one line" | "lines") =>
  z
    .string()
    .max(most, `has more than ${most} characters; shorten it`)
    .superRefine((value, context) => {
      const fault = textFault(value, lines === "lines");
      if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
    });

const field = z.strictObject({
  name: text(LINE, "one line").min(1, "is empty"),
  description: text(2_000, "lines"),
  required: z.boolean(),
});

const link = z.strictObject({
  title: text(LINE, "one line"),
  url: z
    .string()
    .max(2_000, "has more than 2000 characters")
    .refine(isWebAddress, "must be an http or https URL without a password"),
});

/** What the contract says beside summary and description. Texts are Markdown; HTML in them is shown as text. */
export const manifestAboutSchema = z.strictObject({
  purpose: text(LONG, "lines").exactOptional(),
  usage: text(LONG, "lines").exactOptional(),
  misuse: text(LONG, "lines").exactOptional(),
  parameters: z.array(field).max(200, "has more than 200 entries").exactOptional(),
  /** Metadata (request headers) that calls need or may have. */
  metadata: z.array(field).max(100, "has more than 100 entries").exactOptional(),
  workflow: text(LONG, "lines").exactOptional(),
  links: z.array(link).max(50, "has more than 50 entries").exactOptional(),
  /** SPDX expression. */
  license: z
    .string()
    .max(LINE, `has more than ${LINE} characters`)
    .refine(isLicense, 'must be an SPDX expression such as "Apache-2.0" or "MIT OR Apache-2.0"')
    .exactOptional(),
  contact: text(LINE, "one line").exactOptional(),
  keywords: z
    .array(text(40, "one line").min(1, "is empty"))
    .max(30, "has more than 30 entries")
    .exactOptional(),
});
export type ManifestAbout = z.infer<typeof manifestAboutSchema>;

/** A whole description, as it is stored and sent (rouse.catalog.v1.About). */
export const aboutSchema = manifestAboutSchema.required().extend({
  summary: text(LINE, "one line"),
  description: text(100_000, "lines"),
});

/** A description that says nothing. */
export const EMPTY_ABOUT: Readonly<About> = Object.freeze({
  summary: "",
  description: "",
  purpose: "",
  usage: "",
  misuse: "",
  parameters: [],
  metadata: [],
  workflow: "",
  links: [],
  license: "",
  contact: "",
  keywords: [],
});

/** Names of a description's fields, as people read them. */
export const ABOUT_FIELDS = Object.keys(EMPTY_ABOUT) as (keyof About)[];

/** The first description where it says something, field by field, else the second. */
export function mergeAbout(first: Partial<About> | undefined, second: Partial<About>): About {
  const said = ABOUT_FIELDS.map((name) => {
    const own = first?.[name];
    return [name, own !== undefined && own.length > 0 ? own : (second[name] ?? EMPTY_ABOUT[name])];
  });
  return Object.fromEntries(said) as unknown as About;
}

/** Links that can be clicked without harm. */
function isWebAddress(url: string): boolean {
  const parsed = /^https?:\/\//i.test(url) ? URL.parse(url) : null;
  return parsed !== null && parsed.username === "" && parsed.password === "" && !/[\s<>"]/.test(url);
}
