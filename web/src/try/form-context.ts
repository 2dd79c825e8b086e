import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { ReadContract } from "./contract.ts";

/** What all fields of a form share. */
export interface FormFacts {
  readonly contract: ReadContract;
  /** What is wrong with the value at a path; undefined: nothing. */
  problem(path: string): string | undefined;
  /** Tells what only the field itself knows, such as hex that is none; undefined: it is right again. */
  report(path: string, problem: string | undefined): void;
}

export const FormContext = createContext<FormFacts | undefined>(undefined);

export function useForm(): FormFacts {
  const facts = useContext(FormContext);
  if (facts === undefined) throw new Error("A field of a request stands in no form.");
  return facts;
}
