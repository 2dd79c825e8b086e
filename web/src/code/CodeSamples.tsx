import { useEffect, useMemo, useState } from "preact/hooks";
import { Note } from "../components/Note.tsx";
import type { Contract } from "../try/contract.ts";
import { methodOf, readContract } from "../try/contract.ts";
import { exampleOf } from "../try/example.ts";
import { CopyButton } from "./CopyButton.tsx";
import { samplesOf } from "./samples.ts";
import "./code.css";

interface Props {
  readonly service: string;
  readonly version: string;
  readonly contract: Contract;
  readonly method: string;
}

/** How a method is called, for each language, with values of its contract. */
export function CodeSamples({ service, version, contract, method }: Props) {
  const made = useMemo(() => {
    try {
      const read = readContract(contract);
      const desc = methodOf(read, service, method);
      const request = exampleOf(desc.input, read);
      return { samples: samplesOf({ method: desc, request, version, edge: location.origin }) };
    } catch (thrown) {
      return { error: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }, [contract, service, method, version]);
  const [chosen, setChosen] = useState(stored);
  if ("error" in made) return <Note kind="error">{made.error}</Note>;
  const sample = made.samples.find(({ id }) => id === chosen) ?? made.samples[0];
  if (sample === undefined) return null;
  const choose = (id: string) => {
    setChosen(id);
    store(id);
  };
  return (
    <section class="stack code-samples" aria-label="Code samples">
      <fieldset class="code-languages">
        <legend class="visually-hidden">Language</legend>
        {made.samples.map(({ id, title }) => (
          <label key={id}>
            <input
              type="radio"
              name="language"
              checked={id === sample.id}
              onChange={() => choose(id)}
              class="visually-hidden"
            />
            <span>{title}</span>
          </label>
        ))}
      </fieldset>
      <div class="code-sample">
        <p class="soft">{sample.before}</p>
        {sample.text !== undefined && (
          <div class="code-text">
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: long lines are scrolled by the keyboard, too. */}
            <pre tabIndex={0}>
              <code>{sample.text}</code>
            </pre>
            <CopyButton text={() => sample.text ?? ""} />
          </div>
        )}
        <ContractLink descriptorSet={contract.descriptorSet} name={`${service}-${version}`} />
      </div>
    </section>
  );
}

/** The descriptor set as a file. */
function ContractLink({
  descriptorSet,
  name,
}: {
  readonly descriptorSet: Uint8Array;
  readonly name: string;
}) {
  const [url, setUrl] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([new Uint8Array(descriptorSet)]));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [descriptorSet]);
  return (
    <p>
      <a href={url} download={`${name}.binpb`}>
        The contract as a descriptor set
      </a>{" "}
      <span class="soft">for grpcurl, buf, and generators of other languages</span>
    </p>
  );
}

const key = "language";

function stored(): string {
  try {
    return localStorage.getItem(key) ?? "typescript";
  } catch {
    return "typescript";
  }
}

function store(id: string): void {
  try {
    localStorage.setItem(key, id);
  } catch {
    // Storage is blocked: the choice holds until the page is left.
  }
}
