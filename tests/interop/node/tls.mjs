// A proxy that ends TLS, as stands before a server on the internet: some clients take no other.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer } from "node:tls";

// The certificate is made for the moment, and nobody vouches for it.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
process.removeAllListeners("warning");

/** Begins to forward to the port of a URL; the port with TLS, and what ends it. */
export async function withTls(url) {
  const folder = mkdtempSync(join(tmpdir(), "tls-"));
  const [key, cert] = ["key", "cert"].map((name) => join(folder, name));
  const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"];
  execFileSync("openssl", [...request, "-subj", "/CN=localhost", "-keyout", key, "-out", cert], { stdio: "pipe" });
  const { port } = new URL(url);
  const server = createServer({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
    const plain = connect(Number(port), "127.0.0.1");
    socket.pipe(plain).pipe(socket);
    for (const side of [socket, plain]) side.on("error", () => [socket, plain].forEach((each) => each.destroy()));
  });
  rmSync(folder, { recursive: true });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: server.address().port, end: () => server.close() };
}
