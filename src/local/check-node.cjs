// Ends with 1 when this Node is older than package.json demands: its error would otherwise be about the syntax of some
// package. The old Node has to run this file itself, so nothing here is newer than Node 4.
// biome-ignore-start lint/style/useNodejsImportProtocol: newer than Node 4
const fs = require("fs");
const path = require("path");
// biome-ignore-end lint/style/useNodejsImportProtocol: newer than Node 4

const about = JSON.parse(fs.readFileSync(path.join(__dirname, "../../package.json"), "utf8"));
const needed = /\d+(\.\d+)?/.exec(about.engines.node)[0];
const wanted = needed.split(".").map(Number);
const present = process.versions.node.split(".").map(Number);
if (present[0] < wanted[0] || (present[0] === wanted[0] && present[1] < (wanted[1] || 0))) {
  const message = `Node ${process.versions.node} is too old: this needs Node ${needed} or later.`;
  console.error(`${message} Install it (https://nodejs.org), then run the command again.`);
  process.exit(1);
}
