// SPDX-License-Identifier: Apache-2.0

// Two services in one program, go-web calling go-cart over HTTP with otelhttp, sent by the SDK over gRPC.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.26.0"
)

func provider(ctx context.Context, service string) *trace.TracerProvider {
	exporter, err := otlptracegrpc.New(ctx, otlptracegrpc.WithCompressor("gzip"))
	if err != nil {
		panic(err)
	}
	return trace.NewTracerProvider(trace.WithBatcher(exporter),
		trace.WithResource(resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName(service))))
}

func main() {
	ctx := context.Background()
	web, cart := provider(ctx, "go-web"), provider(ctx, "go-cart")
	propagator := otelhttp.WithPropagators(propagation.TraceContext{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") })
	server := httptest.NewServer(otelhttp.NewHandler(handler, "GET /cart", otelhttp.WithTracerProvider(cart), propagator))
	client := http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport, otelhttp.WithTracerProvider(web), propagator)}
	for i := 0; i < 3; i++ {
		answer, err := client.Get(server.URL + "/cart")
		if err != nil {
			panic(err)
		}
		answer.Body.Close()
	}
	server.Close()
	if web.Shutdown(ctx) != nil || cart.Shutdown(ctx) != nil {
		os.Exit(1)
	}
}
