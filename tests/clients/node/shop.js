// SPDX-License-Identifier: Apache-2.0
// One service of a small shop on express, with the SDK's own instrumentation: node shop.js NAME EXPORTER [NEXT_URL].
// Prints its port; answers GET /items/:id, asking NEXT_URL first when there is one; leaves on SIGTERM.
const { NodeTracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace-node");
const { Resource } = require("@opentelemetry/resources");
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");

const [, , name, exporterName, nextUrl] = process.argv;
const exporters = {
  json: () => new (require("@opentelemetry/exporter-trace-otlp-http").OTLPTraceExporter)(),
  proto: () => new (require("@opentelemetry/exporter-trace-otlp-proto").OTLPTraceExporter)(),
  zipkin: () => new (require("@opentelemetry/exporter-zipkin").ZipkinExporter)({ url: process.env.ZIPKIN_URL }),
};
const provider = new NodeTracerProvider({
  resource: new Resource({ "service.name": name }),
  spanProcessors: [new BatchSpanProcessor(exporters[exporterName]())],
});
provider.register();
registerInstrumentations({ instrumentations: [new HttpInstrumentation(), new ExpressInstrumentation()] });

const http = require("node:http");
const express = require("express");
const app = express();
app.get("/items/:id", (request, response) => {
  if (!nextUrl) {
    response.json({ id: request.params.id });
    return;
  }
  http.get(`${nextUrl}/items/${request.params.id}`, (answer) => {
    answer.resume();
    answer.on("end", () => response.json({ status: answer.statusCode }));
  });
});
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.on("SIGTERM", async () => {
  server.close();
  await provider.shutdown();
  process.exit(0);
});
