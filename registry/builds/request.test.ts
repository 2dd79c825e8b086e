import fc from "fast-check";
import { expect, test } from "vitest";
import { parseBuildRequest } from "./request.ts";

const request = { repository: "https://git.example.org/a.git", ref: "", folder: "", tags: [] };
const parse = (changes: object) => parseBuildRequest({ ...request, ...changes });
const reason = (changes: object) => {
  try {
    parse(changes);
  } catch (error) {
    return (error as { reason: string }).reason;
  }
  return undefined;
};

test.each([
  "https://git.example.org/genome.git",
  "http://127.0.0.1:3000/a/b.git",
  "ssh://git@git.example.org:2222/a.git",
  "git@git.example.org:a/b.git",
  "git.example.org:a/b.git",
  "git://git.example.org/a",
  "file:///srv/git/a.git",
  "/srv/git/a.git",
])("%s is a repository", (repository) => {
  expect(parse({ repository }).repository).toBe(repository);
});

test.each([
  ["", "it is empty"],
  ["--upload-pack=touch x", "it holds a blank"],
  ["--upload-pack=id", 'it begins with "-"'],
  ["-", 'it begins with "-"'],
  ["ext::sh", "it is neither a URL nor an absolute path"],
  ["fd::17/x", "it is neither a URL nor an absolute path"],
  ["genome", "it is neither a URL nor an absolute path"],
  ["../genome", "it is neither a URL nor an absolute path"],
  ["-oProxyCommand=id:x", 'it begins with "-"'],
  ["host:-x", "it is neither a URL nor an absolute path"],
  ["ftp://example.org/a", '"ftp" is none of the protocols https, http, ssh, git, file'],
  ["ssh://-oProxyCommand=id/x", ""],
  ["https://%2doption/x", ""],
  ["https://example.org/a\nb", "a control character"],
  ["https://example.org/\u202Eb", "a control character"],
  [`https://example.org/${"a".repeat(3000)}`, "it has 3020 characters, and 500 are the most"],
])("%j is none", (repository, words) => {
  expect(reason({ repository })).toBe("REPOSITORY_INVALID");
  expect(() => parse({ repository })).toThrow(words);
});

test.each([
  "https://user:secret@example.org/a",
  "https://token@example.org/a",
  "ssh://git:secret@example.org/a",
])("%s holds a password, which is not repeated", (repository) => {
  expect(() => parse({ repository })).toThrow("holds a name or password, which everybody could read");
  expect(() => parse({ repository })).not.toThrow("secret");
});

test.each(["main", "v1.2.0", "feature/x-y", "refs/heads/main", "0123456789abcdef", "ünï"])(
  "%s is a ref",
  (ref) => {
    expect(parse({ ref }).ref).toBe(ref);
  },
);

test.each([
  "-x",
  "--upload-pack=id",
  "a b",
  "a..b",
  "a~1",
  "a^{commit}",
  "a:b",
  "HEAD@{1}",
  "@",
  "/a",
  "a/",
  "a//b",
  ".a",
  "a/.b",
  "a.lock",
  "a.lock/b",
  "a\\b",
  "a\0",
  "a*",
  "x".repeat(201),
])("%j is none", (ref) => {
  expect(reason({ ref })).toBe("REF_INVALID");
});

test.each([
  ["", ""],
  [".", ""],
  ["./a/", "a"],
  ["services/genome", "services/genome"],
])("the folder %j is %j", (folder, expected) => {
  expect(parse({ folder }).folder).toBe(expected);
});

test.each(["..", "a/../b", "/etc", "a//b", ".git/hooks", "a/.GIT", "a\\b", "a\nb", "x/".repeat(600)])(
  "%j is no folder",
  (folder) => {
    expect(reason({ folder })).toBe("FOLDER_INVALID");
  },
);

test("tags are those that tags can be, and not too many", () => {
  expect(parse({ tags: ["beta", "beta"] }).tags).toEqual(["beta"]);
  expect(reason({ tags: ["1.0.0"] })).toBe("TAG_INVALID");
  expect(reason({ tags: Array.from({ length: 21 }, (_, n) => `t${n}`) })).toBe("TAG_INVALID");
});

test("whatever passes cannot be an option, and nothing else is thrown than a refusal", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const field of ["repository", "ref", "folder"] as const) {
        const found = reason({ [field]: text });
        if (found === undefined) expect(text.startsWith("-") && field !== "folder").toBe(false);
        else expect(found).toMatch(/^(REPOSITORY|REF|FOLDER)_INVALID$/);
      }
    }),
  );
});
