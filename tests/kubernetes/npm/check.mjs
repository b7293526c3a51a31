// Reads objects from the file that is named, tells what their validators say of them, one problem a line, and writes
// objects.ts, in which the compiler of TypeScript finds fields that their types do not have.
import { readFileSync, writeFileSync } from "node:fs";

const HOMES = {
  "cert-manager.io": "cert-manager",
  "gateway.networking.k8s.io": "gateway-api",
  "postgresql.cnpg.io": "cloudnative-pg",
};
const STORE = "@kubernetes-models/cloudnative-pg/github.com/cloudnative-pg/barman-cloud/pkg/api/BarmanObjectStoreConfiguration";

let typed = "";
function type(module, name, value) {
  const number = typed.length;
  typed += `import type { ${name} as T${number} } from "${module}";\nexport const o${number}: T${number} = ${JSON.stringify(value)};\n`;
}

for (const object of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const [group] = object.apiVersion.split("/");
  if (object.kind === "ObjectStore") {
    type(STORE, "IBarmanObjectStoreConfiguration", object.spec.configuration); // all of it that a package knows
    continue;
  }
  if (!(group in HOMES)) {
    console.log(`${object.kind}/${object.metadata.name}: no package knows ${object.apiVersion}`);
    continue;
  }
  const module = `@kubernetes-models/${HOMES[group]}/${object.apiVersion}/${object.kind}`;
  type(module, `I${object.kind}`, object);
  try {
    new (await import(module))[object.kind](object).validate();
  } catch (error) {
    console.log(`${object.kind}/${object.metadata.name}: ${error.message}`);
  }
}
writeFileSync("objects.ts", typed);
