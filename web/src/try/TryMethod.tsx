import { useMemo } from "preact/hooks";
import { rouseOrderLine } from "../code/samples.ts";
import { Note } from "../components/Note.tsx";
import { type Contract, methodOf, readContract } from "./contract.ts";
import { isJob } from "./job.ts";
import { TryForm } from "./TryForm.tsx";
import "./try.css";

interface Props {
  readonly service: string;
  readonly version: string;
  readonly contract: Contract;
  readonly method: string;
}

/** A form that calls a method of a service, made from its contract. */
export function TryMethod({ service, version, contract, method }: Props) {
  const made = useMemo(() => {
    try {
      const read = readContract(contract);
      return { read, desc: methodOf(read, service, method) };
    } catch (thrown) {
      return { error: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }, [contract, service, method]);
  if ("error" in made) return <Note kind="error">{made.error}</Note>;
  if (isJob(made.desc))
    return (
      <Note>
        {method} is a job by its contract: it is not called but ordered, and each order runs it once in a
        sandbox of its own. <code>{rouseOrderLine({ method: made.desc, request: {}, version })}</code>
      </Note>
    );
  return (
    <TryForm
      key={`${service}@${version}/${method}`}
      contract={made.read}
      method={made.desc}
      version={version}
      methods={contract.methods}
    />
  );
}
