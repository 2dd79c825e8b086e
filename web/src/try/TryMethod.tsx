import type { GetContractResponse } from "../../gen/rouse/catalog/v1/catalog.ts";

interface Props {
  readonly service: string;
  readonly version: string;
  readonly contract: GetContractResponse;
  readonly method: string;
}

export function TryMethod({ service, version, method }: Props) {
  return <h2>{`${service}@${version}/${method}`}</h2>;
}
