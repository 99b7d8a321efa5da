// SPDX-License-Identifier: Apache-2.0
package weft;

import io.opentelemetry.api.common.Attributes;
import io.opentelemetry.api.trace.Span;
import io.opentelemetry.api.trace.SpanKind;
import io.opentelemetry.api.trace.StatusCode;
import io.opentelemetry.context.Context;
import io.opentelemetry.exporter.otlp.http.trace.OtlpHttpSpanExporter;
import io.opentelemetry.exporter.otlp.trace.OtlpGrpcSpanExporter;
import io.opentelemetry.sdk.resources.Resource;
import io.opentelemetry.sdk.trace.SdkTracerProvider;
import io.opentelemetry.sdk.trace.export.BatchSpanProcessor;
import io.opentelemetry.sdk.trace.export.SpanExporter;

/** Two services in one program: java-web calls java-cart, which reads a table. Prints the trace id. */
public final class Clients {
    private static SdkTracerProvider provider(String service, String protocol, String endpoint) {
        SpanExporter exporter = protocol.equals("grpc")
                ? OtlpGrpcSpanExporter.builder().setEndpoint(endpoint).setCompression("gzip").build()
                : OtlpHttpSpanExporter.builder().setEndpoint(endpoint + "/v1/traces").build();
        return SdkTracerProvider.builder()
                .setResource(Resource.create(Attributes.builder().put("service.name", service).build()))
                .addSpanProcessor(BatchSpanProcessor.builder(exporter).build())
                .build();
    }

    public static void main(String[] arguments) {
        SdkTracerProvider web = provider("java-web", arguments[0], arguments[1]);
        SdkTracerProvider cart = provider("java-cart", arguments[0], arguments[1]);
        Span call = web.get("t").spanBuilder("GET /cart").setSpanKind(SpanKind.CLIENT).startSpan();
        Span server = cart.get("t").spanBuilder("GET /cart").setSpanKind(SpanKind.SERVER)
                .setParent(Context.root().with(call)).startSpan();
        Span query = cart.get("t").spanBuilder("SELECT carts").setSpanKind(SpanKind.CLIENT)
                .setParent(Context.root().with(server))
                .setAttribute("db.system", "h2").setAttribute("db.name", "shop")
                .setAttribute("db.statement", "SELECT * FROM carts").startSpan();
        query.setStatus(StatusCode.ERROR, "locked");
        query.addEvent("retry");
        query.end();
        server.end();
        call.end();
        web.close();
        cart.close();
        System.out.println(call.getSpanContext().getTraceId());
    }
}
