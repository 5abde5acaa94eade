// Reads messages into the types of quicktype: node quicktype.js FILE, one message a line, in base64.
import { readFileSync } from "node:fs";
import { Convert } from "./message.js";

const lines = readFileSync(process.argv[2]!, "utf8").split("\n").filter(Boolean);
const messages = lines.map((line) => Convert.toMessage(Buffer.from(line, "base64").toString("utf8")));
console.log(messages.length);
for (const message of messages.slice(-2)) {
  console.log(JSON.stringify(JSON.parse(Convert.messageToJson(message))));
}
