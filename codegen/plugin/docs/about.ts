import type { Manifest } from "../../../registry/manifest.ts";

type About = NonNullable<Manifest["about"]>;
type Field = NonNullable<About["parameters"]>[number];

/** What a contract says for people, as titles and Markdown; what it leaves out is left out. */
export function aboutSections(about: About | undefined): { title: string; markdown: string }[] {
  if (about === undefined) return [];
  const sections: [string, string][] = [
    ["Why one would use it", about.purpose ?? ""],
    ["How it is used", about.usage ?? ""],
    ["How it must not be used", about.misuse ?? ""],
    ["Parameters", fields(about.parameters)],
    ["Metadata of calls", fields(about.metadata)],
    ["Workflow", about.workflow ?? ""],
    ["Links", (about.links ?? []).map(({ title, url }) => `- ${link(title || url, url)}`).join("\n")],
  ];
  return sections.filter(([, markdown]) => markdown !== "").map(([title, markdown]) => ({ title, markdown }));
}

/** Short facts for the table of a service. */
export function aboutFacts(about: About | undefined): [string, string][] {
  const facts: [string, string][] = [
    ["Licence", about?.license ?? ""],
    ["Contact", about?.contact ?? ""],
    ["Keywords", (about?.keywords ?? []).join(", ")],
  ];
  return facts.filter(([, value]) => value !== "");
}

function fields(list: readonly Field[] | undefined): string {
  return (list ?? [])
    .map(({ name, description, required }) => {
      const said = description.replace(/\s*\n\s*/g, " ").trim();
      return `- ${plain(name)}${required ? " (required)" : ""}${said === "" ? "" : `: ${said}`}`;
    })
    .join("\n");
}

function link(title: string, url: string): string {
  return `[${plain(title)}](${url.replaceAll("(", "%28").replaceAll(")", "%29")})`;
}

/** Text that Markdown leaves alone. */
function plain(text: string): string {
  return text.replace(/[\\`*_[\]|#<>&]/g, "\\$&");
}
