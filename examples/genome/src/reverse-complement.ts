/** Complements of the IUPAC codes (NC-IUB 1984); S, W, N and gaps are their own. */
const from = "ACGTUYRKMBVDHacgtuyrkmbvdh";
const to = "TGCAARYMKVBHDtgcaarymkvbhd";
const complements = new Map([...from].map((code, i) => [code, to[i] ?? code]));

/** The other strand, read from its 5' end. */
export function reverseComplement(forward: string): string {
  const reverse = new Array<string>(forward.length);
  for (let i = 0; i < forward.length; i++) {
    const code = forward[i] ?? "";
    reverse[forward.length - 1 - i] = complements.get(code) ?? code;
  }
  return reverse.join("");
}
