// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codec/json.h"
#include "span/value.h"

/*
 * Values and attributes in OTLP's JSON mapping: AnyValue as {"stringValue":"…"}, {"intValue":"42"}
 * …, attributes as an array of {"key","value"}. For requests, the native API, blocks and exports.
 */
void value_json_write(JsonWriter *writer, const Value *value);
void attributes_json_write(JsonWriter *writer, Attributes attributes);

/* As leniently as the Collector reads: snake_case keys, integers as numbers or strings, unknown
 * keys skipped. Nesting to VALUE_DEPTH_MAX. Strings are views into the reader's text or its arena.
 * Returns 0 or JSON_BAD. */
MUST_USE int value_json_read(JsonReader *reader, Value *ret_value);
MUST_USE int attributes_json_read(JsonReader *reader, Attributes *ret_attributes);
