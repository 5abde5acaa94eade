// Generates types: node modelina.mjs SCHEMA typescript|java DIRECTORY. Prints the name of the type of the root.
import { readFileSync } from "node:fs";
import {
  JAVA_JACKSON_PRESET,
  JavaFileGenerator,
  TS_COMMON_PRESET,
  TypeScriptFileGenerator,
} from "@asyncapi/modelina";

const [schema, language, directory] = process.argv.slice(2);
const input = JSON.parse(readFileSync(schema, "utf8"));
const generator =
  language === "java"
    ? new JavaFileGenerator({ presets: [JAVA_JACKSON_PRESET], collectionType: "List" })
    : new TypeScriptFileGenerator({ presets: [{ preset: TS_COMMON_PRESET, options: { marshalling: true } }] });
const options = language === "java" ? { packageName: "modelina" } : { exportType: "named" };
const models = await generator.generateToFiles(input, directory, options, true);
console.log(models.find((each) => each.model.originalInput.title === input.title).modelName);
