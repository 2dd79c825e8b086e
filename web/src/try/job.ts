import { type DescMethod, getOption, hasOption, isMessage } from "@bufbuild/protobuf";

const OPTION = "rouse.mesh.v1.method";
/** rouse.mesh.v1.Mode.MODE_JOB */
const MODE_JOB = 4;

/** True for a method that is not called but ordered, by its contract's option. */
export function isJob(method: DescMethod): boolean {
  const option = method.parent.file.dependencies
    .flatMap((file) => file.extensions)
    .find(({ typeName }) => typeName === OPTION);
  if (option === undefined || !hasOption(method, option)) return false;
  const value: unknown = getOption(method, option);
  return isMessage(value) && "mode" in value && value.mode === MODE_JOB;
}
