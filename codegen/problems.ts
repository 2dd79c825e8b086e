/** Something in a contract that the user must change. Lines and columns count from 1. */
export interface Problem {
  /** Path of the .proto file, as the compiler knows it: "genome/v1/genome.proto". */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** One line: what is wrong, and what to write instead. */
  readonly message: string;
}

/** The form that compilers use and editors make clickable: "file:line:column: message". */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`;
}

/** Reads back what {@link formatProblem} wrote; lines of another form are left out. */
export function parseProblems(text: string): Problem[] {
  const problems: Problem[] = [];
  for (const line of text.split("\n")) {
    const match = /^(.+?\.proto):(\d+):(\d+): ?(.*)$/.exec(line);
    if (match === null) continue;
    const [, file = "", row = "1", column = "1", message = ""] = match;
    problems.push({ file, line: Number(row), column: Number(column), message });
  }
  return problems;
}

/** By file, then by place. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return [...problems].sort(
    (a, b) =>
      a.file.localeCompare(b.file) ||
      a.line - b.line ||
      a.column - b.column ||
      a.message.localeCompare(b.message),
  );
}
