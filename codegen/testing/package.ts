import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { RouseError } from "../../sdk/errors.ts";
import { generate } from "../generate.ts";

export const repository = fileURLToPath(new URL("../../", import.meta.url));

/** A service package in a temporary folder, for one test. */
export class TestPackage implements AsyncDisposable {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** @param files by their path in the package. */
  static async create(files: Readonly<Record<string, string>> = {}): Promise<TestPackage> {
    const made = new TestPackage(await mkdtemp(join(tmpdir(), "rouse-codegen-test-")));
    await made.write({ "package.json": '{"type": "module"}\n', ...files });
    return made;
  }

  /** A package that begins as a copy of a folder. */
  static async copy(folder: string): Promise<TestPackage> {
    const made = await TestPackage.create();
    await cp(folder, made.dir, { recursive: true });
    return made;
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(this.dir, path)), { recursive: true });
      await writeFile(join(this.dir, path), content);
    }
  }

  read(path: string): Promise<string> {
    return readFile(join(this.dir, path), "utf8");
  }

  remove(path: string): Promise<void> {
    return rm(join(this.dir, path), { recursive: true });
  }

  generate(options: { check?: boolean; out?: string } = {}) {
    return generate({ packageDir: this.dir, ...options });
  }

  /** What `generate` has to complain of; the folder's own name is left out of it. */
  async generateError(options: { check?: boolean } = {}): Promise<RouseError> {
    try {
      await this.generate(options);
    } catch (error) {
      if (!(error instanceof RouseError)) throw error;
      const message = error.message.replaceAll(`${this.dir}/`, "").replaceAll(this.dir, "PACKAGE");
      return new RouseError(error.status, message, { reason: error.reason });
    }
    throw new Error("generate did not fail");
  }

  /** Links the repository and its modules, as npm would install them. */
  async install(...modules: string[]): Promise<void> {
    await this.#link(repository, "rouse");
    for (const name of ["@types", "@bufbuild", ...modules])
      await this.#link(join(repository, "node_modules", name), name);
  }

  async #link(target: string, name: string): Promise<void> {
    const path = join(this.dir, "node_modules", name);
    await mkdir(dirname(path), { recursive: true });
    await symlink(target, path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** A contract with one service; its parts can be replaced. */
export function echoContract(parts: { options?: string; methods?: string; messages?: string } = {}): string {
  return `syntax = "proto3";
package echo.v1;
import "rouse/mesh/v1/options.proto";
service EchoService {
  option (rouse.mesh.v1.service) = {${parts.options ?? 'version: "1.0.0", owner: "a@example.org"'}};
  ${parts.methods ?? "rpc Echo(EchoRequest) returns (EchoResponse);"}
}
message EchoRequest { string text = 1; }
message EchoResponse { string text = 1; }
${parts.messages ?? ""}
`;
}

/** Path of {@link echoContract} in a package. */
export const echoPath = "proto/echo/v1/echo.proto";
