// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "span/span.h"

/*
 * What a trace adds to the map: a multiset of deltas. The map is the sum of the deltas of all
 * traces, so a trace that changes (a late span) is taken back with sign -1 and added anew with sign
 * +1; see CONTRACT.md, "The law". Everything in a delta is a sum, never a "last value".
 */
typedef enum NodeType {
    NODE_SERVICE,
    NODE_DATABASE,
    NODE_TABLE,
    NODE_QUEUE,
    NODE_EXTERNAL,
    NODE_FLOW,
    NODE_STEP,
    NODE_NAME, /* an unpaired name: what it means is decided when the map is asked for (§4) */
} NodeType;

/* Identity of a node, CONTRACT.md §2. Fields that a type lacks are empty. */
typedef struct NodeKey {
    NodeType type;
    Str scope, environment;
    Str namespace; /* service: service.namespace; database and table: db.namespace */
    Str name;      /* service, external, queue destination, flow, name */
    Str system;    /* db.system, msg.system */
    Str address;   /* database: host of address and port */
    Str part; /* table: collection; step: step name; embedded database and its tables: the service's
                 key as bytes lives in @owner */
    Str owner; /* embedded database: encoded key of its service, else empty */
} NodeKey;

/* "service", "database" …, as `type` in questions and answers. */
Str node_type_name(NodeType type);

/* Longer names are cut, at a whole character, before they are anything's identity: what differs
 * only behind is one. */
enum { NAME_BYTES_MAX = 1024 };
Str name_cut(Str name);

/* The key as bytes, equal exactly when the identity is (names cut); and back. Returns 0; 1 when
 * @bytes is no key. */
void node_key_append(const NodeKey *key, Buf *buf);
MUST_USE int node_key_parse(Str bytes, NodeKey *ret_key);

/* The key, whose fields then live as long as @arena. */
NodeKey node_key_copy(const NodeKey *key, Arena *arena);

/* The node that stands for others of @key's type in its scope and environment, CONTRACT.md §8; for
 * a table or step @of_parent in its database or flow. Views into @key. */
NodeKey node_key_other(const NodeKey *key, bool of_parent);

/* What people call the node: a table's collection, a step's name; a database's name, else its
 * address, else its system; a view into @key. */
Str node_key_label(const NodeKey *key);

/* The opaque id for the outside: 20 characters of [a-z2-7], a stable hash of the key's bytes. */
enum { NODE_ID_LENGTH = 20 };
void node_id_append(Str key_bytes, Buf *buf);

typedef enum Relation {
    RELATION_CALLS,
    RELATION_READS,
    RELATION_WRITES,
    RELATION_ACCESSES,
    RELATION_PUBLISHES,
    RELATION_CONSUMES,
    RELATION_PERFORMS,
    RELATION_FOLLOWS,
} Relation;

typedef enum Rule {
    RULE_PAIRED,
    RULE_PAIRED_ASYNC,
    RULE_INFERRED_CONSUMER,
    RULE_PEER_SERVICE,
    RULE_SERVER_ADDRESS,
    RULE_RPC_SERVICE,
    RULE_HTTP_HOST,
    RULE_DB_EXPLICIT,
    RULE_DB_SUMMARY,
    RULE_DB_TEXT,
    RULE_DB_NAME,
    RULE_MESSAGING,
    RULE_FLOW,
    RULE_COUNT,
} Rule;

/* "calls", "paired-async", "server.address" … as CONTRACT.md spells them; and back (0; 1 unknown).
 */
Str relation_name(Relation relation);
Str rule_name(Rule rule);
MUST_USE int relation_parse(Str text, Relation *ret_relation);
MUST_USE int rule_parse(Str text, Rule *ret_rule);

typedef enum DeltaKind {
    DELTA_EDGE,    /* source relation target, by rule */
    DELTA_HOP,     /* source (producer), via (queue), target (consumer); duration is the age */
    DELTA_REQUEST, /* source (service), name (span name): an entry point */
    DELTA_PROOF, /* source (NODE_NAME by address or http.host), target (service): day in @minute */
    DELTA_UNRESOLVED, /* source: outbound spans that name no peer */
    DELTA_ORPHAN,     /* source: spans whose parent is not there */
    DELTA_FINDING,    /* source (service, queue), name: a code of contract/health.h */
    DELTA_LABEL,   /* source has label @name=@value (version, sdk, host, pod, broker, group …) */
    DELTA_SPAN,    /* source: spans of a service, all of them (for shares) */
    DELTA_NO_FLOW, /* source: step occurrences of a service without a flow, name: the step's */

    /* What a run adds (map/flow/run.h), in the minute of the run. errors: failed runs, but for
     * steps and transitions. */
    DELTA_RUN,       /* source (flow); duration: of the run */
    DELTA_NO_RUN_ID, /* source (flow): runs that fall back on a trace id */
    DELTA_VARIANT,   /* source (flow), name (its sequence, variant_append()) */
    DELTA_START,     /* source (step): runs that begin with it */
    DELTA_END,       /* source (step): runs that end with it */
    DELTA_STEP, /* source (step): occurrences; adjusted: runs that have it; duration: of the step */
    DELTA_NEXT, /* source, target (steps): transitions; errors: of steps that overlap; adjusted:
                   runs that have it; duration: the wait between them */
} DeltaKind;

/* Adjusted counts are fixed-point with 2^-32, so that sums are exact in any order. */
typedef __int128 Adjusted;
#define ADJUSTED_ONE ((Adjusted)1 << 32)

typedef struct Delta {
    DeltaKind kind;
    Relation relation;
    Rule rule;
    uint32_t minute;         /* minutes since the epoch (proof: days) */
    Str source, target, via; /* node keys as bytes */
    Str name, value;         /* request, label */
    Str flow, step;          /* for which business step: its flow's key and its name; or empty */
    uint32_t count, errors;
    Adjusted adjusted;
    bool has_duration, has_server_duration;
    uint64_t duration_ns, server_duration_ns;
    TraceId trace_id; /* exemplar */
    uint64_t start_ns;
    SpanId span_id; /* the span that speaks (hop: the consumer); for a trace's page, not stored */
} Delta;

/* Deltas in an arena; Str fields live as long as it does. */
struct Members;

typedef struct Deltas {
    Delta *items;
    size_t count, capacity;
    Arena *arena;
    struct Members *members; /* of runs (map/flow/member.h); NULL: not wanted */
    uint64_t n_cut_contexts; /* questions for a business context that met a limit (§8) */
} Deltas;

/* Appends a zeroed delta and returns it; valid until the next call. */
Delta *deltas_add(Deltas *deltas);
