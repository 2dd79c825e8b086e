import { useMemo, useState } from "preact/hooks";
import type { Artifact } from "../../gen/rouse/orders/v1/artifacts.ts";
import { Note } from "../components/Note.tsx";
import { bytes } from "../format.ts";
import { lazy } from "../lazy.tsx";
import { useLoad } from "../load.ts";
import { pretty } from "../work/value-text.ts";
import { WorkError } from "../work/WorkError.tsx";
import { isNumeric, readTable } from "./csv.ts";
import { type Kind, kindOf, mostShown } from "./kind.ts";
import { contentPath, readHead } from "./read.ts";
import "./artifacts.css";

const Markdown = lazy(() => import("../components/Markdown.tsx").then((module) => module.Markdown));

/** Bytes by which unknown content is told. */
const HEAD = 512;
const MOST_ROWS = 1_000;
const MOST_COLUMNS = 60;

/** The content of an artifact, as far as a page can show it: nothing of it is ever run. */
export function ArtifactContent({ artifact }: { readonly artifact: Artifact }) {
  const { uri } = artifact;
  const { value, error } = useLoad(`content ${uri}`, async (signal) => {
    const size = Number(artifact.bytes);
    const head = size === 0 ? new Uint8Array() : await readHead(uri, Math.min(size, HEAD), signal);
    const [kind, type] = kindOf(artifact, head);
    const most = Math.min(size, mostShown[kind]);
    const content = most <= head.length ? head : await readHead(uri, most, signal);
    return { kind, type, whole: most === size, content };
  });
  return (
    <section class="panel stack" aria-label="Content">
      {error !== undefined && <WorkError error={error} what="the content" />}
      {value === undefined && error === undefined && <p class="loading">Loading …</p>}
      {value !== undefined && <Shown {...value} artifact={artifact} />}
    </section>
  );
}

interface ShownProps {
  readonly kind: Kind;
  readonly type: string;
  readonly whole: boolean;
  readonly content: Uint8Array<ArrayBuffer>;
  readonly artifact: Artifact;
}

function Shown({ kind, type, whole, content, artifact }: ShownProps) {
  if (artifact.bytes === 0n) return <p class="soft">It is empty.</p>;
  if (kind === "image") return <Picture artifact={artifact} />;
  if (kind === "bytes") return <Bytes content={content} />;
  const text = new TextDecoder().decode(content, { stream: !whole });
  return (
    <>
      {kind === "table" && <Values text={text} separator={type.includes("tab") ? "\t" : ","} whole={whole} />}
      {kind === "markdown" && <Markdown text={text} />}
      {(kind === "text" || kind === "json") && <Text text={kind === "json" && whole ? pretty(text) : text} />}
      {!whole && (
        <p class="soft">{`These are the first ${bytes(content.length)}: download it to see all.`}</p>
      )}
    </>
  );
}

/** Browsers run no script of an image and load nothing for it, which holds for SVG as well. */
function Picture({ artifact: { uri, name } }: { readonly artifact: Artifact }) {
  const [failed, setFailed] = useState(false);
  if (failed) return <Note kind="error">The browser cannot show this image: download it.</Note>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <div class="scroll" tabIndex={0}>
      <img
        class="artifact-image"
        src={contentPath(uri, name)}
        alt={name || "The artifact"}
        onError={() => setFailed(true)}
      />
    </div>
  );
}

function Text({ text }: { readonly text: string }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys.
    <pre class="artifact-text" tabIndex={0}>
      {text}
    </pre>
  );
}

function Values({ text, separator, whole }: { text: string; separator: "," | "\t"; whole: boolean }) {
  const { rows, more } = useMemo(() => readTable(text, separator, MOST_ROWS + 1), [text, separator]);
  // The last row may be cut off where not all was read.
  const kept = whole || more ? rows : rows.slice(0, -1);
  const [head = [], ...body] = kept.map((row) => row.slice(0, MOST_COLUMNS));
  const cut = kept.some((row) => row.length > MOST_COLUMNS);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys. */}
      <div class="scroll artifact-table" tabIndex={0}>
        <table>
          <thead>
            <tr>
              {head.map((cell, index) => (
                <th key={index} class={isNumeric(body[0]?.[index] ?? "") ? "number" : ""}>
                  {cell}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {body.map((row, index) => (
              <tr key={index}>
                {row.map((cell, column) => (
                  <td key={column} class={isNumeric(cell) ? "number" : ""}>
                    {cell}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {(more || cut) && (
        <p class="soft">
          {more && `The first ${MOST_ROWS.toLocaleString("en")} rows. `}
          {cut && `The first ${MOST_COLUMNS} columns.`}
        </p>
      )}
    </>
  );
}

/** The first bytes in hexadecimal and as letters. */
function Bytes({ content }: { readonly content: Uint8Array }) {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(content.length, 512); at += 16) {
    const row = [...content.subarray(at, at + 16)];
    const hex = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte > 31 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(47)}  ${letters}`);
  }
  return (
    <>
      <p class="soft">It is no text; these are its first bytes.</p>
      <Text text={lines.join("\n")} />
    </>
  );
}
