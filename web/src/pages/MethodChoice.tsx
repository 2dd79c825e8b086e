import type { GetContractResponse } from "../../gen/rouse/catalog/v1/catalog.ts";
import { navigate, withQuery } from "../router.tsx";

/** Chooses a method; the choice is in the URL. */
export function MethodChoice({
  contract,
  method,
}: {
  readonly contract: GetContractResponse;
  readonly method: string;
}) {
  return (
    <label class="row">
      Method
      <select
        value={method}
        onChange={(event) => navigate(withQuery({ method: event.currentTarget.value }), { replace: true })}
      >
        {contract.methods.map(({ name }) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  );
}
