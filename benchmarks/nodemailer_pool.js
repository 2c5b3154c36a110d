// One message, sent COUNT times through nodemailer's pool; prints the seconds from the first to the last answer.
const fs = require("fs");
const nodemailer = require("nodemailer");

const [port, count, connections, file] = process.argv.slice(2);
const raw = fs.readFileSync(file);
const transport = nodemailer.createTransport({
  host: "127.0.0.1", port: Number(port), pool: true, maxConnections: Number(connections), maxMessages: Infinity,
  secure: false, ignoreTLS: true, logger: false,
});

async function main() {
  const started = process.hrtime.bigint();
  const sends = [];
  for (let number = 0; number < Number(count); number++) {
    sends.push(transport.sendMail({ envelope: { from: "shop@shop.example", to: "ana@example.org" }, raw }));
  }
  await Promise.all(sends);
  console.log(Number(process.hrtime.bigint() - started) / 1e9);
  transport.close();
}

main().catch((error) => { console.error(error); process.exit(1); });
