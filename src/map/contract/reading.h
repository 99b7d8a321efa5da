// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * Reading a span by CONTRACT.md §1: one pass over its attributes (and one over each resource) into
 * canonical values and its class of §3. Texts are views into the values, or live in the arena.
 */
typedef enum SpanClass {
    CLASS_SERVER,
    CLASS_MESSAGING,
    CLASS_DATABASE,
    CLASS_OUTBOUND,
    CLASS_INNER,
} SpanClass;

/* What a messaging span does to its queue. No known operation: by the kind of the span. */
typedef enum MessageRole {
    MESSAGE_NONE, /* settle, or nothing that is known */
    MESSAGE_SEND, /* send, publish */
    MESSAGE_CREATE,
    MESSAGE_RECEIVE,
    MESSAGE_PROCESS, /* process, consume, deliver */
} MessageRole;

typedef struct DatabaseReading {
    Str system, namespace;
    Str host;         /* of the address alone; empty: none */
    Str address;      /* host and port; empty: none */
    Str address_list; /* the attribute as it came, when it lists several */
    Str operation, summary, text;
    const Str *collections;
    size_t n_collections;
} DatabaseReading;

typedef struct MessagingReading {
    Str system;
    Str destination;   /* "(temporary)" and "(unknown)" included */
    Str group, broker; /* labels: consumer group, address */
} MessagingReading;

typedef struct OutboundReading {
    Str peer_service, address, rpc_service, http_host; /* empty: none */
    bool address_is_loopback, http_host_is_loopback;
} OutboundReading;

/* What §6 reads on the span itself: coordimap.flow.name, .step and .run_id, entity.type and
 * entity.id; empty: none. */
typedef struct FlowReading {
    Str name, step, run_id;
    Str entity_type, entity_id;
} FlowReading;

typedef struct Reading {
    SpanClass class;
    MessageRole role;        /* MESSAGE_NONE unless messaging */
    Str service;             /* on the span itself; empty: none */
    const FlowReading *flow; /* NULL: none of its attributes */
    union {                  /* by class; server and inner: NULL */
        const DatabaseReading *database;
        const MessagingReading *messaging;
        const OutboundReading *outbound;
    };
} Reading;

enum {
    READING_COLLECTIONS_MAX = 256, /* elements of aws.dynamodb.table_names that are read */
};

void reading_take(const Span *span, Arena *arena, Reading *ret_reading);

typedef struct ResourceLabel {
    Str name, value;
} ResourceLabel;

enum { RESOURCE_LABELS_MAX = 6 };

typedef struct ResourceReading {
    Str service; /* empty: none */
    Str namespace, environment, scope;
    ResourceLabel labels[RESOURCE_LABELS_MAX];
    size_t n_labels;
} ResourceReading;

void resource_reading_take(const Resource *resource, Arena *arena, ResourceReading *ret_reading);
