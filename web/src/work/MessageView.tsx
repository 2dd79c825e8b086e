import { useMemo } from "preact/hooks";
import { catalog } from "../api.ts";
import { ErrorNote, Note } from "../components/Note.tsx";
import { bytes as size } from "../format.ts";
import { useLoad } from "../load.ts";
import { decode } from "../try/codec.ts";
import { type Contract, methodOf, readContract } from "../try/contract.ts";
import { formatJson } from "../try/json.ts";
import { DownloadButton } from "./DownloadButton.tsx";
import { LongText } from "./LongText.tsx";
import "./work.css";

interface Props {
  readonly service: string;
  readonly version: string;
  readonly method: string;
  readonly part: "request" | "response";
  readonly bytes: Uint8Array;
  /** Of the file when it is downloaded, without its ending. */
  readonly name: string;
}

/** Longest text that is drawn, characters. */
const LONGEST = 50_000;

/** A method's request or response message as JSON, by the contract of the very version. */
export function MessageView(props: Props) {
  const { service, version } = props;
  const { value, error } = useLoad(`contract ${service} ${version}`, (signal) =>
    catalog.getContract({ service, spec: version }, { signal }),
  );
  if (error !== undefined)
    return (
      <>
        <ErrorNote error={error} what="the contract" />
        <DownloadButton
          name={`${props.name}.bin`}
          type="application/octet-stream"
          content={() => props.bytes}
        />
      </>
    );
  if (value === undefined) return <p class="loading">Loading …</p>;
  return <Decoded {...props} contract={value} />;
}

function Decoded({ contract, service, method, part, bytes, name }: Props & { readonly contract: Contract }) {
  const made = useMemo(() => {
    try {
      const read = readContract(contract);
      const desc = methodOf(read, service, method);
      return {
        text: formatJson(decode(part === "request" ? desc.input : desc.output, bytes, read.registry)),
      };
    } catch (thrown) {
      return { error: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }, [contract, service, method, part, bytes]);
  if (made.error !== undefined) return <Note kind="error">{made.error}</Note>;
  const { text } = made;
  return (
    <div class="stack">
      <LongText text={text} most={LONGEST} />
      <div class="row soft">
        <DownloadButton name={`${name}.json`} type="application/json" content={() => text} />
        {size(bytes.length)}
        {text.length > LONGEST && ", shown in part: download it to see all"}
      </div>
    </div>
  );
}
